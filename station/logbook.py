"""The self-checks that the ledger remembers, and what a self-check asks of the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station import history, schema
from station.domain import Lane
from station.fitness import Baseline, Selfcheck, baseline_of

_NEWEST = """SELECT max(at) FROM (
    SELECT max(admitted_at) AS at FROM frames UNION ALL SELECT max(done_at) FROM frames
    UNION ALL SELECT max(coalesce(ended_at, alive_at, started_at)) FROM runs
    UNION ALL SELECT max(at) FROM selfchecks)"""


def ready(file: Path) -> None:
    """Brings a database to the program's schema.  Raises `StoreError`, also where there is none.

    None is made: it would be its maker's, and the station might not be allowed to write to it.
    """
    with schema.beside(file):
        pass


def record(file: Path, check: Selfcheck) -> None:
    """Beside the daemon too.  Raises `StoreError`."""
    with schema.beside(file) as db:
        db.execute(
            "INSERT INTO selfchecks (at, report, ok, baseline) VALUES (?, ?, ?, ?)",
            [check.measured.at, check.json(), check.ok, check.becomes_baseline],
        )


def baseline(file: Path) -> Baseline | None:
    """What this box did when it was well."""
    with history.reading(file) as db:
        row = db.execute("SELECT report FROM selfchecks WHERE baseline ORDER BY id DESC LIMIT 1").fetchone()
    return baseline_of(row[0]) if row else None


def past(file: Path, most: int) -> list[dict[str, Any]]:
    """The newest self-checks, the oldest of them first: the report as JSON has it, with `baseline`."""
    with history.reading(file) as db:
        if "selfchecks" not in db.table_names():
            raise schema.StoreError(
                f"the database {file} is of an older station: `station migrate` brings it up to date"
            )
        rows = db.execute("SELECT report, baseline FROM selfchecks ORDER BY id DESC LIMIT ?", [most]).fetchall()
    return [json.loads(report) | {"baseline": bool(mark)} for report, mark in reversed(rows)]


def newest(file: Path) -> datetime | None:
    """The newest moment that the station wrote down."""
    with history.reading(file) as db:
        row = db.execute(_NEWEST).fetchone()
    return datetime.fromisoformat(row[0]) if row[0] else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the station that runs on a database has to do."""

    db: Database
    places: Sequence[Path]
    """Only frames below them are taken in hand; none: all."""

    def live(self) -> bool:
        """Whether live frames wait or are in hand."""
        roots = [f"{place}{os.sep}" for place in self.places]
        mine = " OR ".join(["substr(path, 1, length(?)) = ?"] * len(roots)) or "1"
        found = self.db.execute(
            f"SELECT 1 FROM frames WHERE outcome IS NULL AND lane = ? AND ({mine}) LIMIT 1",
            [Lane.LIVE, *(root for root in roots for _ in range(2))],
        )
        return found.fetchone() is not None

    def done(self) -> int:
        """How many frames have their outcome."""
        row = self.db.execute("SELECT coalesce(sum(n), 0) FROM frame_counts WHERE outcome != 'waiting'").fetchone()
        return int(row[0])
