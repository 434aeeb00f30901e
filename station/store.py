"""The ledger: every frame from its admission to its outcome, and what was seen.  The only SQL.

One locked connection writes (`Store`), readers open their own and cannot write (`reading`).  WAL with
`synchronous=normal`: a power cut can lose the newest commits, never corrupt; a frame whose commit was lost is
in its folder still, and is done again.  With a broker it is `full`: what was acknowledged or told must not be
among the lost.

A write that finds the disk full is rolled back whole, and tried again for as long as the store was told to wait.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from sqlite_utils import Database

from station.bundles import Card
from station.domain import (
    Duplicate,
    Facts,
    Frame,
    Lane,
    Observation,
    Observed,
    Outcome,
    Reason,
    Rejection,
)
from station.flow import Doorbell
from station.schema import StoreError, lock, open_database
from station.shortage import Shortage, no_shortage, patient
from station.times import iso

CHUNK = 64
"""Frames taken in hand at a time: what a crash leaves to be done again."""
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


@dataclass(frozen=True, slots=True)
class Tally:
    """What one run on a ledger has done."""

    outcomes: dict[str, int]
    reasons: dict[str, int]
    faces: int
    estimates: int


class Herald(Protocol):
    """Queues what is to be told of frames, in the transaction that records them."""

    def tell(self, db: Database, frames: Sequence[Frame], after: int, at: str) -> None:
        """`after` is the newest estimate before them."""
        ...


class Store:
    """The one writer on a database.  Use as a context manager; all methods may be called from any thread."""

    def __init__(
        self,
        file: Path,
        now: datetime,
        *,
        durable: bool = False,
        herald: Herald | None = None,
        shortage: Shortage = no_shortage,
    ) -> None:
        """Opens or creates the database, and begins a run.  Raises `StoreError`."""
        self._lock = threading.RLock()
        self._claim = lock(file)
        self._herald = herald
        self.shortage = shortage
        try:
            self._db = open_database(file, durable)
            cursor = self._db.execute("INSERT INTO runs (started_at) VALUES (?)", [iso(now)])
        except sqlite3.Error as error:
            self._claim.close()
            raise StoreError(f"the database {file} cannot be used: {error}") from error
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
        with self._lock, self._db.atomic():
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

    # One way in

    @patient
    def admit(self, candidates: Sequence[Candidate], now: datetime) -> int:
        """Commits the frames that are not known yet; how many there were."""
        at = iso(now)
        with self.writing() as db:
            unknown, again = self._sift(candidates)
            self._name("cameras", {c.camera for c in unknown}, at)
            self._name("individuals", {c.individual for c in unknown if c.individual}, at)
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

    def _name(self, table: str, ids: Iterable[str], at: str) -> None:
        rows = [(id, at) for id in sorted(ids)]
        self._db.conn.executemany(f"INSERT OR IGNORE INTO {table} (id, first_seen_at) VALUES (?, ?)", rows)

    # The queue

    def pending(self, bell: Doorbell) -> Iterator[Frame]:
        """Frames without an outcome, live lane first, for as long as the bell is not stopped.

        Frames that were in flight at two crashes come last and one at a time, with nothing else in flight.
        """
        while not bell.stopped:
            frames = self._claim_next()
            for frame in frames:
                if bell.stopped:
                    break
                yield frame
            if not frames:
                if bell.closed and not self._in_hand():
                    break
                bell.wait()
        bell.check()

    @patient
    def _claim_next(self) -> list[Frame]:
        with self.writing() as db:
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
            WHERE outcome IS NULL AND run IS NOT ? AND {which} ORDER BY lane, id LIMIT ?""",
            [self.run, *parameters],
        ).fetchall()

    def _in_hand(self) -> bool:
        with self._lock:
            found = self._db.conn.execute("SELECT 1 FROM frames WHERE outcome IS NULL AND run = ? LIMIT 1", [self.run])
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

    @patient
    def retry(self, reason: str | None = None, under: str | None = None, before: datetime | None = None) -> int:
        """Puts rejected frames back in the queue; how many.

        All, or those of one `reason`, at or below the path `under`, rejected `before` a time.
        """
        with self.writing() as db:
            done = db.conn.execute(
                f"""UPDATE frames SET {_AFRESH} WHERE outcome = 'rejected'
                AND (:reason IS NULL OR reason = :reason) AND (:before IS NULL OR done_at < :before)
                AND (:under IS NULL OR path = :under OR substr(path, 1, length(:under) + 1) = :under || '/')""",
                {"reason": reason, "under": under, "before": iso(before) if before else None},
            )
            return int(done.rowcount)

    # One way out

    def original_of(self, digest: str) -> int | None:
        """The observed frame with this content, if there is one."""
        with self._lock:
            row = self._db.conn.execute(
                "SELECT id FROM frames WHERE digest = ? AND outcome = 'observed'", [digest]
            ).fetchone()
            return None if row is None else int(row[0])

    @patient
    def record(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Commits what became of these frames and what is to be told of them, all in one transaction."""
        at = iso(now)
        with self.writing() as db:
            after = db.conn.execute("SELECT coalesce(max(id), 0) FROM estimates").fetchone()[0]
            for outcome in outcomes:
                self._record(outcome, at)
            if self._herald:
                self._herald.tell(db, [outcome.frame for outcome in outcomes], after, at)

    def _record(self, outcome: Outcome, at: str) -> None:
        match outcome:
            case Rejection(frame, reason, detail, digest):
                self._finish(frame, "rejected", at, reason=reason, detail=detail, digest=digest)
            case Duplicate(frame, digest):
                self._duplicate(frame, digest, self.original_of(digest), at)
            case Observed(frame, facts, observations, people):
                original = self.original_of(facts.digest)
                if original is not None:  # its twin came in the same batch
                    self._duplicate(frame, facts.digest, original, at)
                else:
                    self._finish(frame, "observed", at, people=people, **_columns(facts))
                    self._add(frame, observations, at)

    def _duplicate(self, frame: Frame, digest: str, original: int | None, at: str) -> None:
        found = self._db.conn.execute("SELECT people FROM frames WHERE id = ?", [original]).fetchone()
        self._finish(frame, "duplicate", at, digest=digest, original=original, people=found[0] if found else None)

    def _finish(self, frame: Frame, outcome: str, at: str, **columns: object) -> None:
        columns |= {"outcome": outcome, "done_at": at}
        names = ", ".join(f"{name} = ?" for name in columns)
        done = self._db.conn.execute(
            f"UPDATE frames SET {names} WHERE id = ? AND outcome IS NULL", [*columns.values(), frame.id]
        )
        if done.rowcount != 1:
            raise RuntimeError(f"frame {frame.id} had its outcome already")

    def _add(self, frame: Frame, observations: Sequence[Observation], at: str) -> None:
        self._name("individuals", {o.individual for o in observations if o.individual}, at)
        for number, seen in enumerate(observations):
            box, estimate = seen.face.box, seen.reading.estimate
            face = self._db.conn.execute(
                """INSERT INTO faces (frame, number, x, y, width, height, confidence, individual)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    frame.id,
                    number,
                    box.x,
                    box.y,
                    box.width,
                    box.height,
                    seen.face.confidence,
                    seen.individual,
                ),
            ).lastrowid
            self._db.conn.execute(
                """INSERT INTO estimates (face, model, age_years, sd_years, low_years, high_years,
                life_stage, estimated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    face,
                    estimate.model,
                    estimate.age_years,
                    estimate.sd_years,
                    estimate.low_years,
                    estimate.high_years,
                    estimate.life_stage,
                    at,
                ),
            )

    def tally(self) -> Tally:
        """What this run has done so far."""
        with self._lock:
            return _tally(self._db, self.run)

    def waiting(self) -> int:
        """How many frames have no outcome yet."""
        with self._lock:
            row = self._db.conn.execute("SELECT count(*) FROM frames WHERE outcome IS NULL").fetchone()
            return int(row[0])


def _columns(facts: Facts) -> dict[str, object]:
    taken = facts.captured
    return {
        "digest": facts.digest,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "captured_at": iso(taken.utc) if taken.utc else None,
        "captured_as_recorded": taken.as_recorded,
        "captured_source": taken.source,
        "captured_impossible": int(taken.impossible),
        "make": facts.make,
        "model": facts.model,
    }


def _tally(db: Database, run: int) -> Tally:
    outcomes = dict(
        db.execute(
            "SELECT outcome, count(*) FROM frames WHERE run = ? AND outcome IS NOT NULL GROUP BY outcome",
            [run],
        ).fetchall()
    )
    reasons = dict(
        db.execute(
            """SELECT reason, count(*) FROM frames WHERE run = ? AND outcome = 'rejected'
            GROUP BY reason ORDER BY reason""",
            [run],
        ).fetchall()
    )
    faces, estimates = db.execute(
        """SELECT count(DISTINCT faces.id), count(estimates.id) FROM frames JOIN faces ON faces.frame = frames.id
        LEFT JOIN estimates ON estimates.face = faces.id WHERE run = ?""",
        [run],
    ).fetchone()
    return Tally(outcomes, reasons, faces, estimates)
