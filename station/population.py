"""What the ledger knows of the animals up to a day, as the census takes it: all that is read, and nothing decided.

"As known now" takes what the ledger says today, "as known then" what it said at a moment: the words said, the faces
recognised and the ages estimated by then (`station.words` says who a face shows; the birth dates follow).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

import numpy as np
from sqlite_utils import Database

from station import columns, effort, people
from station.census import SHOWN, Animal, Known, Ledger, Sightings
from station.columns import NONE, Estimates, Faces, Frames, Integers
from station.effort import Effort
from station.headcount import Doubt
from station.lifetime import BirthDate, Facts, Season, Series, birth_dates
from station.response import Response
from station.schema import StoreError
from station.series import bursts_averaged
from station.silence import Span
from station.species import Species
from station.times import iso
from station.words import Names, Word, facts, resolve, standing, vouched

BURST_S = 120
"""Pictures of one animal at one camera less far apart are one reading of its age."""
APART_S = 1800
"""Pictures of one animal at one camera further apart are independent sightings."""
STEPS = 8
"""In so many steps the course of a birth date is told."""
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Reading:
    """How the ledger is to be read."""

    on: date
    zone: tzinfo
    species: Species
    response: Response
    window_days: int
    as_known: datetime | None = None
    """None: as known now."""
    known_right: float = 0.9
    """How often the machine names a known animal rightly; what the calibration of the identity says."""
    new_right: float = 0.8
    """How often what it takes for a new animal is one."""
    station: str = "station"
    names: Mapping[str, str] | None = None
    """What people call the cameras."""
    ages_by: str = "how it errs is taken from its card"
    """Where the model's errors are known from."""

    @property
    def first(self) -> int:
        """The first day of the window, an ordinal."""
        return self.on.toordinal() - self.window_days + 1


@dataclass(frozen=True, slots=True)
class Population:
    """What the census is made of."""

    animals: tuple[Animal, ...]
    """Seen in the window."""
    absent: Mapping[str, str]
    """Why others are not among them."""
    efforts: tuple[Effort, ...]
    ledger: Ledger
    doubt: Doubt


def read(db: Database, asked: Reading) -> Population:
    """Reads it all.  Raises `StoreError` where the database is of an older program."""
    if "words" not in db.table_names():
        raise StoreError("the database is of an older station: `station migrate` brings it up to date")
    frames = columns.frames(db, asked.as_known)
    faces = columns.faces(db, asked.as_known)
    said = people.words(db)
    known = _individuals(db, asked, said)
    if asked.as_known:
        faces = _as_known(db, faces, said, asked.as_known)
    estimates = columns.estimates(db, asked.as_known)
    seen = _seen(frames, faces, estimates, asked)
    doubt, new_right = _doubt(known, said, asked)
    animals, absent = _animals(db, seen, faces.individuals, known, replace(asked, new_right=new_right))
    ledger = _ledger(db, frames, faces, estimates, seen, asked)
    return Population(tuple(animals), absent, tuple(_efforts(db, frames, faces, asked)), ledger, doubt)


# Who is who


@dataclass(frozen=True, slots=True)
class _Individual:
    """What is said of one individual."""

    facts: Mapping[str, Any]
    provisional: bool
    merged_into: str | None

    def day(self, fact: str) -> date | None:
        """A date among the facts."""
        told = self.facts.get(fact)
        return date.fromisoformat(str(told)[:10]) if told else None


def _individuals(db: Database, asked: Reading, said: Sequence[Word]) -> dict[str, _Individual]:
    if asked.as_known is None:
        rows = db.query("SELECT * FROM individuals")
        return {row["id"]: _Individual(row, bool(row["provisional"]), row["merged_into"]) for row in rows}
    told, good = facts(said, asked.as_known), vouched(said, asked.as_known)
    into = Names(standing(said, asked.as_known)).merged()
    by_machine = "SELECT DISTINCT individual FROM recognitions WHERE verdict = 'new' AND recognised_at <= ?"
    made = {row[0] for row in db.execute(by_machine, [iso(asked.as_known)]).fetchall()}
    made -= {row[0] for row in db.execute("SELECT DISTINCT individual FROM frames WHERE individual IS NOT NULL")}
    every = [row[0] for row in db.execute("SELECT id FROM individuals").fetchall()]
    return {id: _Individual(told.get(id, {}), id in made and id not in good, into.get(id)) for id in every}


def _as_known(db: Database, faces: Faces, said: Sequence[Word], until: datetime) -> Faces:
    """With the individuals that the faces had at a moment."""
    ids = faces.id.tolist()
    shown = resolve(people.recognitions(db, ids), people.paths(db, ids), said, until)
    place = {name: number for number, name in enumerate(faces.individuals)}
    return replace(faces, individual=np.array([place.get(shown.get(id, ""), NONE) for id in ids], np.int64))


