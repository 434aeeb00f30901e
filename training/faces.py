"""Labelled faces, ready to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from station.domain import Pixels
from training import crop_cache, crops
from training.crop_cache import Index
from training.folds import Names, Numbers
from training.manifest import ManifestError, PixelBox, Row

BOXED_MARGIN = 0.15
_SHOWN = 20


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces that could be read: `crops` is uint8, N x 3 x S x S (150 kB each at 224 pixels), in memory or mapped."""

    crops: Pixels
    ages_years: Numbers
    individuals: Names
    rows: tuple[Row, ...]
    """The manifests' rows they came from."""
    margin: float
    """Around boxes, on each side, as a fraction of the longer side."""
    left_out: int
    """Pictures that could not be used, or stood there before; each was reported."""


def usual_margin(rows: Sequence[Row]) -> float:
    """The crop margin to train with: around boxes a little of the head helps; whole pictures have nothing around."""
    return BOXED_MARGIN if any(row.box for row in rows) else 0.0


def load(
    rows: Sequence[Row], input_px: int, margin: float, say: Callable[[str], None], cache: Path | None = None
) -> Faces:
    """Crops of all rows; a bad picture is told to `say` and left out.

    `margin` applies to rows with a box: a whole picture was cut by someone who left what was worth leaving, and
    a margin would only add grey.  The same face under two paths counts once.  `cache` is a folder where the crops
    are kept: the next time no picture is opened.  Raises `ManifestError` when no picture is left, and where the same
    face is of two individuals: it would stand on both sides of a split.
    """
    cut = partial(_cut, rows, input_px, margin)
    if cache is None:
        taken: list[Pixels] = []
        index = cut(taken.append)
        pixels = np.stack(taken)
    else:
        pixels, index = crop_cache.kept(cache, crop_cache.key(rows, input_px, margin), input_px, cut, say)
    for text in index.told:
        say(text)
    kept = tuple(rows[number] for number in index.kept)
    return Faces(
        pixels,
        np.array([row.age_years for row in kept], np.float64),
        np.array([row.individual for row in kept], np.str_),
        kept,
        margin,
        len(rows) - len(kept),
    )


def _cut(rows: Sequence[Row], input_px: int, margin: float, take: Callable[[Pixels], None]) -> Index:
    """Hands on the crops of rows that have one of their own."""
    reading = _Reading()
    for number, (row, crop) in enumerate(crops.cut(rows, input_px, margin)):
        told = crop if isinstance(crop, str) else reading.repeated(row, crop.digest)
        if told is not None:
            reading.told.append(f"left out {row.path} (line {row.line}): {told}")
        elif not isinstance(crop, str):
            reading.kept.append(number)
            take(crop.pixels)
    return reading.index(len(rows))


@dataclass(slots=True)
class _Reading:
    """What was found out so far."""

    kept: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    first: dict[tuple[str, PixelBox | None], Row] = field(default_factory=dict)
    two_names: list[str] = field(default_factory=list)

    def repeated(self, row: Row, digest: str) -> str | None:
        """That this face was there before, if it was."""
        earlier = self.first.setdefault((digest, row.box), row)
        if earlier is row:
            return None
        same = f"the same face as {earlier.path} (line {earlier.line}), byte for byte"
        if earlier.individual != row.individual:
            self.two_names.append(f"{row.path} (line {row.line}) of {row.individual}: {same}, of {earlier.individual}")
        return same

    def index(self, rows: int) -> Index:
        if self.two_names:
            raise ManifestError(
                "\n  ".join(["one face is of two individuals: correct or strike one of each two", *self.two_names])
            )
        if not self.kept:
            reasons = "\n  ".join(self.told[:_SHOWN])
            raise ManifestError(f"none of the {rows} pictures can be used:\n  {reasons}")
        return Index(tuple(self.kept), tuple(self.told))
