"""How long cameras looked: trap nights.  Pure rules on whole days of the station's zone.

A camera says nothing while nothing passes.  It is *known* to have worked on the days it took a picture, whatever is
on it, and *taken* to have worked on the days between two of them, unless they lie further apart than its own rhythm
allows (`station.silence`: twice its usual longest gap, never less than `FLOOR_DAYS`): then it is taken to have stood
still.  Before its first and after its last picture nothing is known.  The pictures of a camera that sends them over
the air cannot arrive while the station is down: such days count only where a picture tells of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
import numpy.typing as npt

from station.silence import REMEMBERED, Rule, Span, allowed

Days = npt.NDArray[np.int32]
"""Ordinals (`date.toordinal`), rising."""

FLOOR_DAYS = 7
"""Gaps up to here are believed of any camera."""


@dataclass(frozen=True, slots=True, eq=False)
class Effort:
    """One camera in the window."""

    camera: str
    worked: Days
    """The days it is taken to have worked on: its trap nights."""
    images: int
    detections: int
    """Faces of animals."""
    silent_days: int = 0
    """Between its first and last picture: taken to have stood still."""
    name: str = ""
    """What people call it; empty: its id."""

    @property
    def nights(self) -> int:
        """Trap nights."""
        return len(self.worked)


def worked(pictured: Days, first: int, last: int, down: Collection[int] = ()) -> tuple[Days, int]:
    """The days of `first` to `last` on which a camera worked, and how many between its pictures it did not.

    `pictured`: the days it took pictures, also outside; `down`: days on which none of its could arrive.
    """
    if not len(pictured):
        return np.empty(0, np.int32), 0
    longest = _longest(pictured)
    gaps = np.diff(pictured)
    believed = [np.arange(day, day + (gap if gap <= longest else 1)) for day, gap in zip(pictured, gaps, strict=False)]
    days = np.concatenate([*believed, pictured[-1:]]).astype(np.int32)
    if down:
        days = days[np.isin(days, pictured) | ~np.isin(days, list(down))]
    inside = days[(days >= first) & (days <= last)]
    start, end = max(first, int(pictured[0])), min(last, int(pictured[-1]))
    return inside, max(0, end - start + 1 - len(inside))


def _longest(pictured: Days) -> int:
    """The most days between two pictures through which a camera is taken to have worked."""
    recent = [_day(int(day)) for day in pictured[-REMEMBERED:]]
    longest = allowed([Span(day, day) for day in recent], Rule(24 * FLOOR_DAYS))
    return longest.days if longest else FLOOR_DAYS


def spans(days: Days) -> list[Span]:
    """Days without a break between them, as stretches of time."""
    if not len(days):
        return []
    parts = np.split(days, np.flatnonzero(np.diff(days) > 1) + 1)
    return [Span(_day(int(part[0])), _day(int(part[-1]) + 1)) for part in parts]


def _day(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), time(), UTC)


def days_down(runs: Collection[Span], first: int, last: int) -> frozenset[int]:
    """The days on which the station was not up for a moment; none where nothing is known of its runs."""
    if not runs:
        return frozenset()
    up = {day for run in runs for day in range(max(first, run.began.toordinal()), min(last, run.ended.toordinal()) + 1)}
    return frozenset(range(first, last + 1)) - up
