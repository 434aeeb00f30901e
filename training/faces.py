"""From manifest rows to square crops, cut by the same function as in service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from station.domain import WHOLE, Box, Pixels
from station.pictures import BadPicture, Picture
from training.folds import Numbers
from training.manifest import ManifestError, Row
from training.metrics import Names

BOXED_MARGIN = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces that could be read: `crops` is uint8, N x 3 x S x S, all in memory (150 kB each at 224 pixels)."""

    crops: Pixels
    ages_years: Numbers
    individuals: Names
    margin: float
    """Around boxes, on each side, as a fraction of the longer side."""
    left_out: int
    """Pictures that could not be used; each was reported."""


def usual_margin(rows: Sequence[Row]) -> float:
    """The crop margin to train with: around boxes a little of the head helps; whole pictures have nothing around."""
    return BOXED_MARGIN if any(row.box for row in rows) else 0.0


def load(rows: Sequence[Row], input_px: int, margin: float, say: Callable[[str], None]) -> Faces:
    """Crops of all rows with an age; a bad picture is told to `say` and left out.

    `margin` applies to rows with a box: a whole picture was cut by someone who left what was worth leaving, and
    a margin would only add grey.  Raises `ManifestError` when no picture is left.
    """
    kept: list[tuple[Row, Pixels]] = []
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda row: _crop(row, input_px, margin), rows)
        for row, crop in zip(rows, tqdm(results, "reading faces", len(rows), unit="face", disable=None), strict=True):
            if isinstance(crop, str):
                say(f"left out {row.path} (line {row.line}): {crop}")
            else:
                kept.append((row, crop))
    if not kept:
        raise ManifestError(f"none of the {len(rows)} pictures can be used: the reasons stand above")
    return Faces(
        np.stack([crop for _, crop in kept]),
        np.array([row.age_years for row, _ in kept], np.float64),
        np.array([row.individual for row, _ in kept], np.str_),
        margin,
        len(rows) - len(kept),
    )


def _crop(row: Row, input_px: int, margin: float) -> Pixels | str:
    """The crop, uint8 3 x S x S, or why there is none."""
    try:
        picture = Picture(row.path.read_bytes())
        if row.box is None:
            return np.asarray(picture.crops([WHOLE], input_px)[0])
        width, height = picture.width, picture.height
        box = Box(row.box.x / width, row.box.y / height, row.box.width / width, row.box.height / height)
        if box.x >= 1 or box.y >= 1 or box.x + box.width <= 0 or box.y + box.height <= 0:
            return f"the box lies outside the picture of {width} x {height} pixels"
        return np.asarray(picture.crops([box], input_px, margin)[0])
    except (BadPicture, OSError) as error:
        return str(error)
