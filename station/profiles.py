"""Who is known: each individual with its birth date, its age on a day, and when and where it was seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlite_utils import Database

from station.ageing import Ageing, ageing
from station.birth import BirthDate
from station.lifetime import Facts, FactsError, Season, birth_dates_if_any
from station.response import Response
from station.series import AgeReading, Series, series
from station.species import Species

Row = dict[str, Any]
BURST = timedelta(seconds=120)
"""Pictures of one animal at one camera less far apart are one reading of its age."""
_FACES = """
SELECT faces.individual, faces.id, frames.id, faces.number, frames.camera, frames.captured_at,
    frames.captured_impossible, estimates.age_years, frames.path
FROM faces JOIN frames ON frames.id = faces.frame
LEFT JOIN estimates ON estimates.id = (SELECT estimate FROM counting WHERE counting.face = faces.id)
WHERE faces.individual IS NOT NULL AND (:who IS NULL OR faces.individual = :who)
ORDER BY faces.individual, frames.camera, frames.captured_at, faces.id
"""


class Picture(NamedTuple):
    """One face of an individual; there may be a million."""

    face: int
    frame: int
    number: int
    camera: str
    captured_at: str | None
    impossible: int | None
    age_years: float | None
    """By the model in service, else by the one that was so last."""
    path: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One individual."""

    id: str
    row: Row
    """Of the table of individuals: what people said."""
    faces: tuple[Picture, ...]
    """By camera and time."""
    readings: Series
    birth: BirthDate | None
    """None: nothing is known that would tell its age."""
    ageing: Ageing | None

    @property
    def name(self) -> str:
        """What people call it, or its id."""
        return str(self.row["name"] or self.id)

    @property
    def images(self) -> int:
        """How many pictures show it."""
        return len({face.frame for face in self.faces})

    @property
    def cameras(self) -> list[str]:
        """Where it was seen."""
        return sorted({face.camera for face in self.faces})

    def seen(self) -> tuple[datetime, datetime] | None:
        """First and last, by believable clocks."""
        times = sorted(_believable(self.faces))
        return (datetime.fromisoformat(times[0]), datetime.fromisoformat(times[-1])) if times else None


def profiles(
    db: Database, response: Response, season: Season, zone: tzinfo, who: str | None = None, everybody: bool = False
) -> list[Profile]:
    """All individuals that pictures show, by id, or one; `everybody`: also those that none shows any more.

    The days on which they were seen are of the `zone`, the station's.
    """
    every = groupby(db.execute(_FACES, {"who": who}), itemgetter(0))
    faces = {
        id: tuple(Picture(row[1], row[2], row[3], sys.intern(row[4]), *row[5:]) for row in own) for id, own in every
    }
    found = db.query("SELECT * FROM individuals WHERE :who IS NULL OR id = :who ORDER BY id", {"who": who})
    rows = {row["id"]: row for row in found if row["id"] in faces or everybody or who}
    readings = {id: series(list(_readings(faces.get(id, ())))) for id in rows}
    facts = {id: _facts(row, faces.get(id, ()), zone) for id, row in rows.items()}
    births = _births(readings, facts, response, season)
    return [
        Profile(
            id, row, faces.get(id, ()), readings[id], birth, ageing(readings[id], response, birth) if birth else None
        )
        for (id, row), birth in zip(rows.items(), births, strict=True)
    ]


def _births(
    readings: dict[str, Series], facts: dict[str, Facts], response: Response, season: Season
) -> list[BirthDate | None]:
    found = birth_dates_if_any([(readings[id], facts[id]) for id in readings], response, season)
    return [None if isinstance(birth, FactsError) else birth for birth in found]


def _believable(faces: Sequence[Picture]) -> Iterator[str]:
    """The times of those whose clock can be believed."""
    return (face.captured_at for face in faces if face.captured_at and not face.impossible)


def _readings(faces: Sequence[Picture]) -> Iterator[AgeReading]:
    """A burst gets a number of its own."""
    burst, camera, before = 0, None, datetime.min.replace(tzinfo=UTC)
    for face in faces:
        if not face.captured_at or face.impossible or face.age_years is None:
            continue
        at = datetime.fromisoformat(face.captured_at)
        if face.camera != camera or at - before > BURST:
            burst += 1
        camera, before = face.camera, at
        yield AgeReading(at, face.age_years, burst)


def _facts(row: Row, faces: Sequence[Picture], zone: tzinfo) -> Facts:
    times = sorted(_believable(faces))
    known = [date.fromisoformat(row[key]) if row[key] else None for key in ("born_on", "born_after", "born_before")]
    ends = (times[0], times[-1]) if times else ()
    return Facts(*known, *(datetime.fromisoformat(at).astimezone(zone).date() for at in ends))


def listed(profile: Profile, species: Species | None, now: datetime) -> Row:
    """A profile as plain columns, for tables, CSV and JSON; days and times are of the zone of `now`."""
    row, birth, seen = profile.row, profile.birth, profile.seen()
    died = date.fromisoformat(row["died_on"]) if row["died_on"] else None
    on = min(now.date(), died) if died else now.date()
    low, high = birth.interval() if birth else (None, None)
    age, youngest, oldest = birth.age_years(on) if birth else (None, None, None)
    stages = birth.stages(species, on) if birth and species else {}
    stage = max(stages, key=lambda name: stages[name]) if stages else None
    return {
        "id": profile.id,
        "name": row["name"],
        "sex": row["sex"],
        "provisional": bool(row["provisional"]),
        "merged_into": row["merged_into"],
        "born": _day(birth.median() if birth else None),
        "born_low": _day(low),
        "born_high": _day(high),
        "born_is_known": bool(row["born_on"]),
        "died_on": row["died_on"],
        "age_years": _rounded(age),
        "age_low_years": _rounded(youngest),
        "age_high_years": _rounded(oldest),
        "life_stage": stage,
        "life_stage_probability": _rounded(stages[stage] if stage else None),
        "first_seen": seen[0].astimezone(now.tzinfo).isoformat() if seen else None,
        "last_seen": seen[1].astimezone(now.tzinfo).isoformat() if seen else None,
        "cameras": " ".join(profile.cameras),
        "images": profile.images,
        "faces": len(profile.faces),
        "ageing_suspect": bool(profile.ageing and profile.ageing.suspect),
    }


COLUMNS = (
    "id", "name", "sex", "provisional", "merged_into", "born", "born_low", "born_high", "born_is_known", "died_on",
    "age_years", "age_low_years", "age_high_years", "life_stage", "life_stage_probability", "first_seen", "last_seen",
    "cameras", "images", "faces", "ageing_suspect",
)  # fmt: skip


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)
