"""The embeddings in the ledger: what the gallery is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlite_utils import Database

from station.domain import Box, Floats, Observation
from station.exemplars import Exemplar
from station.individuals import Birth

YEAR_S = 365.25 * 86_400
_CHUNK = 500
_SAID = """(frames.individual IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM faces AS other WHERE other.frame = faces.frame AND other.id <> faces.id))
    OR EXISTS (SELECT 1 FROM words
        WHERE words.face = faces.id AND verb IN ('confirm', 'split') AND undone_at IS NULL)"""
_AGE = "estimates.id = (SELECT max(id) FROM estimates WHERE face = faces.id)"
_TAKEN = "CASE WHEN captured_impossible THEN NULL ELSE captured_at END"


@dataclass(frozen=True, slots=True)
class Named:
    """A face of whom it is known whom it shows."""

    face: int
    individual: str
    exemplar: Exemplar


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """A face as a burst remembers it."""

    frame: str
    """The digest of its picture."""
    camera: str
    taken_s: float | None
    vector: Floats


def key(digest: str, number: int) -> int:
    """Of a face, from the content of its picture: known before the ledger has numbered it."""
    return int(digest[:14], 16) << 8 | number & 0xFF


def packed(vector: Floats) -> bytes:
    """As it stands in the ledger."""
    return vector.astype("<f2").tobytes()


def unpacked(blob: bytes) -> Floats:
    """As it was, but for rounding."""
    return np.frombuffer(blob, "<f2").astype(np.float32)


def birth(taken_s: float | None, age_years: float | None, sd_years: float | None) -> Birth | None:
    """When one estimate says that its animal was born."""
    if taken_s is None or age_years is None or sd_years is None:
        return None
    return Birth(taken_s / YEAR_S - age_years, sd_years)


def add(db: Database, face: int, seen: Observation, at: str) -> None:
    """Keeps a face's embedding and what the machine says of it."""
    said = seen.recognition
    if said is None:
        return
    db.conn.execute(
        "INSERT INTO embeddings (face, identity, vector) VALUES (?, ?, ?)",
        [face, said.identity, packed(seen.reading.embedding)],
    )
    db.conn.execute(
        """INSERT INTO recognitions (face, identity, verdict, individual, similarity, runner_up,
        runner_up_similarity, recognised_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [face, said.identity, said.verdict, said.individual, said.similarity, said.runner_up,
         said.runner_up_similarity, at],
    )  # fmt: skip


def named(db: Database, identity: str) -> Iterator[Named]:
    """All faces of which it is known whom they show, with an embedding of this version, in their order."""
    yield from _named(db, "JOIN embeddings ON embeddings.face = faces.id AND embeddings.identity = ?", "", identity)


def strangers(db: Database, identity: str) -> Iterator[Named]:
    """Those without one."""
    joined = "LEFT JOIN embeddings ON embeddings.face = faces.id AND embeddings.identity = ?"
    yield from _named(db, joined, "AND embeddings.face IS NULL", identity)


def _named(db: Database, joined: str, which: str, identity: str) -> Iterator[Named]:
    sql = f"""SELECT faces.id, digest, number, faces.individual, {_TAKEN}, {_SAID}, age_years, sd_years
        FROM faces JOIN frames ON frames.id = faces.frame {joined} LEFT JOIN estimates ON {_AGE}
        WHERE faces.individual IS NOT NULL AND faces.unusable IS NULL {which} ORDER BY faces.id"""
    for face, digest, number, individual, taken, said, age, sd in db.execute(sql, [identity]):
        taken_s = seconds(taken)
        yield Named(face, individual, Exemplar(key(digest, number), taken_s, bool(said), birth(taken_s, age, sd)))


def seconds(taken: str | None) -> float | None:
    """Since 1970."""
    return datetime.fromisoformat(taken).timestamp() if taken else None


def vectors(db: Database, faces: Sequence[int]) -> Iterator[tuple[int, Floats]]:
    """The embeddings of these faces."""
    for begin in range(0, len(faces), _CHUNK):
        chosen = ", ".join(map(str, faces[begin : begin + _CHUNK]))
        for face, blob in db.execute(f"SELECT face, vector FROM embeddings WHERE face IN ({chosen})").fetchall():
            yield face, unpacked(blob)


def newest(db: Database, identity: str, count: int) -> list[Glimpse]:
    """The faces recorded last, the oldest first."""
    rows = db.execute(
        f"""SELECT digest, camera, {_TAKEN}, vector FROM embeddings JOIN faces ON faces.id = embeddings.face
        JOIN frames ON frames.id = faces.frame WHERE identity = ? ORDER BY faces.id DESC LIMIT ?""",
        [identity, count],
    ).fetchall()
    return [Glimpse(digest, camera, seconds(taken), unpacked(blob)) for digest, camera, taken, blob in reversed(rows)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face can be seen again."""

    face: int
    path: str
    digest: str
    box: Box


def places(db: Database, faces: Sequence[int]) -> list[Place]:
    """Of these faces."""
    found = []
    for begin in range(0, len(faces), _CHUNK):
        chosen = ", ".join(map(str, faces[begin : begin + _CHUNK]))
        rows = db.execute(f"""SELECT faces.id, path, digest, x, y, width, height FROM faces
            JOIN frames ON frames.id = faces.frame WHERE faces.id IN ({chosen}) ORDER BY faces.id""").fetchall()
        found += [Place(face, path, digest, Box(*box)) for face, path, digest, *box in rows]
    return found


def renew(db: Database, identity: str, embedded: Iterable[tuple[int, Floats]]) -> None:
    """Embeddings of this version instead of those of another."""
    rows = [(face, identity, packed(vector)) for face, vector in embedded]
    db.conn.executemany("INSERT OR REPLACE INTO embeddings (face, identity, vector) VALUES (?, ?, ?)", rows)


def names(db: Database) -> set[str]:
    """Of all individuals, also those that are no longer used."""
    return {name for (name,) in db.execute("SELECT id FROM individuals").fetchall()}
