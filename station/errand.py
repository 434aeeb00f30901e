"""One run of one job: claimed, noted, done by a child process, and noted again.

The daemon and `station jobs run` alike come through here.  The lock is held by the child too, so that a job whose
supervisor was killed is not begun a second time beside it.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from station import child, jobbook
from station.child import Ended, Rank
from station.domain import StationError
from station.due import Ending
from station.times import Clock

PUT_OFF_STATUS = 75
"""EX_TEMPFAIL of sysexits.h: a job that stands back for others says so by it."""
_MOST = 1000
"""Characters of a message."""


class JobError(StationError):
    """A job is unknown, or cannot be begun."""


class BusyError(JobError):
    """A job runs already."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A job of one station."""

    job: str
    config: Path
    database: Path

    @property
    def rank(self) -> Rank:
        """Whom it lets go first."""
        return child.LAST if self.job == "retraining" else child.BEHIND

    def command(self, slot: str | None, *more: str) -> list[str]:
        """What the child is to do."""
        if self.job == "retraining":
            return [sys.executable, "-m", "training", "retrain", "--config", str(self.config), *more]
        of = ["--slot", slot] if slot else []
        return [sys.executable, "-m", "station", "jobs", "do", self.job, "--config", str(self.config), *of, *more]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    ending: Ending
    message: str
    seconds: float


@contextmanager
def claimed(database: Path, job: str) -> Iterator[int]:
    """The right to run a job, as a descriptor that a child can hold too.  Raises `BusyError` or `JobError`."""
    file = database.with_name(f"{database.name}.job-{job}.lock")
    try:
        handle = file.open("a+")
    except OSError as error:
        raise JobError(f"{file} cannot be written ({error.strerror}): give the station's user write access") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise BusyError(f"{job} runs already, by process {handle.read().strip() or 'unknown'}") from error
        handle.truncate(0)
        os.write(handle.fileno(), str(os.getpid()).encode())
        yield handle.fileno()


def perform(errand: Errand, slot: str | None, clock: Clock, why_stop: Callable[[], str], *more: str) -> Result:
    """One run, to its end.  Raises `BusyError` where one goes on, `StationError` where nothing can be noted."""
    with claimed(errand.database, errand.job) as claim:
        run = jobbook.begin(errand.database, errand.job, slot, clock())
        try:
            ended = child.run(errand.command(slot, *more), why_stop, (claim,), errand.rank)
            result = judged(ended)
        except OSError as error:
            result = Result(Ending.FAILED, f"it could not be started: {error}", 0.0)
        jobbook.end(errand.database, run, result.ending, result.message, result.seconds, clock())
    return result


def judged(ended: Ended) -> Result:
    """What its status and its words mean."""
    if ended.status == 0:
        ending, message = Ending.DONE, ended.told
    elif ended.stopped:
        ending, message = Ending.STOPPED, ended.stopped
    elif ended.status == PUT_OFF_STATUS:
        ending, message = Ending.PUT_OFF, ended.told
    else:
        how = f"by signal {-ended.status}" if ended.status < 0 else f"with status {ended.status}"
        said = (ended.complained or ended.told).removeprefix("station: ").removeprefix("training: ")
        ending, message = Ending.FAILED, said or f"it ended {how} and said nothing"
    return Result(ending, message[:_MOST], ended.seconds)
