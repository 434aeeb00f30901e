"""What the ledger says: questions that change nothing."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station.schema import StoreError
from station.times import iso

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one run on a ledger has done."""

    outcomes: dict[str, int]
    reasons: dict[str, int]
    faces: int
    estimates: int
    unusable: dict[str, int]
    """Faces among them that cannot be used, by reason."""


@contextmanager
def reading(file: Path) -> Iterator[Database]:
    """A connection that cannot write.  Raises `StoreError`."""
    if file.exists() and not file.is_file():
        raise StoreError(f"the database {file} cannot be used: it is not a file; take another path")
    if not file.is_file():
        raise StoreError(f"there is no database {file}; `station scan` and `station run` make one")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            db = Database(connection)
            if "frames" not in db.table_names():
                raise StoreError(f"{file} is not a station's database")
            yield db
    except sqlite3.DatabaseError as error:
        older = "; it was made by an older station: `station migrate` brings it up to date"
        remedy = older if str(error).startswith("no such ") else ""
        raise StoreError(f"the database {file} cannot be read: {error}{remedy}") from error


def user_of(file: Path) -> str | None:
    """The process that writes to a database, as it noted in its lock (`station.schema.lock`); None: nobody."""
    try:
        with file.with_name(f"{file.name}.lock").open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return handle.read().strip() or "unknown"
    except OSError:
        return None
    return None


ESTIMATES = """
SELECT estimates.id, frames.captured_at, frames.captured_as_recorded, frames.captured_source,
    frames.captured_impossible, frames.camera, faces.individual, estimates.age_years, estimates.sd_years,
    estimates.low_years, estimates.high_years, estimates.life_stage, estimates.model, estimates.estimated_at,
    frames.path, faces.number AS face, faces.x, faces.y, faces.width, faces.height, faces.confidence
FROM {} WHERE {} ORDER BY frames.captured_at, estimates.id
"""
_BY_TIME = """frames CROSS JOIN faces ON faces.frame = frames.id
    CROSS JOIN estimates ON estimates.face = faces.id"""
"""CROSS: in this order, so that the first row is there before the last is read."""
_BY_FACE = "faces JOIN frames ON frames.id = faces.frame JOIN estimates ON estimates.face = faces.id"
_ONLY = {
    "individual": "faces.individual = :individual",
    "camera": "frames.camera = :camera",
    "since": "frames.captured_at >= :since",
    "possible": "frames.captured_impossible = 0",
    "counting": "estimates.id = (SELECT estimate FROM counting WHERE counting.face = faces.id)",
}
"""Each condition stands in the question only where it is asked for, so that its index is used."""


def estimates(
    db: Database,
    individual: str | None = None,
    camera: str | None = None,
    since: datetime | None = None,
    impossible: bool = False,
    every_model: bool = False,
) -> Iterator[Row]:
    """The estimate of each face that counts, with face and frame, by capture time; years, boxes in fractions.

    Those of pictures with an impossible clock are left out, unless `impossible` asks for them too; those of models
    that were in service before, where the one in service has looked at the face, unless `every_model` does.
    """
    given = {
        "individual": individual,
        "camera": camera,
        "since": iso(since) if since else None,
        "possible": None if impossible else "yes",
        "counting": None if every_model else "yes",
    }
    asked = {name: value for name, value in given.items() if value is not None}
    only = " AND ".join(_ONLY[name] for name in asked) or "1"
    yield from db.query(ESTIMATES.format(_BY_FACE if individual else _BY_TIME, only), asked)


def estimate_columns(db: Database) -> tuple[str, ...]:
    """The names of what `estimates` gives."""
    return tuple(column[0] for column in db.execute(ESTIMATES.format(_BY_TIME, "0")).description)


def impossible_clocks(db: Database) -> int:
    """How many observed frames have a time that cannot be."""
    counted = db.execute("SELECT coalesce(sum(n), 0) FROM frame_counts WHERE clock = 'impossible'")
    return int(counted.fetchone()[0])


