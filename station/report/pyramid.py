"""The age pyramid as lengths: one row a life stage, the oldest on top; females to the left, males to the right."""

from __future__ import annotations

from dataclasses import dataclass

from station.census import Census, StageRange
from station.headcount import Range


@dataclass(frozen=True, slots=True)
class Bar:
    """A number of animals as shares of the widest bar's room."""

    of: Range
    likely: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One life stage."""

    stage: str
    ages: str
    bars: dict[str, Bar]


@dataclass(frozen=True, slots=True)
class Pyramid:
    """`sides`: which sexes are drawn; one, where the sex of none is known."""

    sides: tuple[str, ...]
    rows: tuple[Row, ...]


def pyramid(of: Census) -> Pyramid:
    """Of the counts."""
    known = any(of.by_sex[sex].high for sex in ("f", "m"))
    sides = (
        tuple(sex for sex in ("f", "m", "unknown") if sex != "unknown" or of.by_sex[sex].high) if known else ("all",)
    )
    ranges = {
        line.stage: {side: line.animals if side == "all" else line.by_sex[side] for side in sides} for line in of.counts
    }
    most = max((bar.high for row in ranges.values() for bar in row.values()), default=0) or 1
    return Pyramid(
        sides,
        tuple(
            Row(stage.name, ages(stage), {side: _bar(bar, most) for side, bar in ranges[stage.name].items()})
            for stage in reversed(of.stages)
        ),
    )


def ages(stage: StageRange) -> str:
    """`1.5–5.5 years`."""
    if stage.to_years is None:
        return f"{stage.from_years:g}+ years"
    return f"{stage.from_years:g}–{stage.to_years:g} years"


def _bar(of: Range, most: int) -> Bar:
    return Bar(of, *(round(n / most, 4) for n in (of.likely, of.low, of.high)))
