"""What the newest census and the newest self-check say to subscribers, and what a person should hear of the jobs.

All of it is read from the ledger: it does not matter which process has made or found it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlite_utils import Database

from station import jobbook
from station.domain import Message
from station.due import MOST_INTERRUPTED, Ending, Run
from station.fitness import NAMES
from station.health import Problem
from station.messages import CensusMessage, CountMessage, SelfcheckMessage, Topics

_CENSUS = "SELECT id, made_at, census FROM censuses ORDER BY day DESC, id DESC LIMIT 1"
_CHECK = "SELECT id, report, baseline FROM selfchecks ORDER BY id DESC LIMIT 1"
JOBS = ("census", "selfcheck", "retraining", "backup", "retention")


class Notices:
    """The messages of one station; what is long to read is read once."""

    def __init__(self, station: str) -> None:
        self._station = station
        self._topics = Topics(station)
        self._census: tuple[int, Message] | None = None

    def newest(self, db: Database) -> Iterator[Message]:
        """One of each, where there is one."""
        if census := self._newest_census(db):
            yield census
        if row := db.execute(_CHECK).fetchone():
            yield self._topics.selfcheck(selfcheck_message(self._station, json.loads(row[1]), bool(row[2])))

    def _newest_census(self, db: Database) -> Message | None:
        row = db.execute(_CENSUS.replace("made_at, census", "''")).fetchone()
        if not row:
            return None
        if self._census is None or self._census[0] != row[0]:
            id, made_at, census = db.execute(_CENSUS).fetchone()
            message = census_message(self._station, made_at, json.loads(census))
            self._census = (id, self._topics.census(message))
        return self._census[1]


def census_message(station: str, made_at: str, census: dict[str, Any]) -> CensusMessage:
    """From a census as the ledger keeps it."""
    return CensusMessage(
        station=station, day=census["on"], made_at=made_at, window_days=census["window_days"],
        model=census["ledger"]["model"], total=_count(census["total"]),
        life_stages={line["stage"]: _count(line["animals"]) for line in census["counts"]},
    )  # fmt: skip


def _count(of: dict[str, Any]) -> CountMessage:
    return CountMessage(animals=of["likely"], low=of["low"], high=of["high"])


def selfcheck_message(station: str, report: dict[str, Any], baseline: bool) -> SelfcheckMessage:
    """From the report that the ledger keeps."""
    measured = report["measured"]
    return SelfcheckMessage(
        station=station, at=measured["at"], ok=report["ok"], model=measured["identity"]["bundle"],
        device=measured["identity"]["device"], baseline=baseline, baseline_at=report["baseline_at"],
        per_s={name: round(rate["per_s"], 1) for name, rate in measured["rates"].items()},
        shares={name: round(share, 3) for name, share in report["shares"].items()},
        golden_off_years=measured["golden_off_years"], worse=tuple(NAMES[name] for name in report["worse"]),
        wrong=tuple(report["wrong"]), causes=tuple(report["causes"]),
    )  # fmt: skip


def alerts(db: Database, retries: int) -> Iterator[Problem]:
    """What a person should see to: jobs that were given up, and a self-check that found something."""
    if "job_runs" in db.table_names():
        for job in JOBS:
            if problem := _given_up(job, jobbook.newest(db, job), retries):
                yield problem
    if "selfchecks" in db.table_names() and (row := db.execute(_CHECK).fetchone()):
        report = json.loads(row[1])
        if not report["ok"]:
            yield Problem("selfcheck", _found(report), "`station selfcheck` looks again, --history lists those before")


def _given_up(job: str, runs: list[Run], retries: int) -> Problem | None:
    """A run that went well, also one that a person asked for, ends it."""
    last = next((run for run in reversed(runs) if run.ending in (Ending.DONE, Ending.FAILED, Ending.INTERRUPTED)), None)
    if last is None or last.ending is Ending.DONE or last.slot is None:
        return None
    same = [run for run in runs if run.slot == last.slot]
    failed, cut = (sum(run.ending is ending for run in same) for ending in (Ending.FAILED, Ending.INTERRUPTED))
    if failed <= retries and cut < MOST_INTERRUPTED:
        return None
    how = f"failed {failed} times" if failed > retries else f"was interrupted {cut} times"
    why = f": {last.message}" if last.message else ""
    begun = f"{last.started_at:%Y-%m-%d %H:%M} UTC"
    return Problem(
        f"job {job}", f"the job {job} {how}, last at {begun}{why}",
        f"it is tried again at its next time; `station jobs run {job}` tries now",
    )  # fmt: skip


def _found(report: dict[str, Any]) -> str:
    """A sentence."""
    slow = [f"{NAMES[name]} at {report['shares'][name]:.0%} of this box's baseline" for name in report["worse"]]
    at = datetime.fromisoformat(report["measured"]["at"])
    why = f"; perhaps because {'; '.join(report['causes'])}" if report["causes"] else ""
    unknown = "; nothing that can be measured from here explains it" if slow and not report["causes"] else ""
    return f"the self-check of {at:%Y-%m-%d %H:%M} UTC found {'; '.join([*slow, *report['wrong']])}{why}{unknown}"
