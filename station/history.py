"""What the ledger says: questions that change nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station.schema import StoreError
from station.times import iso

Row = dict[str, Any]


@contextmanager
def reading(file: Path) -> Iterator[Database]:
    """A connection that cannot write.  Raises `StoreError`."""
    if not file.is_file():
        raise StoreError(f"there is no database {file}; `station scan` and `station run` make one")
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        db = Database(connection)
        if "frames" not in db.table_names():
            raise StoreError(f"{file} is not a station's database")
        yield db
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the database {file} cannot be read: {error}") from error
    finally:
        connection.close()


ESTIMATES = """
SELECT estimates.id, frames.captured_at, frames.captured_as_recorded, frames.captured_source,
    frames.captured_impossible, frames.camera, faces.individual, estimates.age_years, estimates.sd_years,
    estimates.low_years, estimates.high_years, estimates.life_stage, estimates.model, estimates.estimated_at,
    frames.path, faces.number AS face, faces.x, faces.y, faces.width, faces.height, faces.confidence
FROM estimates JOIN faces ON faces.id = estimates.face JOIN frames ON frames.id = faces.frame
WHERE (:individual IS NULL OR faces.individual = :individual) AND (:camera IS NULL OR frames.camera = :camera)
    AND (:since IS NULL OR (frames.captured_at >= :since AND NOT frames.captured_impossible))
    AND estimates.id > :after
ORDER BY frames.captured_at, estimates.id
"""


def estimates(
    db: Database,
    individual: str | None = None,
    camera: str | None = None,
    since: datetime | None = None,
    after: int = 0,
) -> Iterator[Row]:
    """Every estimate with its face and frame, by capture time; ages in years, boxes in fractions.

    With `since`, only pictures with a believable time from then on; `after` is the id of an estimate.
    """
    asked = {
        "individual": individual,
        "camera": camera,
        "since": iso(since) if since else None,
        "after": after,
    }
    yield from db.query(ESTIMATES, asked)


def frames_of(db: Database, file: str) -> list[Row]:
    """The rows of a file, by its path or, where no path fits, by its name or its sender's, oldest first."""
    absolute = str(Path(file).absolute())
    by_path = list(db.query("SELECT * FROM frames WHERE path = ? ORDER BY id", [absolute]))
    if by_path:
        return by_path
    named = "file_name = :name" if "/" in file else "substr(path, -length(:end)) = :end OR file_name = :name"
    return list(db.query(f"SELECT * FROM frames WHERE {named} ORDER BY id", {"name": file, "end": f"/{file}"}))


def faces_of(db: Database, frame: int) -> list[Row]:
    """The faces of a frame with their estimates."""
    return list(
        db.query(
            """SELECT faces.*, estimates.model, age_years, sd_years, low_years, high_years, life_stage, estimated_at
            FROM faces LEFT JOIN estimates ON estimates.face = faces.id
            WHERE frame = ? ORDER BY number, estimates.id""",
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
            FROM frames LEFT JOIN faces ON faces.frame = frames.id LEFT JOIN estimates ON estimates.face = faces.id
            WHERE outcome IS NOT NULL ORDER BY done_at, frames.id, number LIMIT -1 OFFSET ?""",
            [after],
        )
    )
