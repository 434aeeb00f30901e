"""The ledger's side of the jobs: which ran, when and how they ended, and the nights whose census was made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station import schema
from station.due import AHEAD, Ending, Run
from station.times import iso

_RUNS = "SELECT slot, started_at, ended_at, ending, message, seconds FROM job_runs WHERE job = ?"
_ENOUGH = 200
"""Of one job; those of one time are never more."""


def begin(file: Path, job: str, slot: str | None, now: datetime) -> int:
    """Notes that a run begins; its number.  Runs of the job that nobody ended are no more.  Raises `StoreError`."""
    with schema.beside(file) as db:
        db.execute("UPDATE job_runs SET ending = ? WHERE job = ? AND ending IS NULL", [Ending.INTERRUPTED.value, job])
        row = [job, slot, iso(now)]
        return int(db.execute("INSERT INTO job_runs (job, slot, started_at) VALUES (?, ?, ?)", row).lastrowid or 0)


def end(file: Path, run: int, ending: Ending, message: str, seconds: float, now: datetime) -> None:
    """Notes how it ended.  Raises `StoreError`."""
    with schema.beside(file) as db:
        db.execute(
            "UPDATE job_runs SET ended_at = ?, ending = ?, message = ?, seconds = ? WHERE id = ?",
            [iso(now), ending.value, message, seconds, run],
        )


def abandon(file: Path, job: str) -> list[Run]:
    """Runs of a job that nobody ended are no more: to be called by who holds the job's lock; gives the newest.

    Raises `StoreError`.
    """
    with schema.beside(file) as db:
        db.execute("UPDATE job_runs SET ending = ? WHERE job = ? AND ending IS NULL", [Ending.INTERRUPTED.value, job])
        return newest(db, job)


def newest(db: Database, job: str, most: int = _ENOUGH) -> list[Run]:
    """The newest runs of a job, in order."""
    rows = db.execute(f"{_RUNS} ORDER BY id DESC LIMIT ?", [job, most]).fetchall()
    return [_run(*row) for row in reversed(rows)]


def _run(
    slot: str | None, started: str, ended: str | None, ending: str | None, message: str, seconds: float | None
) -> Run:
    return Run(
        slot, datetime.fromisoformat(started), datetime.fromisoformat(ended) if ended else None,
        Ending(ending) if ending else None, message, seconds,
    )  # fmt: skip


def planned(file: Path, plans: dict[str, str], now: datetime) -> dict[str, datetime]:
    """Since when each job is to run as these words say; a plan that is new, or changed, begins now.

    What a clock that was ahead has noted is forgotten.  Raises `StoreError`.
    """
    with schema.beside(file) as db:
        _forget(db, now)
        known = {job: (words, since) for job, words, since in db.execute("SELECT job, words, since FROM job_plans")}
        for job, words in plans.items():
            if job not in known or known[job][0] != words or datetime.fromisoformat(known[job][1]) > now:
                known[job] = (words, iso(now))
                row = [job, *known[job]]
                db.execute("INSERT OR REPLACE INTO job_plans (job, words, since) VALUES (?, ?, ?)", row)
    return {job: datetime.fromisoformat(known[job][1]) for job in plans}


def is_ahead(db: Database, now: datetime) -> bool:
    """Whether something was noted by a clock that was ahead."""
    later = iso(now + AHEAD)
    sql = """SELECT 1 FROM job_runs WHERE slot IS NOT NULL AND started_at > :at
        UNION ALL SELECT 1 FROM nights WHERE made_at > :at
        UNION ALL SELECT 1 FROM job_plans WHERE since > :at LIMIT 1"""
    return db.execute(sql, {"at": later}).fetchone() is not None


def _forget(db: Database, now: datetime) -> None:
    """The runs stay, but are of no time any more; the plans begin now."""
    later = iso(now + AHEAD)
    db.execute("UPDATE job_runs SET slot = NULL WHERE started_at > ?", [later])
    db.execute("DELETE FROM nights WHERE made_at > ?", [later])


def sinces(db: Database) -> dict[str, datetime]:
    """Since when each job is planned."""
    rows = db.execute("SELECT job, since FROM job_plans").fetchall()
    return {job: datetime.fromisoformat(since) for job, since in rows}


def made(db: Database, days: Iterable[date]) -> set[date]:
    """Those of these nights whose census was made."""
    wanted = {day.isoformat() for day in days}
    marks = ", ".join("?" * len(wanted))
    rows = db.execute(f"SELECT day FROM nights WHERE day IN ({marks})", sorted(wanted)).fetchall()
    return {date.fromisoformat(day) for (day,) in rows}


def all_made(db: Database) -> set[date]:
    """Every night whose census was made."""
    return {date.fromisoformat(day) for (day,) in db.execute("SELECT day FROM nights").fetchall()}


def make(file: Path, day: date, now: datetime) -> None:
    """A night's census lies in its folder and in the ledger.  Raises `StoreError`."""
    with schema.beside(file) as db:
        db.execute("INSERT OR REPLACE INTO nights (day, made_at) VALUES (?, ?)", [day.isoformat(), iso(now)])


def plain(run: Run) -> dict[str, Any]:
    """For JSON."""
    return {
        "slot": run.slot,
        "started_at": iso(run.started_at),
        "seconds": run.seconds,
        "outcome": run.ending.value if run.ending else "running",
        "message": run.message,
    }
