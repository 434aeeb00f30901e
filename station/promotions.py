"""Which bundle is in service: a link that is replaced whole, and a table that says when, by whom and why.

The table is told first (a row without an outcome), then the link is replaced, then the row is done.  Who is killed in
between leaves a row that the next to look settles by what the link says: the link is the truth, the table its history.
One process at a time changes both; a lock beside the database says whose turn it is, and a kill lets go of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlite_utils import Database

from station import entries, schema
from station.bundles import BundleError, Card, read_card
from station.domain import StationError
from station.durable import sync
from station.times import iso


class PromotionError(StationError):
    """The model in service cannot be changed."""


class By(StrEnum):
    """Who changes the model in service."""

    PERSON = "person"
    GATE = "gate"
    WATCH = "watch"
    STATION = "station"


class Kind(StrEnum):
    """How a bundle came into service."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    FOUND = "found"
    """The link led to it, and nobody had said so."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the table, that is done."""

    id: int
    at: str
    kind: Kind
    version: str
    bundle: str
    previous: str | None
    by: By
    why: str
    settled_at: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where both are."""

    database: Path
    link: Path

    @property
    def folder(self) -> Path:
        """Where the bundles lie."""
        return self.link.parent

    def target(self) -> Path | None:
        """The folder that the link leads to, there or not; None: there is no link."""
        try:
            return Path(os.path.normpath(self.folder.absolute() / self.link.readlink()))
        except OSError:
            return self.link.absolute() if self.link.is_dir() else None

    def told(self, bundle: Path) -> str:
        """A bundle as the table names it: beside the link by its name alone, so that both can move together."""
        folder = self.folder.absolute()
        return bundle.name if bundle.parent == folder else str(bundle)

    def found(self, told: str) -> Path:
        """The way back."""
        return self.folder.absolute() / told


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Nobody else changes the model in service during the block.  Raises `PromotionError`."""
    file = place.database.with_name(f"{place.database.name}.promotion")
    try:
        with file.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise PromotionError(f"{file} cannot be written: {error.strerror}; say it as the station's user") from error


def change(place: Place, bundle: Path, kind: Kind, by: By, why: str, now: datetime) -> None:
    """Puts a bundle into service; `alone` is the caller's.  Raises `StationError`; then all is as it was."""
    version = read_card(bundle).version
    _changeable(place)
    with schema.beside(place.database) as db:
        row = _begin(db, place, bundle, version, kind, by, why, now)
    try:
        _lead(place.link, place.told(bundle))
    except OSError as error:
        with schema.beside(place.database) as db:
            _end(db, row, "abandoned")
        raise PromotionError(
            f"the link {place.link} cannot be replaced: {error.strerror}; give the station's user write access to "
            f"{place.folder}"
        ) from error
    with schema.beside(place.database) as db:
        _end(db, row, "done")
        entries.serve(db, version, iso(now))


def reconcile(place: Place, now: datetime) -> None:
    """The table is made to say what the link says; `alone` is the caller's.  Raises `StationError`."""
    target = place.target()
    told = place.told(target) if target else None
    with schema.beside(place.database) as db:
        for id, bundle in db.execute("SELECT id, bundle FROM promotions WHERE outcome IS NULL ORDER BY id").fetchall():
            _end(db, id, "done" if bundle == told else "abandoned")
        last = newest(db)
        if target is None or told is None or (last and last.bundle == told):
            return
        try:
            version = read_card(target).version
        except BundleError:
            return
        _end(db, _begin(db, place, target, version, Kind.FOUND, By.PERSON, "the link led to it", now), "done")


def _changeable(place: Place) -> None:
    if place.link.is_dir() and not place.link.is_symlink():
        raise PromotionError(
            f"station.bundle = {place.link} is a folder, not a link to one: "
            f"`mv {place.link} {place.link}-1 && ln -s {place.link.name}-1 {place.link}` makes it one"
        )


def _lead(link: Path, to: str) -> None:
    """The link leads there, from one instant to the next, and still does after a power cut."""
    sync(link.parent / to)
    sync((link.parent / to).parent)
    scratch = link.with_name(f".{link.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(to)
    scratch.replace(link)
    sync(link.parent)


def _begin(
    db: Database, place: Place, bundle: Path, version: str, kind: Kind, by: By, why: str, now: datetime
) -> int:  # fmt: skip
    last = newest(db)
    cursor = db.execute(
        "INSERT INTO promotions (at, kind, version, bundle, previous, by, why) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [iso(now), kind, version, place.told(bundle), last.version if last else None, by, why],
    )
    return int(cursor.lastrowid or 0)


def _end(db: Database, id: int, outcome: str) -> None:
    db.execute("UPDATE promotions SET outcome = ? WHERE id = ?", [outcome, id])


_COLUMNS = "id, at, kind, version, bundle, previous, by, why, settled_at, verdict"


def changes(db: Database) -> list[Change]:
    """All that were done, the oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM promotions WHERE outcome = 'done' ORDER BY id").fetchall()
    return [
        Change(id, at, Kind(kind), version, bundle, previous, By(by), why, settled_at, verdict)
        for id, at, kind, version, bundle, previous, by, why, settled_at, verdict in rows
    ]


def newest(db: Database) -> Change | None:
    """Why the model in service is in service."""
    return next(reversed(changes(db)), None)


def settle(db: Database, id: int, verdict: str, now: datetime) -> None:
    """The watch over a promotion is over."""
    db.execute("UPDATE promotions SET settled_at = ?, verdict = ? WHERE id = ?", [iso(now), verdict, id])


def ways_back(done: Sequence[Change]) -> list[str]:
    """The bundles that were in service before, as the table names them, the newest first; no mistake is gone back to.

    A way back undoes what it leaves: who goes back twice comes to what was there before both.
    """
    stack: list[str] = []
    for one in done:
        if one.kind is Kind.ROLLBACK and one.bundle in stack[:-1]:
            while stack[-1] != one.bundle:
                stack.pop()
        elif not stack or stack[-1] != one.bundle:
            stack.append(one.bundle)
    return stack[-2::-1]


def card(db: Database, version: str) -> Card | None:
    """Of a model that has estimated here; None: none of that version has."""
    row = db.execute("SELECT card FROM models WHERE version = ?", [version]).fetchone()
    return Card.from_json(row[0]) if row else None


def pinned(db: Database) -> tuple[str, str] | None:
    """Since when and why only people change the model in service; None: others may too."""
    row = db.execute("SELECT at, why FROM pins WHERE taken_out_at IS NULL ORDER BY id DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else None


def pin(db: Database, why: str, now: datetime) -> None:
    """From now on only people change the model in service."""
    unpin(db, now)
    db.execute("INSERT INTO pins (at, why) VALUES (?, ?)", [iso(now), why])


def unpin(db: Database, now: datetime) -> bool:
    """Others may again; False: they could."""
    held = pinned(db) is not None
    db.execute("UPDATE pins SET taken_out_at = ? WHERE taken_out_at IS NULL", [iso(now)])
    return held
