"""Whether a job is due: pure, from when it should run and from what the ledger says of its runs.

A time at which it should run is settled when a run for it was done, and given up when too many failed.  Of times that
were missed only the newest counts.  Runs that a power cut or a kill ended are begun again, a job that was stopped or
had to stand back is no failure, and a clock that is set does neither lose a run nor make one twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from station.times import BUILT
from station.when import Slot, When

AHEAD = timedelta(hours=20)
"""What was noted so much later than now was noted by a clock that was ahead; less repeats no night."""
BASELINE = "baseline"
"""The self-check that others are compared with is due for what the box is, not for a time."""
MOST_INTERRUPTED = 20
"""A job that brings the box down is not begun for ever."""
AGAIN = timedelta(minutes=10)
"""After a run that stood back for live pictures; doubled each time."""
AGAIN_AT_MOST = timedelta(hours=12)
"""On a box that is always at work every try costs power for nothing."""


class Ending(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """By the station's own stop, or because its hours were over."""
    PUT_OFF = "put off"
    """By itself, for others' sake."""
    INTERRUPTED = "interrupted"
    """Nobody was left to say how."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job."""

    slot: str | None
    """Which time it was for; None: a person asked for it."""
    started_at: datetime
    ended_at: datetime | None
    ending: Ending | None
    """None: it runs."""
    message: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """What is done about runs that fail."""

    retries: int = 2
    after: timedelta = timedelta(minutes=10)
    """Doubled each time."""


@dataclass(frozen=True, slots=True)
class Due:
    """What comes next for a job."""

    slot: Slot
    at: datetime
    """When to begin; it may have passed."""
    gave_up: str = ""
    """Why the newest time was given up: the last failure's message, or a word."""


def due(when: When, zone: tzinfo, since: datetime, runs: Sequence[Run], now: datetime, patience: Patience) -> Due:
    """`since`: from when on the job was to run at all; `runs`: its newest, in order."""
    coming = when.next(now, zone)
    newest = when.last(now, zone)
    if newest.at < since or now < BUILT:
        return Due(coming, coming.at)
    return retried(newest, runs, now, patience) or Due(coming, coming.at, _gave_up(newest, runs, patience))


def retried(slot: Slot, runs: Sequence[Run], now: datetime, patience: Patience) -> Due | None:
    """When to begin for a time that has come; None: it is settled or given up."""
    own = [run for run in runs if run.slot == slot.name]
    if any(run.ending is Ending.DONE for run in own) or _spent(own, patience):
        return None
    if not own or own[-1].ending in (None, Ending.STOPPED):
        return Due(slot, max(slot.at, now))
    ended = own[-1].ended_at or own[-1].started_at
    failed = _count(own, Ending.FAILED)
    put_off = min(10, _count(own, Ending.PUT_OFF))
    pause = min(AGAIN_AT_MOST, AGAIN * 2 ** max(0, put_off - 1))
    if own[-1].ending is Ending.FAILED:
        pause = patience.after * 2 ** max(0, failed - 1)
    if own[-1].ending is Ending.INTERRUPTED and _count(own, Ending.INTERRUPTED) == 1:
        pause = timedelta()
    return Due(slot, max(now, min(ended, now) + pause))


def ahead(noted: datetime, now: datetime) -> bool:
    """Whether a moment was noted by a clock that was ahead."""
    return noted - now > AHEAD


def _gave_up(slot: Slot, runs: Sequence[Run], patience: Patience) -> str:
    own = [run for run in runs if run.slot == slot.name]
    if any(run.ending is Ending.DONE for run in own) or not _spent(own, patience):
        return ""
    return own[-1].message or "it was interrupted again and again"


def _spent(own: Sequence[Run], patience: Patience) -> bool:
    return _count(own, Ending.FAILED) > patience.retries or _count(own, Ending.INTERRUPTED) >= MOST_INTERRUPTED


def _count(runs: Sequence[Run], ending: Ending) -> int:
    return sum(run.ending is ending for run in runs)
