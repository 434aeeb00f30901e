"""What the ledger holds that a package can tell of: pictures with a believable time, and the faces in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

from sqlite_utils import Database

from station import people
from station.domain import Flaw
from station.words import Verb, standing

APART = timedelta(minutes=30)
"""Pictures of one camera further apart than this are independent."""
LONGEST = timedelta(days=1)
"""A camera that takes a picture every few minutes has an event a day."""
_SHOTS = """
SELECT frames.id AS frame, camera, path, file_name, digest, captured_at, coalesce(people, 0) AS people,
    frames.individual AS path_says, make, frames.model AS camera_model, done_at,
    faces.id AS face, number, x, y, width, height, confidence, faces.individual, faces.unusable,
    estimates.id AS estimate, estimates.model, age_years, sd_years, low_years, high_years, life_stage, estimated_at
FROM frames LEFT JOIN faces ON faces.frame = frames.id LEFT JOIN estimates ON estimates.face = faces.id
WHERE outcome = 'observed' AND captured_at IS NOT NULL AND captured_impossible = 0 AND camera = ?
ORDER BY captured_at, frames.id, number, estimates.id
"""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who said last whom a face shows, where it was a person."""

    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Sight:
    """One face; `estimates` are rows of the ledger, oldest first."""

    number: int
    box: tuple[float, float, float, float]
    confidence: float | None
    individual: str | None
    judge: Judge | None
    estimates: tuple[dict[str, Any], ...]
    flaw: str | None = None
    """Why it got no age, where it cannot be used."""

    @property
    def foreign(self) -> bool:
        """Of another species than the station's, and no person says otherwise."""
        return self.flaw == Flaw.OTHER_SPECIES and not self.individual


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    camera: str
    path: str
    file_name: str
    digest: str
    at: datetime
    people: int
    device: str
    sights: tuple[Sight, ...]

    @property
    def id(self) -> str:
        """The same in every package: it is the content's."""
        return self.digest[:16]


@dataclass(frozen=True, slots=True)
class Event:
    """Pictures of one camera, each less than half an hour after the last."""

    camera: str
    shots: tuple[Shot, ...]

    @property
    def id(self) -> str:
        """By its camera and beginning."""
        return f"{self.camera}-{self.shots[0].at:%Y%m%dT%H%M%SZ}"


def cameras(db: Database) -> list[str]:
    """Those that have pictures to tell of."""
    sql = "SELECT DISTINCT camera FROM frames WHERE outcome = 'observed' AND captured_impossible = 0 ORDER BY camera"
    return [name for (name,) in db.execute(sql).fetchall()]


def events(
    db: Database, camera: str, judges: Mapping[int, Judge], begin: datetime | None, end: datetime | None
) -> Iterator[Event]:
    """What a camera saw within its deployment, in order of time."""
    current: list[Shot] = []
    for shot in _shots(db, camera, judges):
        if (begin and shot.at < begin) or (end and shot.at > end):
            continue
        if current and (shot.at - current[-1].at > APART or shot.at - current[0].at > LONGEST):
            yield Event(camera, tuple(current))
            current = []
        current.append(shot)
    if current:
        yield Event(camera, tuple(current))


def _shots(db: Database, camera: str, judges: Mapping[int, Judge]) -> Iterator[Shot]:
    for _, rows in groupby(db.query(_SHOTS, [camera]), itemgetter("frame")):
        yield _shot(list(rows), judges)


def judges(db: Database) -> dict[int, Judge]:
    """By face, where a person named it last."""
    return {
        word.face: Judge(word.who, word.said_at)
        for word in standing(people.words(db))
        if word.face is not None and word.verb in (Verb.CONFIRM, Verb.SPLIT)
    }


def _shot(rows: Sequence[dict[str, Any]], judges: Mapping[int, Judge]) -> Shot:
    first = rows[0]
    faces = [list(own) for face, own in groupby(rows, itemgetter("face")) if face is not None]
    alone = len(faces) == 1 and first["path_says"]
    by_path = Judge(people.PATH, datetime.fromisoformat(first["done_at"])) if alone else None
    return Shot(
        camera=first["camera"],
        path=first["path"],
        file_name=first["file_name"] or first["path"].rpartition("/")[2],
        digest=first["digest"],
        at=datetime.fromisoformat(first["captured_at"]),
        people=first["people"],
        device="-".join(part for part in (first["make"], first["camera_model"]) if part),
        sights=() if first["people"] else tuple(_sight(face, judges, by_path) for face in faces),
    )


def _sight(rows: Sequence[dict[str, Any]], judges: Mapping[int, Judge], by_path: Judge | None) -> Sight:
    face = rows[0]
    return Sight(
        face["number"],
        (face["x"], face["y"], face["width"], face["height"]),
        face["confidence"],
        face["individual"],
        judges.get(face["face"], by_path) if face["individual"] else None,
        tuple(row for row in rows if row["estimate"] is not None),
        face["unusable"],
    )


def together(sights: Iterable[Sequence[Sight]]) -> Iterator[tuple[str | None, list[Sight], int]]:
    """The animals of an event's pictures: who (None: nobody knows), its faces, and how many they are at least."""
    every = [list(own) for own in sights]
    known = sorted((sight for own in every for sight in own if sight.individual), key=attrgetter("individual"))
    for individual, own in groupby(known, attrgetter("individual")):
        yield individual, list(own), 1
    unknown = [[sight for sight in own if not sight.individual] for own in every]
    if most := max(map(len, unknown), default=0):
        yield None, [sight for own in unknown for sight in own], most
