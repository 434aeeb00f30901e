"""What the daemon does by the clock: APScheduler says when, the ledger what is missing, a child process does it.

Every look asks the ledger anew, so that it does not matter what the clock did in between.  One job runs at a time.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from station import errand, history, jobbook, logbook
from station.domain import StationError
from station.due import BASELINE, Due, Ending, Patience, Run, due, retried
from station.energy import held
from station.errand import BusyError, Errand, JobError, Result
from station.fitness import Identity
from station.flow import Doorbell
from station.logs import about
from station.settings import Settings
from station.shortage import Problems
from station.times import BUILT, Clock, zone
from station.when import Slot, When, when

log = logging.getLogger(__name__)

LOOK_S = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """What the jobs need to know of the station that runs."""

    identity: Callable[[], Identity]
    settled: Callable[[], bool]
    """Whether the model runs in its final form, and nothing is to be done."""
    bell: Doorbell
    problems: Problems
    clock: Clock


class Jobs:
    """Runs them while the block lasts; stops the one that runs when it ends."""

    def __init__(self, read: Settings, config: Path, running: Running, look_s: float = LOOK_S) -> None:
        self._settings = read
        self._config = config
        self._running = running
        self._look_s = look_s
        self._plans = plans(read)
        self._patience = patience(read)
        self._zone = zone(read.station.timezone)
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._queued: set[str] = set()
        self._began = time.monotonic()
        self._planned = False
        self._scheduler = BackgroundScheduler(
            timezone=self._zone, executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def __enter__(self) -> Jobs:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._woken.set()
        self._thread.join(timeout=10)
        self._scheduler.shutdown(wait=True)

    def _run(self) -> None:
        try:
            while not self._over():
                self._look_patiently()
                self._woken.wait(self._look_s)
                self._woken.clear()
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._running.bell.fail(error)

    def _over(self) -> bool:
        return self._ended.is_set() or self._running.bell.stopped

    def _look_patiently(self) -> None:
        """On a full disk, or while another program keeps the database, there is a next look."""
        try:
            self.look(self._running.clock())
        except StationError as error:
            self._running.problems.tell("jobs", f"no job can be begun: {error}")
        else:
            self._running.problems.tell("jobs", None)

    def look(self, now: datetime) -> None:
        """Sets every job to the time at which it is due.  Raises `StationError`."""
        if now < BUILT or time.monotonic() - self._began < self._settings.schedule.after_start_s:
            return
        self._plan(now)
        for job in self._plans:
            try:
                if job not in self._queued and (found := self.due(job, now)):
                    self._set(job, found, now)
            except JobError as error:
                self._hindered(job, error)

    def _plan(self, now: datetime) -> None:
        with history.reading(self._settings.station.database) as db:
            ahead = jobbook.is_ahead(db, now)
        if ahead or not self._planned:
            jobbook.planned(self._settings.station.database, self._settings.schedule.words(), now)
            self._planned = True

    def due(self, job: str, now: datetime) -> Due | None:
        """What comes next for a job; None: another process runs it just now.  Raises `JobError`."""
        database = self._settings.station.database
        with history.reading(database) as db:
            runs, since = jobbook.newest(db, job), jobbook.sinces(db)[job]
        if any(run.ending is None for run in runs):
            try:
                with errand.claimed(database, job):
                    runs = jobbook.abandon(database, job)
            except BusyError:
                return None
        found = due(self._plans[job], self._zone, since, runs, now, self._patience)
        first = self._baseline(runs, now) if job == "selfcheck" else None
        return min((one for one in (first, found) if one), key=lambda one: one.at)

    def _baseline(self, runs: list[Run], now: datetime) -> Due | None:
        """Due at once where there is none for this bundle, device, driver and these libraries."""
        if not self._running.settled():
            return None
        identity = self._running.identity()
        known = logbook.baseline(self._settings.station.database)
        if known and not identity.changes(known.identity):
            return None
        name = f"{BASELINE} {hashlib.sha256(repr(identity).encode()).hexdigest()[:8]}"
        return retried(Slot(name, now), runs, now, self._patience)

    def _set(self, job: str, found: Due, now: datetime) -> None:
        at = max(found.at, now)
        if at <= now and held(self._settings.energy, job, now, self._zone):
            return
        self._scheduler.add_job(
            self._begin, "date", run_date=at, args=(job, found.slot.name), id=job, replace_existing=True
        )

    def _begin(self, job: str, slot: str) -> None:
        """In the one thread that runs jobs."""
        self._queued.add(job)
        try:
            self._do(job, slot)
        except BusyError:  # begun by hand at this moment
            return
        except StationError as error:  # the next look tries again, not this moment
            self._hindered(job, error)
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._running.bell.fail(error)
        else:
            self._running.problems.tell(f"begin {job}", None)
            self._woken.set()
        finally:
            self._queued.discard(job)

    def _hindered(self, job: str, error: StationError) -> None:
        """Told until it is begun."""
        self._running.problems.tell(f"begin {job}", f"{job} cannot be begun: {error}")

    def _do(self, job: str, slot: str) -> None:
        now = self._running.clock()
        found = None if self._over() else self.due(job, now)
        if not found or found.slot.name != slot or found.at > now:  # what was set when the clock said otherwise
            return
        if held(self._settings.energy, job, now, self._zone):
            return
        log.info("%s begins, for %s", job, slot, extra=about(job=job, slot=slot))
        self._tell(job, slot, errand.perform(self._errand(job), slot, self._running.clock, self._why_stop(job)))

    def _errand(self, job: str) -> Errand:
        return Errand(job, self._config, self._settings.station.database)

    def _why_stop(self, job: str) -> Callable[[], str]:
        asked = time.monotonic()

        def why() -> str:
            nonlocal asked
            if self._over():
                return "the station stops"
            if time.monotonic() - asked < LOOK_S:
                return ""
            asked = time.monotonic()
            return held(self._settings.energy, job, self._running.clock(), self._zone)

        return why

    def _tell(self, job: str, slot: str, result: Result) -> None:
        level = logging.WARNING if result.ending is Ending.FAILED else logging.INFO
        fields = about(job=job, slot=slot, outcome=result.ending.value, seconds=round(result.seconds, 1))
        log.log(level, "%s, for %s: %s: %s", job, slot, result.ending.value, result.message, extra=fields)


def plans(read: Settings) -> dict[str, When]:
    """The jobs that are to run at all."""
    found = {job: when(words) for job, words in read.schedule.words().items()}
    return {job: one for job, one in found.items() if one}


def patience(read: Settings) -> Patience:
    """As configured."""
    return Patience(read.schedule.retries, timedelta(minutes=read.schedule.retry_after_min))


def coming(read: Settings, now: datetime) -> Iterator[tuple[str, Due, str]]:
    """What comes next for each job that is to run, and why it waits if it is due and must; from the ledger alone."""
    zone_ = zone(read.station.timezone)
    with history.reading(read.station.database) as db:
        since = jobbook.sinces(db)
        runs = {job: jobbook.newest(db, job) for job in read.schedule.words()}
    for job, one in plans(read).items():
        found = due(one, zone_, since.get(job, now), runs[job], now, patience(read))
        yield job, found, held(read.energy, job, now, zone_) if found.at <= now else ""
