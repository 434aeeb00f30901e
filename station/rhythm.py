"""How often an animal is seen, and when it is overdue: a camera's silence (`station.silence`), asked of an animal.

An animal's independent sightings are its arrivals; twice its usual longest gap between them is allowed, and never
less than `FLOOR_DAYS`.  Only days count on which a camera that has seen it before was at work: an animal is not
overdue because nobody looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from station.effort import Days, spans
from station.silence import REMEMBERED, Rule, allowed_after, silent_since

FLOOR_DAYS = 7
APART_S = 1800
"""Sightings further apart are independent, at whatever camera."""


class Seen(Protocol):
    """When an animal was seen, by time."""

    @property
    def day(self) -> Days:
        """Ordinals."""
        ...


def rhythm(at_s: npt.NDArray[np.int64]) -> timedelta | None:
    """How long an animal seen at these times (seconds, rising) may stay away; None: too few for a rhythm."""
    pauses = np.diff(at_s)
    gaps = pauses[pauses > APART_S][-(REMEMBERED - 1) :].tolist()
    return allowed_after([timedelta(seconds=gap) for gap in gaps], Rule(24 * FLOOR_DAYS))


def overdue_since(last: date, on: date, pace: timedelta | None, worked: Sequence[Days]) -> str | None:
    """The day an animal was last seen, if it has been away for too long."""
    if pace is None or on - last <= pace:  # most are not, whether cameras worked or not
        return None
    looked = np.unique(np.concatenate([*worked, np.empty(0, np.int32)]))
    found = silent_since(_night(last + timedelta(days=1)), _night(on + timedelta(days=1)), pace, spans(looked))
    return last.isoformat() if found else None


def away_before(seen: Seen, since: date, pace: timedelta | None) -> int | None:
    """For how many days an animal had been away when it was seen after `since`, if that was too long."""
    place = int(np.searchsorted(seen.day, since.toordinal(), side="right"))
    if pace is None or not 0 < place < len(seen.day):
        return None
    away = int(seen.day[place] - seen.day[place - 1])
    return away if timedelta(days=away) > pace else None


def _night(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
