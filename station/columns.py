"""The ledger as columns: a million rows of frames, faces and estimates as a few arrays.

Rows become numbers a chunk at a time, so that a million of them cost some 60 MB and a few seconds.  Times are seconds
since 1970 (UTC); what is missing is `NONE`.  With a moment, only what was known by then is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


IMPOSSIBLE, TIMELESS, PEOPLE, BY_AIR = 1, 2, 4, 8
"""Flags of a frame: its clock was wrong, its time is not to be believed or not known, it shows people, it was sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Observed frames, by id."""

    id: Integers
    camera: Integers
    """Place in `cameras`."""
    at_s: Integers
    """When it was taken; of a `TIMELESS` one, when it was looked at."""
    flags: Integers
    cameras: tuple[str, ...]

    def having(self, flags: int) -> npt.NDArray[np.bool_]:
        """Which have any of these."""
        return np.asarray((self.flags & flags) != 0, np.bool_)


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
    """One estimate a face: that of the model in service, else of the one that was so last; by face."""

    face: Integers
    model: Integers
    """Place in `models`."""
    age_years: Numbers
    models: tuple[str, ...]
    """The one in service last."""


_IN_THEIR_ORDER = """SELECT version FROM models ORDER BY (
    SELECT max(id) FROM services WHERE services.model = version AND (:until IS NULL OR since <= :until)
) NULLS FIRST, first_used_at, version"""


def frames(db: Database, until: datetime | None = None) -> Frames:
    """Those that were observed."""
    cameras = _names(db, "SELECT id FROM cameras ORDER BY id")
    believable = "captured_at IS NOT NULL AND NOT coalesce(captured_impossible, 0)"
    sql = f"""SELECT id, camera, substr(CASE WHEN {believable} THEN captured_at ELSE done_at END, 1, 19),
        coalesce(captured_impossible, 0) * {IMPOSSIBLE} + (NOT ({believable})) * {TIMELESS}
        + (coalesce(people, 0) > 0) * {PEOPLE} + (topic IS NOT NULL) * {BY_AIR} FROM frames
        WHERE outcome = 'observed' AND (:until IS NULL OR done_at <= :until) ORDER BY id"""
    id, camera, at_s, flags = _read(db, sql, _until(until), (_integers, _Places(cameras), _moments, _integers))
    return Frames(id, camera, at_s, flags, cameras)


def faces(db: Database, until: datetime | None = None) -> Faces:
    """All of the frames that were observed by then."""
    individuals = _names(db, "SELECT id FROM individuals ORDER BY id")
    known = "" if until is None else "WHERE frame IN (SELECT id FROM frames WHERE done_at <= :until)"
    sql = f"SELECT id, frame, individual FROM faces {known} ORDER BY id"
    id, frame, individual = _read(db, sql, _until(until), (_integers, _integers, _Places(individuals)))
    reasons = _names(db, "SELECT DISTINCT unusable FROM faces WHERE unusable IS NOT NULL ORDER BY 1")
    of_some = "SELECT id, unusable FROM faces WHERE unusable IS NOT NULL ORDER BY id"  # the others would only cost time
    which, reason = _read(db, of_some, {}, (_integers, _Places(reasons)))
    unusable = np.full(len(id), NONE)
    place = np.searchsorted(which, id)
    there = np.flatnonzero(place < len(which))
    there = there[which[place[there]] == id[there]]
    unusable[there] = reason[place[there]]
    return Faces(id, frame, individual, unusable, individuals, reasons)


def estimates(db: Database, until: datetime | None = None) -> Estimates:
    """The one of each face that counts."""
    models = [version for (version,) in db.execute(_IN_THEIR_ORDER, _until(until)).fetchall()]
    sql = """SELECT face, age_years FROM estimates
        WHERE model = :model AND (:until IS NULL OR estimated_at <= :until) ORDER BY id"""
    parts = [_read(db, sql, _until(until) | {"model": model}, (_integers, _numbers)) for model in models]
    face = np.concatenate([part[0] for part in parts] or [np.empty(0, np.int64)])
    age_years = np.concatenate([part[1] for part in parts] or [np.empty(0)])
    model = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    order = np.argsort(face, kind="stable")  # the newest model's last
    chosen = order[np.flatnonzero(np.diff(face[order], append=NONE))]
    return Estimates(face[chosen], model[chosen], age_years[chosen], tuple(models))


def _names(db: Database, sql: str) -> tuple[str, ...]:
    return tuple(row[0] for row in db.execute(sql).fetchall())


def named_by_people(db: Database, until: datetime | None = None) -> Integers:
    """The faces whose individual people said, or a path, rising."""
    sql = """SELECT faces.id FROM frames JOIN faces ON faces.frame = frames.id WHERE frames.individual IS NOT NULL
        UNION SELECT face FROM words WHERE face IS NOT NULL AND verb IN ('confirm', 'split') AND undone_at IS NULL
        AND (:until IS NULL OR said_at <= :until) ORDER BY 1"""
    return _read(db, sql, _until(until), (_integers,))[0]


_Column = Sequence[Any]
_Kind = Callable[[_Column], npt.NDArray[Any]]


def _read(db: Database, sql: str, asked: Mapping[str, Any], kinds: Sequence[_Kind]) -> list[npt.NDArray[Any]]:
    """The columns of a query, one array each; `kinds` turn what stands in them into numbers."""
    cursor = db.execute(sql, dict(asked))
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
    """ISO 8601 in UTC to the second, without offset."""
    return np.array(column, "datetime64[s]").astype(np.int64)


class _Places:
    """Names as their places in a list; none: `NONE`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._place: dict[Any, int] = {name: place for place, name in enumerate(names)} | {None: NONE}

    def __call__(self, column: _Column) -> Integers:
        return np.fromiter(map(self._place.__getitem__, column), np.int64, len(column))


def _until(until: datetime | None) -> dict[str, str | None]:
    return {"until": iso(until) if until else None}