def frames_of(db: Database, file: str) -> list[Row]:
    """The rows of a file, by its path or, where no path fits, by its name or its sender's, oldest first."""
    absolute = os.path.abspath(file)  # noqa: PTH100  one spelling, as folders have
    by_path = list(db.query("SELECT * FROM frames WHERE path = ? ORDER BY id", [absolute]))
    if by_path:
        return by_path
    named = "file_name = :name" if "/" in file else "substr(path, -length(:end)) = :end OR file_name = :name"
    return list(db.query(f"SELECT * FROM frames WHERE {named} ORDER BY id", {"name": file, "end": f"/{file}"}))


def faces_of(db: Database, frame: int) -> list[Row]:
    """The faces of a frame with their estimates; of several of one face the one that counts is the last."""
    return list(
        db.query(
            """SELECT faces.*, estimates.model, age_years, sd_years, low_years, high_years, life_stage, estimated_at
            FROM faces LEFT JOIN estimates ON estimates.face = faces.id
            WHERE frame = ? ORDER BY number,
            (SELECT max(services.id) FROM services WHERE services.model = estimates.model), estimates.id""",
            [frame],
        )
    )


def path_of(db: Database, frame: int) -> str | None:
    """Where a frame's file lay when it was admitted."""
    rows = list(db.query("SELECT path FROM frames WHERE id = ?", [frame]))
    return str(rows[0]["path"]) if rows else None


def copies_of(db: Database, frame: int) -> list[str]:
    """The paths of a frame's duplicates."""
    return [row["path"] for row in db.query("SELECT path FROM frames WHERE original = ? ORDER BY id", [frame])]


def waiting(db: Database) -> int:
    """How many frames have no outcome."""
    return int(db.execute("SELECT count(*) FROM frames WHERE outcome IS NULL").fetchone()[0])


def counts(db: Database) -> dict[str, int]:
    """How many frames there are by outcome; `waiting` for those without one."""
    rows = db.query("SELECT coalesce(outcome, 'waiting') AS outcome, count(*) AS n FROM frames GROUP BY 1")
    return {row["outcome"]: row["n"] for row in rows}


def settled(db: Database, after: int) -> list[Row]:
    """What became of frames, in the order it was recorded, with their estimates; the first `after` are left out.

    One row a face, or one a frame that shows none.
    """
    return list(
        db.query(
            """SELECT frames.camera, frames.path, frames.outcome, frames.reason, frames.detail, frames.captured_at,
            frames.captured_impossible, coalesce(faces.individual, frames.individual) AS individual, age_years,
            sd_years, low_years, high_years, life_stage
            FROM frames LEFT JOIN faces ON faces.frame = frames.id LEFT JOIN estimates ON estimates.id = (
                SELECT estimate FROM counting WHERE counting.face = faces.id)
            WHERE outcome IS NOT NULL ORDER BY done_at, frames.id, number LIMIT -1 OFFSET ?""",
            [after],
        )
    )


def tally(db: Database, run: int) -> Tally:
    """What a run has done so far."""
    outcomes = "SELECT outcome, count(*) FROM frames WHERE run = ? AND outcome IS NOT NULL GROUP BY outcome"
    reasons = """SELECT reason, count(*) FROM frames WHERE run = ? AND outcome = 'rejected'
        GROUP BY reason ORDER BY reason"""
    faces, estimates = db.execute(
        """SELECT count(DISTINCT faces.id), count(estimates.id) FROM frames JOIN faces ON faces.frame = frames.id
        LEFT JOIN estimates ON estimates.face = faces.id WHERE run = ?""",
        [run],
    ).fetchone()
    flaws = """SELECT unusable, count(*) FROM frames JOIN faces ON faces.frame = frames.id
        WHERE run = ? AND unusable IS NOT NULL GROUP BY unusable ORDER BY unusable"""
    by_outcome, by_reason, by_flaw = (dict(db.execute(sql, [run]).fetchall()) for sql in (outcomes, reasons, flaws))
    return Tally(by_outcome, by_reason, faces, estimates, by_flaw)
