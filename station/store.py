"""The ledger: every frame from its admission to its outcome, and what was seen.  The only SQL.

One locked connection writes (`Store`), readers open their own and cannot write (`reading`); what people say is
written by short transactions of their own commands (`station.hearing`), also while the daemon runs.  WAL with
`synchronous=normal`: a power cut can lose the newest commits, never corrupt; a frame whose commit was lost is
in its folder still, and is done again.  With a broker it is `full`: what was acknowledged or told must not be
among the lost.

A write that finds the disk full is rolled back whole, and tried again for as long as the store was told to wait.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from sqlite_utils import Database

from station import entries
from station.bundles import Card
from station.domain import Frame, Lane, Message, Outcome, Reason
from station.flow import Doorbell
from station.schema import LEAST_BYTES, StoreError, lock, open_database, transaction
from station.shortage import Shortage, no_shortage, patient
from station.times import iso

CHUNK = 8
"""Frames taken in hand at a time: what a live frame that comes meanwhile has to wait for."""
ALONE_AFTER, REJECTED_AFTER = 2, 4
"""Unfinished attempts after which a frame is tried alone, and after which it is rejected."""

_AFRESH = """outcome = NULL, reason = NULL, detail = NULL, done_at = NULL, digest = NULL, run = NULL, attempts = 0"""


class Candidate(NamedTuple):
    """A file on its way to be admitted."""

    camera: str
    path: str
    size_bytes: int
    modified_ns: int
    individual: str | None
    lane: Lane
    topic: str | None = None
    file_name: str | None = None
    given_at: str | None = None


class Herald(Protocol):
    """Queues what is to be told of frames, in the transaction that records them."""

    def tell(self, db: Database, frames: Sequence[Frame], after: int, at: str) -> None:
        """`after` is the newest estimate before them."""
        ...

    def retell(self, db: Database, at: str) -> None:
        """Of the individuals that people's words have changed."""
        ...


