"""From manifest rows to square crops, cut by the same function as in service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from station.domain import WHOLE, Box, Pixels
from station.pictures import BadPicture, Picture
from training.folds import Names, Numbers
from training.manifest import ManifestError, PixelBox, Row

BOXED_MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces that could be read: `crops` is uint8, N x 3 x S x S, all in memory (150 kB each at 224 pixels)."""

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


def load(rows: Sequence[Row], input_px: int, margin: float, say: Callable[[str], None]) -> Faces:
    """Crops of all rows with an age; a bad picture is told to `say` and left out.

    `margin` applies to rows with a box: a whole picture was cut by someone who left what was worth leaving, and
    a margin would only add grey.  The same face under two paths counts once.  Raises `ManifestError` when no picture
    is left, and where the same face is of two individuals: it would stand on both sides of a split.
    """
    kept: list[tuple[Row, Pixels]] = []
    first: dict[tuple[str, PixelBox | None], Row] = {}
    two_names: list[str] = []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda row: _crop(row, input_px, margin), rows)
        for row, read in zip(rows, tqdm(results, "reading faces", len(rows), unit="face", disable=None), strict=True):
            if isinstance(read, str):
                say(f"left out {row.path} (line {row.line}): {read}")
                continue
            earlier = first.setdefault((read.digest, row.box), row)
            if earlier is row:
                kept.append((row, read.crop))
                continue
            same = f"the same face as {earlier.path} (line {earlier.line}), byte for byte"
            if earlier.individual == row.individual:
                say(f"left out {row.path} (line {row.line}): {same}")
            else:
                two_names.append(f"{row.path} (line {row.line}) of {row.individual}: {same}, of {earlier.individual}")
    if two_names:
        raise ManifestError(
            "\n  ".join(["one face is of two individuals: correct or strike one of each two", *two_names])
        )
    if not kept:
        raise ManifestError(f"none of the {len(rows)} pictures can be used: the reasons stand above")
    return Faces(
        np.stack([crop for _, crop in kept]),
        np.array([row.age_years for row, _ in kept], np.float64),
        np.array([row.individual for row, _ in kept], np.str_),
        tuple(row for row, _ in kept),
        margin,
        len(rows) - len(kept),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    crop: Pixels
    """uint8 3 x S x S."""
    digest: str
    """SHA-256 of the picture's bytes."""


def _crop(row: Row, input_px: int, margin: float) -> _Read | str:
    """The crop, or why there is none."""
    try:
        data = row.path.read_bytes()
        picture, digest = Picture(data), hashlib.sha256(data).hexdigest()
        if row.box is None:
            return _Read(picture.crops([WHOLE], input_px)[0], digest)
        width, height = picture.width, picture.height
        box = Box(row.box.x / width, row.box.y / height, row.box.width / width, row.box.height / height)
        if box.x >= 1 or box.y >= 1 or box.x + box.width <= 0 or box.y + box.height <= 0:
            return f"the box lies outside the picture of {width} x {height} pixels"
        return _Read(picture.crops([box], input_px, margin)[0], digest)
    except (BadPicture, OSError) as error:
        return str(error)
