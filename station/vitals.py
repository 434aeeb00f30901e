"""What the ledger says of how the station does.  Nothing here reads the table of frames from end to end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from station.schema import StoreError
from station.silence import REMEMBERED, Span
from station.times import iso

RECENTLY = timedelta(minutes=5)
RUNS = 1000
"""How far back runs are read: a station that crashed more often since a camera was heard has worse to tell."""
_OLDEST_MESSAGE = """SELECT min(queued_at) FROM (SELECT queued_at FROM outbox WHERE retained = 1
UNION ALL SELECT * FROM (SELECT queued_at FROM outbox WHERE retained = 0 ORDER BY id LIMIT 1))"""


@dataclass(frozen=True, slots=True)
class FrameCount:
    """How many frames there are of one kind."""

    camera: str
    lane: int
    outcome: str
    """Or `waiting`."""
    reason: str
    clock: str
    """Of an observed frame: `believable`, `impossible` or `unknown`."""
    n: int


@dataclass(frozen=True, slots=True)
class EstimateCount:
    """How many estimates a model has made."""

    model: str
    interval_known: bool
    n: int


@dataclass(frozen=True, slots=True)
class CameraVitals:
    """One camera that was heard; its newest arrivals, oldest first."""

    name: str
    arrivals: tuple[Span, ...]
    last_frame: datetime | None
    """When its newest picture was taken, among those with a believable time."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """The newest run of the daemon."""

    alive_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The station went back to the model of before by itself."""

    at: datetime
    version: str
    """That is in service since."""
    instead_of: str
    why: str


@dataclass(frozen=True, slots=True)
class Vitals:
    """The ledger's part of the station's health."""

    frames: tuple[FrameCount, ...]
    estimates: tuple[EstimateCount, ...]
    oldest_waiting: dict[int, datetime]
    """By lane: when the frame that is next was admitted."""
    elsewhere: dict[int, int]
    """By lane: how many frames wait before it that nobody takes, for they lie below none of the places."""
    last_done: datetime | None
    done_recently: int
    outbox: int
    outbox_oldest: datetime | None
    cameras: tuple[CameraVitals, ...]
    runs: tuple[Span, ...]
    daemon: Daemon | None
    refused: tuple[tuple[str, str, int], ...]
    """Reason, camera or nothing, and how many messages."""
    taken_back: TakenBack | None = None
    """The newest change of the model in service, if it was no person's and went back."""
    serving: str | None = None
    """The version that is in service; None: none is known."""

    @property
    def current(self) -> tuple[EstimateCount, ...]:
        """Estimates of the model in service: of a face that several models have read, one counts."""
        return tuple(one for one in self.estimates if self.serving in (one.model, None))


@dataclass(frozen=True, slots=True)
class _Lane:
    oldest: datetime | None
    elsewhere: int


def vitals(db: Database, now: datetime, places: Sequence[Path] = ()) -> Vitals:
    """Takes them.  Raises `StoreError` where the database is of an older program.

    `places`: only frames below these folders are taken in hand; none: all.
    """
    if "frame_counts" not in db.table_names():
        raise StoreError("the database is of an older station: `station run` brings it up to date")
    at = iso(now)  # what is dated later was written by a clock that was ahead, and says nothing
    lanes = {lane: _lane(db, lane, places) for lane in (0, 1)}
    return Vitals(
        tuple(FrameCount(*row) for row in db.execute("SELECT * FROM frame_counts WHERE n > 0")),
        tuple(EstimateCount(m, bool(k), n) for m, k, n in db.execute("SELECT * FROM estimate_counts WHERE n > 0")),
        {lane: found.oldest for lane, found in lanes.items() if found.oldest},
        {lane: found.elsewhere for lane, found in lanes.items()},
        _moment(db, "SELECT max(done_at) FROM frames WHERE done_at <= ?", at),
        _number(db, "SELECT count(*) FROM frames WHERE done_at > ? AND done_at <= ?", iso(now - RECENTLY), at),
        _number(db, "SELECT count(*) FROM outbox"),
        _moment(db, _OLDEST_MESSAGE),
        tuple(_camera(db, row[0], at) for row in db.execute("SELECT id FROM cameras ORDER BY id").fetchall()),
        _runs(db),
        _daemon(db),
        tuple(db.execute("SELECT reason, camera, messages FROM refusals ORDER BY 1, 2").fetchall()),
        _taken_back(db),
        _serving(db),
    )