class Store:
    """The one writer on a database.  Use as a context manager; all methods may be called from any thread."""

    def __init__(
        self,
        file: Path,
        now: datetime,
        within: Sequence[Path] = (),
        *,
        durable: bool = False,
        herald: Herald | None = None,
        shortage: Shortage = no_shortage,
    ) -> None:
        """Opens or creates the database, and begins a run.  Raises `StoreError`.

        `within`: only frames below these folders are taken in hand, for only their settings are known; none: all.
        """
        self._roots = [f"{root}{os.sep}" for root in within]
        self._mine = " OR ".join(["substr(path, 1, length(?)) = ?"] * len(self._roots)) or "1"
        self._lock = threading.RLock()
        self._claim = lock(file)
        self._herald = herald
        self.shortage = shortage
        try:
            self._db = open_database(file, durable)
            cursor = self._db.execute("INSERT INTO runs (started_at) VALUES (?)", [iso(now)])
        except sqlite3.Error as error:
            self._claim.close()
            full = shutil.disk_usage(file.parent).free < LEAST_BYTES  # SQLite says only: disk I/O error
            why = "its disk is full: make room" if full else error
            raise StoreError(f"the database {file} cannot be used: {why}") from error
        except BaseException:
            self._claim.close()
            raise
        self.run = int(cursor.lastrowid or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._db.close()
            self._claim.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One transaction."""
        with self._lock, transaction(self._db):
            yield self._db

    @contextmanager
    def asking(self) -> Iterator[Database]:
        """The same connection, to read what is committed."""
        with self._lock:
            yield self._db

    @patient
    def end_run(self, now: datetime) -> None:
        """The run ends well: what it had in hand and did not finish counts as never begun."""
        with self.writing() as db:
            db.execute(
                "UPDATE frames SET run = NULL, attempts = attempts - 1 WHERE outcome IS NULL AND run = ?",
                [self.run],
            )
            db.execute("UPDATE runs SET ended_at = ? WHERE id = ?", [iso(now), self.run])

    @patient
    def use_model(self, card: Card, now: datetime) -> None:
        """Notes the model that estimates from now on."""
        row = [card.version, card.to_json(), iso(now)]
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO models (version, card, first_used_at) VALUES (?, ?, ?)", row)
            entries.serve(db, card.version, iso(now))

    # One way in

    @patient
    def admit(self, candidates: Sequence[Candidate], now: datetime) -> int:
        """Commits the frames that are not known yet; how many there were."""
        at = iso(now)
        with self.writing() as db:
            unknown, again = self._sift(candidates)
            entries.name(db, "cameras", {c.camera for c in unknown}, at)
            entries.name(db, "individuals", {c.individual for c in unknown if c.individual}, at)
            db.conn.executemany(
                """INSERT OR IGNORE INTO frames
                (camera, path, size_bytes, modified_ns, individual, lane, topic, file_name, given_at, admitted_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [(*c, at) for c in unknown],
            )
            db.conn.executemany(f"UPDATE frames SET {_AFRESH} WHERE id = ?", [(id,) for id in again])
            return len(unknown) + len(again)

    def _sift(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[int]]:
        """Those not known yet, and the ids of those that could not be reached when their turn came."""
        unknown: list[Candidate] = []
        again: list[int] = []
        for c in candidates:
            row = self._db.conn.execute(
                "SELECT id, reason FROM frames WHERE path = ? AND size_bytes = ? AND modified_ns = ? AND camera = ?",
                (c.path, c.size_bytes, c.modified_ns, c.camera),
            ).fetchone()
            if row is None:
                unknown.append(c)
            elif row[1] in (Reason.VANISHED, Reason.UNREADABLE):
                again.append(row[0])
        return unknown, again

    # The queue

    def pending(self, bell: Doorbell) -> Iterator[Frame]:
        """Frames without an outcome, live lane first, for as long as the bell is not stopped.

        Frames that were in flight at two crashes come last and one at a time, with nothing else in flight.
        """
        while not bell.stopped:
            closed = bell.closed  # before the ledger is asked: who closes has admitted everything
            frames = self._claim_next()
            for frame in frames:
                if bell.stopped:
                    break
                yield frame
            if not frames:
                if closed and not self._in_hand():
                    break
                bell.wait()
        bell.check()

    @patient
    def _claim_next(self) -> list[Frame]:
        with self.writing() as db:
            if self._in_hand(" AND attempts > ?", ALONE_AFTER):  # a suspect: nothing else beside it
                return []
            rows = self._waiting("attempts < ?", [ALONE_AFTER, CHUNK])
            if not rows and not self._in_hand():
                self._reject_crashers()
                rows = self._waiting("attempts >= ?", [ALONE_AFTER, 1])
            db.conn.executemany(
                "UPDATE frames SET run = ?, attempts = attempts + 1 WHERE id = ?",
                [(self.run, row[0]) for row in rows],
            )
        return [Frame(*row) for row in rows]

    def _waiting(self, which: str, parameters: list[int]) -> list[tuple[Any, ...]]:
        return self._db.conn.execute(
            f"""SELECT id, camera, path, size_bytes, modified_ns, individual, attempts >= {ALONE_AFTER},
            topic, file_name, given_at FROM frames
            WHERE outcome IS NULL AND run IS NOT ? AND ({self._mine}) AND {which} ORDER BY lane, id LIMIT ?""",
            [self.run, *self._roots_twice(), *parameters],
        ).fetchall()

    def _roots_twice(self) -> list[str]:
        return [root for root in self._roots for _ in range(2)]

    def _in_hand(self, which: str = "", *parameters: int) -> bool:
        with self._lock:
            found = self._db.conn.execute(
                f"SELECT 1 FROM frames WHERE outcome IS NULL AND run = ?{which} LIMIT 1", [self.run, *parameters]
            )
            return found.fetchone() is not None

    def _reject_crashers(self) -> None:
        self._db.conn.execute(
            """UPDATE frames SET outcome = 'rejected', reason = ?, detail = ?, done_at =
            (SELECT started_at FROM runs WHERE id = ?)
            WHERE outcome IS NULL AND run IS NOT ? AND attempts >= ?""",
            [
                Reason.CRASHED,
                "the station went down twice while it read this picture alone",
                self.run,
                self.run,
                REJECTED_AFTER,
            ],
        )

    def undetected(self, under: str) -> list[tuple[int, str, str]]:
        """The frames below a folder that were rejected without detections: id, path, what was consulted."""
        with self._lock:
            return self._db.conn.execute(
                """SELECT id, path, coalesce(consulted, '') FROM frames WHERE outcome = 'rejected' AND reason = ?
                AND substr(path, 1, length(?) + 1) = ? || '/'""",
                [Reason.NO_DETECTIONS, under, under],
            ).fetchall()

    @patient
    def look_again(self, frames: Sequence[int]) -> None:
        """Puts these frames back in the queue."""
        with self.writing() as db:
            db.conn.executemany(f"UPDATE frames SET {_AFRESH} WHERE id = ?", [(id,) for id in frames])

    @patient
    def retry(self, reason: str | None = None, under: str | None = None) -> int:
        """Puts rejected frames back in the queue; how many.

        All, or those of one `reason`, at or below the path `under`.
        """
        with self.writing() as db:
            done = db.conn.execute(
                f"""UPDATE frames SET {_AFRESH} WHERE outcome = 'rejected'
                AND (:reason IS NULL OR reason = :reason)
                AND (:under IS NULL OR path = :under OR substr(path, 1, length(:under) + 1) = :under || '/')""",
                {"reason": reason, "under": under},
            )
            return int(done.rowcount)

    # One way out

    def original_of(self, digest: str) -> int | None:
        """The observed frame with this content, if there is one."""
        with self.asking() as db:
            return entries.original_of(db, digest)

    @patient
    def record(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Commits what became of these frames and what is to be told of them, all in one transaction."""
        at = iso(now)
        with self.writing() as db:
            after = db.conn.execute("SELECT max(coalesce(max(id), 0), 0) FROM estimates").fetchone()[0]
            entries.record(db, outcomes, at)
            if self._herald:
                self._herald.tell(db, [outcome.frame for outcome in outcomes], after, at)

    @patient
    def retell(self, now: datetime) -> None:
        """Commits what is to be told of individuals that people's words have changed."""
        with self.writing() as db:
            if self._herald:
                self._herald.retell(db, iso(now))

    @patient
    def queue(self, messages: Iterable[Message], now: datetime) -> None:
        """Puts messages in the outbox."""
        with self.writing() as db:
            entries.put(db, messages, iso(now))

    @patient
    def announce(self, messages: Sequence[Message], now: datetime) -> None:
        """The same for what stays at the broker until `take_back`."""
        with self.writing() as db:
            entries.announce(db, messages, iso(now))

    @patient
    def take_back(self, now: datetime, but: Collection[str] = ()) -> None:
        """The broker is to forget what was announced, `but` these topics."""
        with self.asking() as db:
            if not set(entries.announced(db)) - set(but):
                return
        with self.writing() as db:
            entries.take_back(db, iso(now), but)

    @patient
    def alive(self, now: datetime) -> None:
        """The daemon's sign of life: a run that ends without a word is known to have lasted until here.

        Where the clock was set back since the run began, it is known to have lasted since now.
        """
        with self.writing() as db:
            sql = "UPDATE runs SET alive_at = :at, started_at = min(started_at, :at) WHERE id = :run"
            db.execute(sql, {"at": iso(now), "run": self.run})

    def idle(self) -> bool:
        """Whether every frame that this run may take has its outcome."""
        with self._lock:
            found = self._db.conn.execute(
                f"SELECT 1 FROM frames WHERE outcome IS NULL AND ({self._mine}) LIMIT 1", self._roots_twice()
            )
            return found.fetchone() is None

    def waiting(self) -> int:
        """How many frames that this run may take have no outcome yet."""
        return self._count(f"({self._mine})")

    def _count(self, which: str) -> int:
        with self._lock:
            sql = f"SELECT count(*) FROM frames WHERE outcome IS NULL AND {which}"
            return int(self._db.conn.execute(sql, self._roots_twice()).fetchone()[0])
