"""When a camera is silent: for longer than its own rhythm allows.  Pure rules.

A camera's rhythm is how far apart its pictures arrive.  Pictures less than half an hour apart are one arrival,
so that a burst, or a card of a thousand pictures, counts once.  Nineteen in twenty of the gaps between its last
arrivals were no longer than its *usual* gap; twice that is allowed, and never less than a floor, because most
cameras rest by day or by night.  (Were arrivals random at a steady rate, one gap in 400 would be longer.)

Only the time in which the station was up counts: after a week without power no camera was silent for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

REMEMBERED = 65
"""Arrivals that make the rhythm: more would be slow to see the season change."""
GAPS_WANTED = 8
"""With fewer, a camera has no rhythm yet."""
USUAL, ALLOWED = 0.95, 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: an arrival of pictures, or a run of the station."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """What is configured for all cameras, and for one."""

    floor_h: float
    ceiling_h: float = 0.0
    """0: none."""
    own_h: float | None = None
    """The camera's own: this instead of its rhythm; 0: never silent."""


def allowed(arrivals: Sequence[Span], rule: Rule) -> timedelta | None:
    """How long a camera with these arrivals (oldest first) may be silent; None where that cannot be said."""
    return allowed_after([later.began - earlier.ended for earlier, later in pairwise(arrivals)], rule)


def allowed_after(gaps: Iterable[timedelta], rule: Rule) -> timedelta | None:
    """The same by the gaps between its arrivals."""
    if rule.own_h is not None:
        return timedelta(hours=rule.own_h) if rule.own_h else None
    ceiling = timedelta(hours=rule.ceiling_h) if rule.ceiling_h else None
    gaps = sorted(gaps)
    if len(gaps) < GAPS_WANTED:
        return ceiling
    usual = gaps[math.ceil(USUAL * len(gaps)) - 1]
    longest = max(timedelta(hours=rule.floor_h), ALLOWED * usual)
    return min(longest, ceiling) if ceiling else longest


def listened(since: datetime, now: datetime, runs: Iterable[Span]) -> timedelta:
    """How much of the time from `since` to `now` the station was up."""
    overlaps = (min(run.ended, now) - max(run.began, since) for run in runs)
    return sum((o for o in overlaps if o > timedelta(0)), timedelta(0))


def silent_since(
    last_heard: datetime, now: datetime, allowed: timedelta | None, runs: Iterable[Span]
) -> datetime | None:
    """When the silence began, if it is longer than allowed; None where it is not."""
    return last_heard if allowed is not None and listened(last_heard, now, runs) > allowed else None
