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
_CHUNK = 50_000


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
    seconds = "CAST(strftime('%s', {}) AS INTEGER)"
    sql = f"""SELECT id, camera, CASE WHEN captured_impossible THEN NULL ELSE {seconds.format("captured_at")} END,
        captured_impossible, {seconds.format("done_at")}, people, topic IS NOT NULL FROM frames
        WHERE outcome = 'observed' AND (:until IS NULL OR done_at <= :until) ORDER BY id"""
    id, camera, at_s, impossible, done_s, people, topic = _read(
        db, sql, until, (_integer, _places(cameras), *[_integer] * 5)
    )
    return Frames(id, camera, at_s, impossible, done_s, people, topic, cameras)


def faces(db: Database, until: datetime | None = None) -> Faces:
    """All of the frames that were observed by then."""
    individuals = tuple(row[0] for row in db.execute("SELECT id FROM individuals ORDER BY id"))
    reasons = tuple(
        row[0] for row in db.execute("SELECT DISTINCT unusable FROM faces WHERE unusable IS NOT NULL ORDER BY 1")
    )
    known = "" if until is None else "WHERE frame IN (SELECT id FROM frames WHERE done_at <= :until)"
    sql = f"SELECT id, frame, individual, unusable FROM faces {known} ORDER BY id"
    id, frame, individual, unusable = _read(db, sql, until, (_integer, _integer, _places(individuals), _places(reasons)))
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
    face, model, age_years = _read(db, sql, until, (_integer, _places(models), float))
    order = np.lexsort((model, face))
    chosen = order[np.flatnonzero(np.diff(face[order], append=NONE))]
    return Estimates(face[chosen], model[chosen], age_years[chosen], tuple(models))


_Kind = Callable[[Any], Any]


def _read(db: Database, sql: str, until: datetime | None, kinds: Sequence[_Kind]) -> list[npt.NDArray[Any]]:
    """The columns of a query, one array each; `kinds` turn what stands in them into numbers."""
    cursor = db.execute(sql, _until(until))
    parts: list[list[npt.NDArray[Any]]] = [[np.empty(0, _type(kind))] for kind in kinds]
    while rows := cursor.fetchmany(_CHUNK):
        for part, kind, column in zip(parts, kinds, zip(*rows, strict=True), strict=True):
            numbers = column if kind is float else map(kind, column)
            part.append(np.fromiter(numbers, _type(kind), len(column)))
    return [np.concatenate(part) for part in parts]


def _type(kind: _Kind) -> type[np.generic]:
    return np.float64 if kind is float else np.int64


def _integer(value: int | None) -> int:
    return NONE if value is None else value


def _places(names: Sequence[str]) -> _Kind:
    return ({name: place for place, name in enumerate(names)} | {None: NONE}).__getitem__


def _until(until: datetime | None) -> dict[str, str | None]:
    return {"until": iso(until) if until else None}
