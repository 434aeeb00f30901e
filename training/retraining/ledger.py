"""What a retraining asks of the station's database, which it only reads.  The one room of the station's SQL here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station import history, people
from station.domain import Box, TimeSource
from station.logbook import Traffic
from station.schema import StoreError
from station.words import claims, standing
from training.retraining.sightings import Sighting

_FACES = """SELECT faces.id, faces.individual, path, size_bytes, modified_ns, digest, x, y, faces.width, faces.height,
    width_px, height_px, captured_at, captured_source, captured_impossible, coalesce(people, 0) > 0 AS people,
    unspooled_at, born_on, died_on, provisional, unusable
    FROM faces JOIN frames ON frames.id = faces.frame JOIN individuals ON individuals.id = faces.individual
    WHERE outcome = 'observed' AND born_on IS NOT NULL ORDER BY faces.id"""
_NEWEST = """SELECT faces.id, coalesce(faces.individual, 'unknown'), path, size_bytes, modified_ns, digest, x, y,
    faces.width, faces.height, width_px, height_px FROM faces JOIN frames ON frames.id = faces.frame
    WHERE outcome = 'observed' AND coalesce(people, 0) = 0 AND unspooled_at IS NULL AND captured_impossible = 0
    AND unusable IS NULL
    ORDER BY captured_at DESC, faces.id DESC LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Known:
    """What people know by now."""

    sightings: tuple[Sighting, ...]
    """Of individuals with a birth date."""
    without_birth: int
    """Confirmed individuals that have none, and so label nothing."""
    aliases: dict[str, frozenset[str]]
    """All that each individual with a birth date was ever called."""


@dataclass(frozen=True, slots=True)
class Newest:
    """One of the newest faces, to be looked at by two models."""

    face: int
    individual: str
    path: Path
    digest: str
    box: Box
    width_px: int
    height_px: int


def known(database: Path, only_vouched: bool) -> Known:
    """Raises `StoreError`.  `only_vouched`: without faces that nobody but the machine has named."""
    with history.reading(database) as db:
        if "words" not in db.table_names():
            raise StoreError(f"the database {database} is of an older station: `station migrate` brings it up to date")
        rows = list(db.query(_FACES))
        kept = _vouched(db, [row["id"] for row in rows]) if only_vouched else None
        sightings = tuple(_sighting(row) for row in rows if kept is None or row["id"] in kept)
        without = db.execute(
            """SELECT count(*) FROM individuals WHERE born_on IS NULL AND provisional = 0 AND merged_into IS NULL
            AND EXISTS (SELECT 1 FROM faces WHERE faces.individual = individuals.id)"""
        ).fetchone()[0]
        return Known(sightings, int(without), _aliases(db))


def _vouched(db: Database, faces: list[int]) -> set[int]:
    """Those that have their name from a person or a path."""
    stand = standing(people.words(db))
    found = claims(people.recognitions(db, faces), people.paths(db, faces), stand)
    return {face for face, claim in found.items() if not claim.of_machine}


def _aliases(db: Database) -> dict[str, frozenset[str]]:
    """Its id, what people call it, and whoever was found to be it."""
    called: dict[str, set[str]] = {}
    for id, name in db.execute("SELECT id, name FROM individuals WHERE merged_into IS NULL").fetchall():
        called[id] = {id, name} if name else {id}
    for old, now in people.merged(db).items():
        called.setdefault(now, {now}).add(old)
    return {individual: frozenset(names) for individual, names in called.items()}


def _sighting(row: dict[str, Any]) -> Sighting:
    there = row["unspooled_at"] is None and _there(Path(row["path"]), row["size_bytes"], row["modified_ns"])
    return Sighting(
        face=row["id"],
        individual=row["individual"],
        path=Path(row["path"]),
        digest=row["digest"],
        box=Box(row["x"], row["y"], row["width"], row["height"]),
        width_px=row["width_px"],
        height_px=row["height_px"],
        captured_at=datetime.fromisoformat(row["captured_at"]) if row["captured_at"] else None,
        source=TimeSource(row["captured_source"] or TimeSource.NONE),
        impossible=bool(row["captured_impossible"]),
        born_on=date.fromisoformat(row["born_on"]),
        died_on=date.fromisoformat(row["died_on"]) if row["died_on"] else None,
        provisional=bool(row["provisional"]),
        people=bool(row["people"]),
        there=there,
        unusable=row["unusable"] is not None,
    )


def _there(path: Path, size_bytes: int, modified_ns: int) -> bool:
    try:
        found = path.stat()
    except OSError:  # a card that was taken out
        return False
    return (found.st_size, found.st_mtime_ns) == (size_bytes, modified_ns)


def newest(database: Path, most: int) -> list[Newest]:
    """The newest faces whose pictures still lie there, the newest first.  Raises `StoreError`."""
    with history.reading(database) as db:
        return [
            Newest(face, individual, Path(path), digest, Box(x, y, width, height), wide, high)
            for face, individual, path, size, modified, digest, x, y, width, height, wide, high in db.execute(
                _NEWEST, [most]
            ).fetchall()
            if _there(Path(path), size, modified)
        ]


def runs_beside(database: Path) -> bool:
    """Whether a station has the database in use."""
    return history.user_of(database) is not None


@contextmanager
def traffic(database: Path, places: list[Path]) -> Iterator[Traffic]:
    """Tells whether live pictures wait."""
    with history.reading(database) as db:
        yield Traffic(db, places)
