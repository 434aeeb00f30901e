"""What becomes of frames and what is to be told of them, as entries of the ledger.

Nothing here begins or ends a transaction: all that belongs together is written in its caller's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict

from sqlite_utils import Database

from station import embeddings, people
from station.domain import Duplicate, Face, Facts, Frame, Message, Observation, Observed, Outcome, Rejection, Verdict
from station.numbering import NEXT
from station.times import iso


def record(db: Database, outcomes: Sequence[Outcome], at: str) -> None:
    """Gives these frames their outcomes."""
    for outcome in outcomes:
        _record(db, outcome, at)


def original_of(db: Database, digest: str) -> int | None:
    """The observed frame with this content, if there is one."""
    row = db.conn.execute("SELECT id FROM frames WHERE digest = ? AND outcome = 'observed'", [digest]).fetchone()
    return None if row is None else int(row[0])


def name(db: Database, table: str, ids: Iterable[str], at: str) -> None:
    """Notes cameras or individuals that are not known yet."""
    rows = [(id, at) for id in sorted(ids)]
    db.conn.executemany(f"INSERT OR IGNORE INTO {table} (id, first_seen_at) VALUES (?, ?)", rows)


def discover(db: Database, ids: Iterable[str], at: str) -> None:
    """Notes individuals that the machine has made; nobody has confirmed them."""
    rows = [(id, at) for id in sorted(ids)]
    db.conn.executemany("INSERT OR IGNORE INTO individuals (id, first_seen_at, provisional) VALUES (?, ?, 1)", rows)


def put(db: Database, messages: Iterable[Message], at: str) -> None:
    """Puts messages into the outbox; of a state only the newest waits, as long as the one whose place it takes has."""
    db.conn.executemany(
        """INSERT OR REPLACE INTO outbox (rank, topic, payload, retained, queued_at)
        VALUES (:rank, :topic, :payload, :retained,
            coalesce((SELECT queued_at FROM outbox WHERE :retained AND retained = 1 AND topic = :topic), :at))""",
        [{**asdict(m), "at": at} for m in messages],
    )


def announce(db: Database, messages: Sequence[Message], at: str) -> None:
    """The same for what the broker keeps until it is taken back."""
    put(db, messages, at)
    topics = [(message.topic,) for message in messages]
    db.conn.executemany("INSERT OR IGNORE INTO announced (topic) VALUES (?)", topics)


def take_back(db: Database, at: str, but: Collection[str] = ()) -> None:
    """The broker forgets a retained message when it gets an empty one."""
    topics = [(topic,) for topic in announced(db) if topic not in but]
    put(db, [Message(topic, "", retained=True, rank=0) for (topic,) in topics], at)
    db.conn.executemany("DELETE FROM announced WHERE topic = ?", topics)


def announced(db: Database) -> list[str]:
    """The topics of what the broker keeps."""
    return [topic for (topic,) in db.execute("SELECT topic FROM announced ORDER BY topic").fetchall()]


def _record(db: Database, outcome: Outcome, at: str) -> None:
    match outcome:
        case Rejection(frame, reason, detail, digest, consulted):
            told = {"reason": reason, "detail": detail, "digest": digest, "consulted": consulted}
            _finish(db, frame, "rejected", at, **told)
        case Duplicate(frame, digest):
            _copied(db, frame, digest, original_of(db, digest), at)
        case Observed(frame, facts, observations, people, unusable):
            original = original_of(db, facts.digest)
            if original is not None:  # its twin came in the same batch
                _copied(db, frame, facts.digest, original, at)
            else:
                _finish(db, frame, "observed", at, people=people, **_columns(facts))
                _add(db, frame, observations, unusable, at)


def _copied(db: Database, frame: Frame, digest: str, original: int | None, at: str) -> None:
    """A second copy; or the original itself, whose time was set after it was read."""
    if original == frame.id:
        raise RuntimeError(f"frame {frame.id} had its outcome already")
    row = db.conn.execute("SELECT path, camera, people FROM frames WHERE id = ?", [original]).fetchone()
    path, camera, people = row or (None, None, None)
    if frame.topic is None and (path, camera) == (frame.path, frame.camera):
        db.conn.execute("DELETE FROM frames WHERE id = ?", [frame.id])
        seen = [frame.size_bytes, frame.modified_ns, original]
        db.conn.execute("UPDATE frames SET size_bytes = ?, modified_ns = ? WHERE id = ?", seen)
        return
    _finish(db, frame, "duplicate", at, digest=digest, original=original, people=people)
    if frame.individual and original is not None:
        _name_original(db, frame.individual, original, at)


def _name_original(db: Database, individual: str, original: int, at: str) -> None:
    """Pictures sorted by animal afterwards: a copy names the original, if nobody has named it and it shows one face."""
    faces = db.conn.execute(
        "SELECT faces.id, frames.individual FROM faces JOIN frames ON frames.id = faces.frame WHERE frames.id = ?",
        [original],
    ).fetchall()
    if len(faces) == 1 and faces[0][1] is None:
        people.named_by_copy(db, faces[0][0], individual, at)


def _finish(db: Database, frame: Frame, outcome: str, at: str, **columns: object) -> None:
    columns |= {"outcome": outcome, "done_at": at}
    names = ", ".join(f"{column} = ?" for column in columns)
    done = db.conn.execute(f"UPDATE frames SET {names} WHERE id = ? AND outcome IS NULL", [*columns.values(), frame.id])
    if done.rowcount != 1:
        raise RuntimeError(f"frame {frame.id} had its outcome already")


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


def _add(db: Database, frame: Frame, observations: Sequence[Observation], unusable: Sequence[Face], at: str) -> None:
    name(db, "individuals", {o.individual for o in observations if o.individual} - _found(observations), at)
    discover(db, _found(observations), at)
    if frame.individual:
        people.vouch(db, frame.individual)
    for number, seen in enumerate(observations):
        e = seen.reading.estimate
        face = _face(db, frame, number, seen.face, people.now_called(db, seen.individual))
        db.conn.execute(
            f"""INSERT INTO estimates (id, face, model, age_years, sd_years, low_years, high_years,
            life_stage, estimated_at) VALUES ({NEXT}, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [face, e.model, e.age_years, e.sd_years, e.low_years, e.high_years, e.life_stage, at],
        )
        embeddings.add(db, face, seen, at)
    sole = len(unusable) == 1 and not observations
    for number, flawed in enumerate(unusable, len(observations)):
        _face(db, frame, number, flawed, people.now_called(db, frame.individual) if sole else None)


def _face(db: Database, frame: Frame, number: int, face: Face, individual: str | None) -> int:
    """Its row's id."""
    box = face.box
    row = db.conn.execute(
        """INSERT INTO faces (frame, number, x, y, width, height, confidence, quality, unusable, individual)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [frame.id, number, box.x, box.y, box.width, box.height, face.confidence, face.quality, face.flaw, individual],
    )
    return int(row.lastrowid or 0)


def _found(observations: Sequence[Observation]) -> set[str]:
    """The individuals that are new, but for those that people named."""
    return {
        o.individual for o in observations if o.individual and o.recognition and o.recognition.verdict is Verdict.NEW
    }