def _doubt(known: Mapping[str, _Individual], said: Sequence[Word], asked: Reading) -> tuple[Doubt, float]:
    """What people found of the machine's new animals so far, added to what its calibration says as 20 cases."""
    stand = standing(said, asked.as_known)
    merged = sum(one.merged_into is not None for one in known.values())
    split = len({word.value.get("with", word.id) for word in stand if word.verb == "split"})
    stood = len({word.individual for word in stand if word.verb in ("name", "confirm") and word.who != people.PATH})
    cases = 20.0 + merged + split + stood
    return Doubt(cases, 1.0 + merged, 1.0 + split), (20.0 * asked.new_right + stood) / cases


# Who was seen


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The usable, named faces of a believable time, by individual and time; columns of one length."""

    individual: Integers
    at_s: Integers
    camera: Integers
    face: Integers
    age_years: columns.Numbers
    """NaN: no estimate."""
    day: Integers
    cameras: tuple[str, ...]
    model: Integers
    models: tuple[str, ...]


def _seen(frames: Frames, faces: Faces, estimates: Estimates, asked: Reading) -> _Seen:
    place = np.searchsorted(frames.id, faces.frame)
    there = place < len(frames.id)
    there[there] = frames.id[place[there]] == faces.frame[there]
    place = np.where(there, place, 0)
    usable = there & (faces.individual != NONE) & (faces.unusable == NONE)
    if len(frames.id):
        usable &= (frames.at_s[place] != NONE) & (frames.people[place] <= 0)
    rows, frame = np.flatnonzero(usable), place[usable]
    order = np.lexsort((faces.id[rows], frames.at_s[frame], faces.individual[rows]))
    rows, frame = rows[order], frame[order]
    at_s, face = frames.at_s[frame], faces.id[rows]
    at = np.minimum(np.searchsorted(estimates.face, face), max(0, len(estimates.face) - 1))
    found = estimates.face[at] == face if len(estimates.face) else np.zeros(len(face), np.bool_)
    return _Seen(
        faces.individual[rows],
        at_s,
        frames.camera[frame],
        face,
        np.where(found, estimates.age_years[at], np.nan) if len(estimates.face) else np.full(len(face), np.nan),
        local_days(at_s, asked.zone),
        frames.cameras,
        np.where(found, estimates.model[at], NONE) if len(estimates.face) else np.full(len(face), NONE),
        estimates.models,
    )


def local_days(at_s: Integers, zone: tzinfo) -> Integers:
    """The days (ordinals) on which moments lie in a zone."""
    if not len(at_s):
        return np.empty(0, np.int64)
    first, last = (int(end) // _DAY_S + _EPOCH for end in (at_s.min(), at_s.max()))
    days = range(first - 1, last + 3)
    midnights = [datetime.combine(date.fromordinal(day), time(), zone).timestamp() for day in days]
    return np.asarray(np.searchsorted(np.array(midnights), at_s, side="right") - 1 + days[0], np.int64)


def _animals(
    db: Database, seen: _Seen, names: Sequence[str], known: Mapping[str, _Individual], asked: Reading
) -> tuple[list[Animal], dict[str, str]]:
    sightings = _sightings(seen)
    series = _series(seen)
    on = asked.on.toordinal()
    inside, absent = [], {}
    for place, own in sightings.items():
        upto = own.between(0, on)
        if len(upto) and upto.day[-1] >= asked.first:
            inside.append(place)
        elif len(upto):
            absent[names[place]] = f"last seen on {date.fromordinal(int(upto.day[-1]))}, before the window"
    absent |= {id: f"is the same animal as {one.merged_into}" for id, one in known.items() if one.merged_into}
    season = Season.of(asked.species)
    births = birth_dates(
        [(series[place], _facts(known[names[place]], sightings[place])) for place in inside], asked.response, season
    )
    last = sorted(inside, key=lambda place: (-int(sightings[place].between(0, on).at_s[-1]), names[place]))[:SHOWN]
    histories = _histories({place: series[place] for place in last}, sightings, known, names, asked)
    certain = columns.named_by_people(db, asked.as_known)
    animals = [
        _animal(names[place], known[names[place]], sightings[place].between(0, on), birth, asked, certain,
                series[place], histories.get(place, ()))
        for place, birth in zip(inside, births, strict=True)
    ]  # fmt: skip
    return animals, absent


def _animal(
    id: str,
    known: _Individual,
    sightings: Sightings,
    birth: BirthDate,
    asked: Reading,
    certain: Integers,
    series: Series,
    history: Sequence[Known],
) -> Animal:
    return Animal(
        id=id,
        sightings=sightings,
        birth=birth,
        name=str(known.facts.get("name") or ""),
        sex=str(known.facts.get("sex") or ""),
        provisional=known.provisional,
        confidence=_confidence(known, sightings.between(asked.first, asked.on.toordinal()), asked, certain),
        died_on=known.day("died_on"),
        told_stage=_told_stage(series, asked),
        word="|".join(str(known.facts.get(fact) or "") for fact in ("born_on", "born_after", "born_before")),
        history=history,
    )


def _told_stage(series: Series, asked: Reading) -> str | None:
    """By the mean of what the model said, each reading carried to the day of the census."""
    if not len(series):
        return None
    now = series.ages_years + (asked.on.toordinal() - series.days) / 365.25
    return asked.species.stage(float(np.average(now, weights=series.counts)))


def _confidence(known: _Individual, inside: Sightings, asked: Reading, certain: Integers) -> float:
    """That it is one animal and no other one of the list, and was seen in the window."""
    if known.provisional:
        return asked.new_right
    place = np.searchsorted(certain, inside.face)
    if len(certain) and (certain[np.minimum(place, len(certain) - 1)] == inside.face).any():
        return 1.0
    events = min(2, len(np.unique(inside.event)))  # its sightings may err alike
    return float(1 - (1 - asked.known_right) ** events)


def _facts(known: _Individual, sightings: Sightings) -> Facts:
    return Facts(
        known.day("born_on"),
        known.day("born_after"),
        known.day("born_before"),
        date.fromordinal(int(sightings.day[0])),
        date.fromordinal(int(sightings.day[-1])),
    )


def _sightings(seen: _Seen) -> dict[int, Sightings]:
    event = _runs(seen, APART_S)
    day, camera = seen.day.astype(np.int32), seen.camera.astype(np.int32)
    return {
        int(seen.individual[rows.start]): Sightings(
            seen.at_s[rows], day[rows], camera[rows], event[rows], seen.face[rows], seen.cameras
        )
        for rows in _blocks(seen.individual)
    }


def _series(seen: _Seen) -> dict[int, Series]:
    """What the model said of each animal, a reading a burst."""
    burst = _runs(seen, BURST_S)
    days = seen.at_s / _DAY_S + _EPOCH
    told = np.isfinite(seen.age_years)
    found = {}
    for rows in _blocks(seen.individual):
        own = told[rows]
        number = np.unique(burst[rows][own], return_inverse=True)[1]
        found[int(seen.individual[rows.start])] = bursts_averaged(days[rows][own], seen.age_years[rows][own], number)
    return found


def _runs(seen: _Seen, apart_s: int) -> Integers:
    """A number for each stretch of pictures of one animal at one camera, each less than `apart_s` after the last."""
    order = np.lexsort((seen.at_s, seen.camera, seen.individual))
    parts = (seen.individual, seen.camera)
    new = np.diff(seen.at_s[order], prepend=NONE) > apart_s
    for part in parts:
        new |= np.diff(part[order], prepend=-1) != 0
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new)
    return number


def _blocks(rising: Integers) -> list[slice]:
    starts = np.flatnonzero(np.diff(rising, prepend=NONE))
    return [slice(int(a), int(b)) for a, b in zip(starts, np.append(starts[1:], len(rising)), strict=True)]


def _histories(
    shown: Mapping[int, Series],
    sightings: Mapping[int, Sightings],
    known: Mapping[str, _Individual],
    names: Sequence[str],
    asked: Reading,
) -> dict[int, list[Known]]:
    """What the readings so far said of the birth date, at steps from the first to the last."""
    steps = [
        (place, day, series)
        for place, full in shown.items()
        for day, series in _steps(full, asked.on.toordinal())
    ]
    births = birth_dates(
        [
            (series, replace(_facts(known[names[place]], sightings[place]), seen_last=date.fromordinal(day)))
            for place, day, series in steps
        ],
        asked.response,
        Season.of(asked.species),
    )
    found: dict[int, list[Known]] = {}
    for (place, day, _), birth in zip(steps, births, strict=True):
        low, high = birth.interval(0.9)
        found.setdefault(place, []).append(Known(date.fromordinal(day), low, birth.median(), high))
    return found


def _steps(full: Series, on: int) -> list[tuple[int, Series]]:
    """The first readings, ever more of them, with the day of the last."""
    until = int(np.searchsorted(full.days, on + 1))
    ends = sorted({round(end) for end in np.geomspace(1, until, STEPS)}) if until else []
    return [
        (int(full.days[end - 1]), Series(full.days[:end], full.ages_years[:end], full.counts[:end])) for end in ends
    ]


# How long cameras looked


def _efforts(db: Database, frames: Frames, faces: Faces, asked: Reading) -> list[Effort]:
    first, last = asked.first, asked.on.toordinal()
    told = frames.at_s != NONE
    days = np.full(len(told), NONE)
    days[told] = local_days(frames.at_s[told], asked.zone)
    inside = (days >= first) & (days <= last)
    shown = np.bincount(np.searchsorted(frames.id, faces.frame), minlength=len(told))[: len(told)]
    down = effort.days_down(_runs_of(db), first, last)
    made = []
    for place, camera in enumerate(frames.cameras):
        its = (frames.camera == place) & told & (days <= last)
        here = its & inside
        by_air = len(here) > 0 and bool(frames.topic[its].all())
        worked, silent = effort.worked(np.unique(days[its]).astype(np.int32), first, last, down if by_air else ())
        if len(worked):
            name = (asked.names or {}).get(camera, "")
            made.append(Effort(camera, worked, int(here.sum()), int(shown[here].sum()), silent, name))
    return made


def _runs_of(db: Database) -> list[Span]:
    rows = db.execute("SELECT started_at, coalesce(ended_at, alive_at, started_at) FROM runs WHERE alive_at IS NOT NULL")
    return [Span(datetime.fromisoformat(began), datetime.fromisoformat(ended)) for began, ended in rows.fetchall()]


# What could not be used, and by whom ages were told


def _ledger(
    db: Database, frames: Frames, faces: Faces, estimates: Estimates, seen: _Seen, asked: Reading
) -> Ledger:
    used = seen.model[(seen.day <= asked.on.toordinal()) & (seen.model != NONE)]
    counts = np.bincount(used, minlength=len(estimates.models)).tolist() if len(used) else []
    newest = int(frames.at_s.max()) if len(frames.at_s) else NONE
    return Ledger(
        station=asked.station,
        zone=str(asked.zone),
        models={model: n for model, n in zip(estimates.models, counts, strict=False) if n},
        model=estimates.models[-1] if len(estimates.face) else None,
        ages_by=asked.ages_by,
        known_until=_known_until(db, asked),
        as_known_then=asked.as_known is not None,
        unusable=_unusable(db, frames, faces, estimates, asked),
        newest=None
        if newest == NONE
        else date.fromordinal(int(local_days(np.array([newest]), asked.zone)[0])).isoformat(),
    )


def _known_until(db: Database, asked: Reading) -> str | None:
    """The newest thing that was said or estimated."""
    if asked.as_known:
        return iso(asked.as_known)
    row = db.execute("""SELECT max(at) FROM (SELECT max(done_at) AS at FROM frames UNION ALL
        SELECT max(said_at) FROM words WHERE who <> 'path' UNION ALL SELECT max(recognised_at) FROM recognitions)""")
    return row.fetchone()[0]  # type: ignore[no-any-return]


def _unusable(
    db: Database, frames: Frames, faces: Faces, estimates: Estimates, asked: Reading
) -> dict[str, int]:
    """Of the window; what has no time counts to the day it was looked at."""
    place = np.minimum(np.searchsorted(frames.id, faces.frame), max(0, len(frames.id) - 1))
    if not len(frames.id):
        return _rejected(db, asked)
    day = np.where(frames.at_s != NONE, frames.at_s, frames.done_s)
    days = local_days(day, asked.zone)
    window = (days >= asked.first) & (days <= asked.on.toordinal())
    here = window[place] & (frames.id[place] == faces.frame)
    timed, unusable = frames.at_s[place] != NONE, faces.unusable != NONE
    aged = np.isin(faces.id, estimates.face)
    found = {
        reason: int((here & (faces.unusable == number)).sum()) for number, reason in enumerate(faces.reasons)
    }
    good = here & ~unusable
    found |= {
        "the picture's time is impossible": int((good & ~timed & (frames.impossible[place] > 0)).sum()),
        "the picture has no time": int((good & ~timed & (frames.impossible[place] <= 0)).sum()),
        "nobody knows who it is": int((good & timed & (faces.individual == NONE)).sum()),
        "no age was estimated": int((good & timed & (faces.individual != NONE) & ~aged).sum()),
    }
    people_in = int((window & (frames.people > 0)).sum())
    found["pictures with people in them, not looked at"] = people_in
    return {reason: n for reason, n in (found | _rejected(db, asked)).items() if n}


def _rejected(db: Database, asked: Reading) -> dict[str, int]:
    """Pictures that could not be read, by reason, to the day they were looked at."""
    begin = datetime.combine(date.fromordinal(asked.first), time(), asked.zone)
    end = datetime.combine(asked.on + timedelta(days=1), time(), asked.zone)
    rows = db.execute(
        """SELECT reason, count(*) FROM frames WHERE outcome = 'rejected' AND done_at >= ? AND done_at < ?
        GROUP BY reason ORDER BY reason""",
        [iso(begin), iso(min(end, asked.as_known) if asked.as_known else end)],
    ).fetchall()
    return {f"pictures rejected: {reason}": n for reason, n in rows}
