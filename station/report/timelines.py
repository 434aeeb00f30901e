"""One line an animal: when it was seen in the window, and how the interval of its birth date shrank.

Across lies the time of the window, 0 to 100; up lies the birth date about what is known of it today, on a scale that
all animals share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from station.census import SHOWN, Census
from station.standing import Standing

HEIGHT = 24.0
_TICKS = 4.0
_FITTING = 0.6
_WIDEST_YEARS = 12.0
_NARROWEST_YEARS = 2.0
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Line:
    """One animal as drawn: `band` and `ticks` are paths, `last` is where it was seen last."""

    animal: Standing
    band: str
    middle: str
    ticks: str
    last: float


@dataclass(frozen=True, slots=True)
class Month:
    """A mark of the time axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Lines:
    """All that are drawn; the whole height of a line is `years`."""

    lines: tuple[Line, ...]
    months: tuple[Month, ...]
    years: float


def timelines(of: Census) -> Lines:
    """The `SHOWN` seen last, the one seen last first."""
    shown = of.individuals[:SHOWN]
    first, last = date.fromisoformat(of.first_day), date.fromisoformat(of.on)
    half = _scale([_half_years(one, entry) for one in shown for entry in one.history])
    return Lines(tuple(_line(one, first, last, half) for one in shown), tuple(_months(first, last)), round(2 * half, 1))


def _scale(half_years: list[float]) -> float:
    """What most intervals fit into; the few that are wider are cut off."""
    most = sorted(half_years)[int(_FITTING * len(half_years))] if half_years else 0.0
    return float(math.ceil(min(_WIDEST_YEARS, max(_NARROWEST_YEARS, most))))


def _half_years(one: Standing, entry: tuple[str, str, str, str]) -> float:
    born = date.fromisoformat(one.born)
    return max(abs((date.fromisoformat(end) - born).days) for end in (entry[1], entry[3])) / _DAYS_PER_YEAR


def _line(one: Standing, first: date, last: date, half_years: float) -> Line:
    across = [_across(day, first, last) for day in one.days]
    ticks = "".join(f"M{x:g} {HEIGHT:g}v-{_TICKS:g}" for x in across)
    return Line(one, *_band(one, first, last, half_years), ticks, across[-1] if across else 100.0)


def _band(one: Standing, first: date, last: date, half_years: float) -> tuple[str, str]:
    """As a stair: what was known holds until more is."""
    born = date.fromisoformat(one.born)
    steps = [(_across(on, first, last), *(_up(day, born, half_years) for day in days)) for on, *days in one.history]
    if not steps:
        return "", ""
    starts = [x for x, *_ in steps]
    ends = [*starts[1:], 100.0]
    lows, middles, highs = zip(*(ups for _, *ups in steps), strict=True)
    over = [(x, y) for start, end, y in zip(starts, ends, highs, strict=True) for x in (start, end)]
    under = [(x, y) for start, end, y in zip(starts, ends, lows, strict=True) for x in (start, end)]
    middle = [(x, y) for start, end, y in zip(starts, ends, middles, strict=True) for x in (start, end)]
    return _path([*over, *reversed(under)]) + "Z", _path(middle)


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _across(day: str, first: date, last: date) -> float:
    share = ((date.fromisoformat(day) - first).days + 0.5) / ((last - first).days + 1)
    return round(100 * min(1.0, max(0.0, share)), 2)


def _up(day: str, born: date, half_years: float) -> float:
    """Later births, younger animals, lie higher."""
    away = (date.fromisoformat(day) - born).days / _DAYS_PER_YEAR / half_years
    room = (HEIGHT - _TICKS - 1) / 2
    return round(room - room * min(1.0, max(-1.0, away)) + 0.5, 2)


def _months(first: date, last: date) -> list[Month]:
    """The first days of every month, or of every third or every twelfth in a longer window."""
    step = next(step for step, most in ((1, 200), (3, 800), (12, 99_999)) if (last - first).days <= most)
    days = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in range(1, 13, step)]
    whole = (last - first).days + 1
    return [Month(round(100 * (day - first).days / whole, 2), f"{day:%b}") for day in days if first <= day <= last]
