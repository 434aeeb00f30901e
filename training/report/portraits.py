"""Faces small enough to stand in a page, and which faces deserve it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from station.domain import Pixels
from station.pictures import save_jpeg
from training.faces import Faces
from training.folds import Indices
from training.judged import LEVELS, Judged
from training.results import DataSet

_NINETY = LEVELS.index(0.9)
_WORST, _EACH, _WORST_PX = 12, 2, 160
_TWINS, _TWIN_PX = 8, 96


@dataclass(frozen=True, slots=True)
class Portrait:
    """A small picture (an address that is the picture itself) and the lines under it."""

    picture: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two faces that look the same."""

    one: Portrait
    other: Portrait
    note: str


def farthest_off(known: Faces, judged: Judged) -> tuple[Portrait, ...]:
    """The faces with the largest errors, with true and estimated age."""
    return tuple(
        Portrait(
            thumb(known.crops[row], _WORST_PX),
            (
                f"{judged.ages_years[row]:.3g} years old",
                f"estimate {judged.estimates_years[row]:.1f}",
                *_interval(judged, row),
                str(judged.individuals[row]),
            ),
        )
        for row in worst(judged, _WORST, _EACH)
    )


def _interval(judged: Judged, row: int) -> tuple[str, ...]:
    low, high = judged.low_years[row, _NINETY], judged.high_years[row, _NINETY]
    if np.isnan(low) or np.isnan(high):
        return ()
    return (f"90%: {low:z.1f}–{high:z.1f}",)


def twins(data: DataSet) -> tuple[Pair, ...]:
    """The nearest of the near-duplicates that stand in different folds."""
    nearest = sorted(data.twins, key=lambda twin: (twin.distance_bits, twin.one, twin.other))[:_TWINS]
    return tuple(
        Pair(_named(data, twin.one), _named(data, twin.other), f"{twin.distance_bits} of 64 bits apart")
        for twin in nearest
    )


def _named(data: DataSet, row: int) -> Portrait:
    known = data.known
    lines = (str(known.individuals[row]), known.rows[row].path.name, f"fold {data.fold[row] + 1}")
    return Portrait(thumb(known.crops[row], _TWIN_PX), lines)


def thumb(crop: Pixels, least_px: int) -> str:
    """A crop (3 x S x S) as an address that holds the picture; its side is `least_px` or up to twice that."""
    factor = max(1, crop.shape[1] // least_px)
    side = crop.shape[1] // factor
    blocks = crop[:, : side * factor, : side * factor].reshape(3, side, factor, side, factor)
    small = blocks.mean(axis=(2, 4)).round().astype(np.uint8).transpose(1, 2, 0)
    return "data:image/jpeg;base64," + base64.b64encode(save_jpeg(np.ascontiguousarray(small))).decode("ascii")


def worst(judged: Judged, most: int, each: int) -> Indices:
    """The rows with the largest errors, at most `each` of one individual: a burst would fill the page with itself."""
    errors = np.abs(judged.estimates_years - judged.ages_years)
    shown: dict[str, int] = {}
    rows: list[int] = []
    for row in np.argsort(-errors, kind="stable"):
        who = str(judged.individuals[row])
        if shown.get(who, 0) < each and len(rows) < most:
            shown[who] = shown.get(who, 0) + 1
            rows.append(int(row))
    return np.array(rows, np.intp)
