"""The ledger's side of the broker: what waits to be sent, what lies in the spool, what was refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from station.domain import Message
from station.herald import Herald
from station.shortage import Shortage, patient
from station.store import Candidate, Store
from station.times import iso


class Waiting(NamedTuple):
    """A message of the outbox."""

    id: int
    message: Message


class Refusal(NamedTuple):
    """Why a message was not taken, for people."""

    topic: str
    detail: str
    messages: int


class Mail:
    """Questions and changes, each one transaction; from any thread."""

    def __init__(self, store: Store, herald: Herald) -> None:
        self._store = store
        self._herald = herald

    @property
    def shortage(self) -> Shortage:
        """What waits where the disk is full."""
        return self._store.shortage

    # The outbox

    def waiting(self, limit: int, without: Collection[int] = (), not_below: Sequence[str] = ()) -> list[Waiting]:
        """What goes next, in order, without those in flight and those on or below some topics."""
        ids = ", ".join(map(str, without))
        below = " AND substr(topic || '/', 1, length(?) + 1) <> ? || '/'" * len(not_below)
        with self._store.asking() as db:
            rows = db.execute(
                f"""SELECT id, topic, payload, retained, rank FROM outbox WHERE id NOT IN ({ids}){below}
                ORDER BY rank, id LIMIT ?""",
                [*(topic for topic in not_below for _ in range(2)), limit],
            ).fetchall()
        return [Waiting(id, Message(topic, payload, bool(held), rank)) for id, topic, payload, held, rank in rows]

    def sent(self, ids: Iterable[int]) -> None:
        """The broker has them.  Does not wait where the disk is full: the sender has that to tell."""
        with self._store.writing() as db:
            db.conn.executemany("DELETE FROM outbox WHERE id = ?", [(id,) for id in ids])

    def trim(self, limit: int) -> int:
        """Beyond `limit` the oldest estimates go unsent; how many went.  Does not wait either."""
        too_many = self.depth() - limit
        if too_many <= 0:
            return 0
        with self._store.writing() as db:
            gone = db.conn.execute(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE retained = 0 ORDER BY id LIMIT ?)",
                [too_many],
            )
            return int(gone.rowcount)

    def depth(self) -> int:
        """How many messages wait."""
        with self._store.asking() as db:
            return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def again(self, first: int, last: int) -> list[Message]:
        """The messages of estimates `first` to `last`, as they were told."""
        with self._store.asking() as db:
            return self._herald.again(db, first, last)

    def numbers(self, first: int, last: int, limit: int) -> list[int]:
        """The numbers of the estimates from `first` to `last`, at most so many: some numbers were never given."""
        asked = "SELECT id FROM estimates WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        with self._store.asking() as db:
            return [id for (id,) in db.execute(asked, [first, last, limit]).fetchall()]

    def newest(self) -> int:
        """The newest estimate's number; 0: there is none."""
        with self._store.asking() as db:
            return int(db.execute("SELECT max(coalesce(max(id), 0), 0) FROM estimates").fetchone()[0])

    # The subscriptions

    @patient
    def former(self, filters: Sequence[str]) -> list[str]:
        """Notes what is subscribed to from now on; what was before and is no longer."""
        with self._store.writing() as db:
            db.conn.executemany("INSERT OR IGNORE INTO subscribed (filter) VALUES (?)", [(one,) for one in filters])
            known = db.execute("SELECT filter FROM subscribed ORDER BY filter").fetchall()
        return [one for (one,) in known if one not in filters]

    # The spool

    def holds(self, path: Path) -> bool:
        """Whether this picture of this camera is in the ledger, and in the spool or done with."""
        with self._store.asking() as db:
            rows = db.execute("SELECT outcome FROM frames WHERE path = ?", [str(path)]).fetchall()
        return any(outcome in ("observed", "duplicate") for (outcome,) in rows) or bool(rows and path.is_file())

    def unknown(self, pictures: Sequence[Path]) -> list[Path]:
        """Those of these files of the spool that no row tells of."""
        known = "SELECT 1 FROM frames WHERE path = ? AND unspooled_at IS NULL"
        with self._store.asking() as db:
            return [file for file in pictures if db.execute(known, [str(file)]).fetchone() is None]

    def adopt(self, found: Sequence[Candidate], now: datetime) -> int:
        """Puts files of the spool into the queue; how many."""
        return self._store.admit(found, now)

    def removable(self, limit: int) -> list[tuple[int, Path]]:
        """The oldest recorded pictures of the spool."""
        return self._spooled("topic IS NOT NULL AND outcome IS NOT NULL", limit)

    def with_people(self, limit: int) -> list[tuple[int, Path]]:
        """Recorded pictures of the spool that show a person."""
        return self._spooled("people > 0 AND topic IS NOT NULL AND outcome IS NOT NULL", limit)

    def _spooled(self, which: str, limit: int) -> list[tuple[int, Path]]:
        with self._store.asking() as db:
            rows = db.execute(
                f"SELECT id, path FROM frames WHERE {which} AND unspooled_at IS NULL ORDER BY id LIMIT ?", [limit]
            ).fetchall()
        return [(id, Path(path)) for id, path in rows]

    @patient
    def unspooled(self, ids: Iterable[int], now: datetime) -> None:
        """Their files were deleted."""
        with self._store.writing() as db:
            db.conn.executemany("UPDATE frames SET unspooled_at = ? WHERE id = ?", [(iso(now), id) for id in ids])

    # What was refused

    @patient
    def refuse(self, refusals: Mapping[tuple[str, str], Refusal], now: datetime) -> None:
        """Counts them, by reason and camera."""
        with self._store.writing() as db:
            db.conn.executemany(
                """INSERT INTO refusals (reason, camera, messages, last_topic, last_detail, last_at)
                VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (reason, camera) DO UPDATE SET
                messages = messages + excluded.messages, last_topic = excluded.last_topic,
                last_detail = excluded.last_detail, last_at = excluded.last_at""",
                [(*key, r.messages, r.topic, r.detail, iso(now)) for key, r in refusals.items()],
            )

    def refused(self) -> dict[str, int]:
        """How many messages were refused, by reason."""
        with self._store.asking() as db:
            return dict(db.execute("SELECT reason, sum(messages) FROM refusals GROUP BY reason").fetchall())