def _serving(db: Database) -> str | None:
    if "services" not in db.table_names():  # of an older station
        return None
    row = db.execute("SELECT model FROM services ORDER BY id DESC LIMIT 1").fetchone()
    return str(row[0]) if row else None


def _taken_back(db: Database) -> TakenBack | None:
    if "promotions" not in db.table_names():  # of an older station
        return None
    row = db.execute("""SELECT at, version, previous, why, kind, by, (SELECT max(at) FROM pins) >= at FROM promotions
        WHERE outcome = 'done' ORDER BY id DESC LIMIT 1""").fetchone()
    if row is None or row[4] != "rollback" or row[5] not in ("watch", "station") or row[6]:
        return None
    return TakenBack(datetime.fromisoformat(row[0]), row[1], row[2] or "none", row[3])


def _lane(db: Database, lane: int, places: Sequence[Path]) -> _Lane:
    roots = [f"{place}{os.sep}" for place in places]
    mine = " OR ".join(["substr(path, 1, length(?)) = ?"] * len(roots)) or "1"
    first = db.execute(
        f"SELECT id, admitted_at FROM frames WHERE outcome IS NULL AND lane = ? AND ({mine}) ORDER BY id LIMIT 1",
        [lane, *(root for root in roots for _ in range(2))],
    ).fetchone()
    before = "SELECT count(*) FROM frames WHERE outcome IS NULL AND lane = ? AND id < coalesce(?, id + 1)"
    return _Lane(_parsed(first and first[1]), _number(db, before, lane, first and first[0]))


def individuals(db: Database) -> list[str]:
    """Every individual that people know: none that was found to be another one, none that the machine alone tells."""
    sql = "SELECT id FROM individuals WHERE merged_into IS NULL AND provisional = 0 ORDER BY id"
    return [row[0] for row in db.execute(sql)]


def _camera(db: Database, name: str, at: str) -> CameraVitals:
    newest = db.execute(
        "SELECT began_at, last_at FROM arrivals WHERE camera = ? AND began_at <= ? ORDER BY began_at DESC LIMIT ?",
        [name, at, REMEMBERED],
    ).fetchall()
    taken = "SELECT max(captured_at) FROM frames WHERE camera = ? AND captured_impossible = 0"
    return CameraVitals(name, tuple(_span(*row) for row in reversed(newest)), _moment(db, taken, name))


def _runs(db: Database) -> tuple[Span, ...]:
    rows = db.execute(
        f"SELECT started_at, coalesce(ended_at, alive_at, started_at) FROM runs ORDER BY id DESC LIMIT {RUNS}"
    )
    return tuple(_span(*row) for row in rows)


def _daemon(db: Database) -> Daemon | None:
    row = db.execute(
        "SELECT alive_at, ended_at FROM runs WHERE alive_at IS NOT NULL ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return Daemon(datetime.fromisoformat(row[0]), _parsed(row[1])) if row else None


def _span(began: str, ended: str) -> Span:
    return Span(datetime.fromisoformat(began), datetime.fromisoformat(ended))


def _parsed(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _moment(db: Database, sql: str, *parameters: object) -> datetime | None:
    row = db.execute(sql, parameters).fetchone()
    return _parsed(row[0]) if row else None


def _number(db: Database, sql: str, *parameters: object) -> int:
    return int(db.execute(sql, parameters).fetchone()[0])
