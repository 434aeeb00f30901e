"""The ledger as columns: a million rows of frames, faces and estimates as a few arrays.

Rows become numbers a chunk at a time, so that a million of them cost some 60 MB and a few seconds.  Times are seconds
since 1970 (UTC); what is missing is `NONE`.  With a moment, only what was known by then is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlite_utils import Database

from station.times import iso

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

NONE = -(2**62)
_CHUNK = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Observed frames, by id."""

    id: Integers
    camera: Integers
    """Place in `cameras`."""
    at_s: Integers
    """Of a believable time, else `NONE`."""
    impossible: Integers
    done_s: Integers
    people: Integers
    topic: Integers
    """1: it came as a message."""
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces, by id."""

    id: Integers
    frame: Integers
    individual: Integers
    """Place in `individuals`, else `NONE`."""
    unusable: Integers
    """Place in `reasons`, else `NONE`."""
    individuals: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """One estimate a face: that of the model in service, else of the newest that looked at it; by face."""

    face: Integers
    model: Integers
    """Place in `models`."""
    age_years: Numbers
    models: tuple[str, ...]
    """The one in service last."""


def frames(db: Database, until: datetime | None = None) -> Frames:
    """Those that were observed."""
    cameras = tuple(row[0] for row in db.execute("SELECT id FROM cameras ORDER BY id"))
    believable = "captured_at IS NOT NULL AND NOT captured_impossible"
    sql = f"""SELECT id, camera, CASE WHEN {believable} THEN substr(captured_at, 1, 19) END,
        coalesce(captured_impossible, 0), CASE WHEN {believable} THEN NULL ELSE substr(done_at, 1, 19) END,
        coalesce(people, 0), topic IS NOT NULL FROM frames
        WHERE outcome = 'observed' AND (:until IS NULL OR done_at <= :until) ORDER BY id"""
    kinds = (_integers, _Places(cameras), _moments, _integers, _moments, _integers, _integers)
    id, camera, at_s, impossible, done_s, people, topic = _read(db, sql, until, kinds)
    return Frames(id, camera, at_s, impossible, done_s, people, topic, cameras)


def faces(db: Database, until: datetime | None = None) -> Faces:
    """All of the frames that were observed by then."""
    individuals = tuple(row[0] for row in db.execute("SELECT id FROM individuals ORDER BY id"))
    reasons = tuple(
        row[0] for row in db.execute("SELECT DISTINCT unusable FROM faces WHERE unusable IS NOT NULL ORDER BY 1")
    )
    known = "" if until is None else "WHERE frame IN (SELECT id FROM frames WHERE done_at <= :until)"
    sql = f"SELECT id, frame, individual, unusable FROM faces {known} ORDER BY id"
    kinds = (_integers, _integers, _Places(individuals), _Places(reasons))
    id, frame, individual, unusable = _read(db, sql, until, kinds)
    return Faces(id, frame, individual, unusable, individuals, reasons)


def estimates(db: Database, until: datetime | None = None) -> Estimates:
    """The one of each face that counts."""
    models = [row[0] for row in db.execute("SELECT version FROM models ORDER BY first_used_at, version")]
    serving = db.execute(
        "SELECT model FROM estimates WHERE :until IS NULL OR estimated_at <= :until ORDER BY id DESC LIMIT 1",
        _until(until),
    ).fetchone()
    if serving:
        models = [*(model for model in models if model != serving[0]), serving[0]]
    sql = "SELECT face, model, age_years FROM estimates WHERE :until IS NULL OR estimated_at <= :until ORDER BY id"
    face, model, age_years = _read(db, sql, until, (_integers, _Places(models), _numbers))
    order = np.lexsort((model, face))
    chosen = order[np.flatnonzero(np.diff(face[order], append=NONE))]
    return Estimates(face[chosen], model[chosen], age_years[chosen], tuple(models))


def named_by_people(db: Database, until: datetime | None = None) -> Integers:
    """The faces whose individual people said, or a path, rising."""
    sql = """SELECT faces.id FROM frames JOIN faces ON faces.frame = frames.id WHERE frames.individual IS NOT NULL
        UNION SELECT face FROM words WHERE face IS NOT NULL AND verb IN ('confirm', 'split') AND undone_at IS NULL
        AND (:until IS NULL OR said_at <= :until) ORDER BY 1"""
    return _read(db, sql, until, (_integers,))[0]


_Column = Sequence[Any]
_Kind = Callable[[_Column], npt.NDArray[Any]]


def _read(db: Database, sql: str, until: datetime | None, kinds: Sequence[_Kind]) -> list[npt.NDArray[Any]]:
    """The columns of a query, one array each; `kinds` turn what stands in them into numbers."""
    cursor = db.execute(sql, _until(until))
    parts: list[list[npt.NDArray[Any]]] = [[kind(())] for kind in kinds]
    while rows := cursor.fetchmany(_CHUNK):
        for part, kind, column in zip(parts, kinds, zip(*rows, strict=True), strict=True):
            part.append(kind(column))
    return [np.concatenate(part) for part in parts]


def _integers(column: _Column) -> Integers:
    return np.array(column, np.int64)


def _numbers(column: _Column) -> Numbers:
    return np.array(column, np.float64)


def _moments(column: _Column) -> Integers:
    """ISO 8601 in UTC to the second, without offset; empty: `NONE`."""
    if not any(column):
        return np.full(len(column), NONE)
    told = np.array([text or "NaT" for text in column], "datetime64[s]")
    return np.where(np.isnat(told), NONE, told.astype(np.int64))


class _Places:
    """Names as their places in a list; none: `NONE`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._place: dict[Any, int] = {name: place for place, name in enumerate(names)} | {None: NONE}

    def __call__(self, column: _Column) -> Integers:
        return np.fromiter(map(self._place.__getitem__, column), np.int64, len(column))


def _until(until: datetime | None) -> dict[str, str | None]:
    return {"until": iso(until) if until else None}
