"""What the ledger knows of the animals up to a day, as the census takes it: all that is read, and nothing decided.

"As known now" takes what the ledger says today, "as known then" what it said at a moment: the words said, the faces
recognised and the ages estimated by then (`station.words` says who a face shows; the birth dates follow).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo

import numpy as np
from sqlite_utils import Database

from station import columns, people
from station.animals import Animal, Known, Sightings
from station.birth import DAYS_PER_YEAR, BirthDate
from station.census import SHOWN, Ledger
from station.columns import NONE, TIMELESS, Estimates, Frames, Integers
from station.effort import Effort
from station.headcount import Doubt
from station.identities import Identity, Trust, doubt, identities, shown_then
from station.lifetime import Facts, FactsError, Season, Series, birth_dates_if_any
from station.response import Response
from station.schema import StoreError
from station.seen import Seen, Window, local_days, readings, seen, sightings, told_by
from station.species import Species
from station.times import iso
from station.unused import unused
from station.watch import efforts

STEPS = 8
"""In so many steps the course of a birth date is told."""


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
    trust: Trust = field(default_factory=Trust)
    station: str = "station"
    cameras: Mapping[str, str] = field(default_factory=dict)
    """What people call them."""
    ages_by: str = "how it errs is taken from its card alone"
    """Where the model's errors are known from."""

    @property
    def window(self) -> Window:
        """The days looked at."""
        last = self.on.toordinal()
        return Window(last - self.window_days + 1, last, self.zone)


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
    until, window = asked.as_known, asked.window
    frames, faces, estimates = columns.frames(db, until), columns.faces(db, until), columns.estimates(db, until)
    said = people.words(db)
    known = identities(db, said, until)
    if until:
        faces = shown_then(db, faces, said, until)
    doubtful, trust = doubt(known, said, asked.trust, until)
    rows = seen(frames, faces, estimates, asked.zone)
    every = sightings(rows)
    upto = {who: own for who, all_ in every.items() if len(own := all_.between(0, window.last))}
    cast = _Cast(
        tuple(known[name] for name in faces.individuals), faces.individuals, every, upto, readings(rows),
        told_by(rows, estimates.models, window.last), columns.named_by_people(db, until), replace(asked, trust=trust),
    )  # fmt: skip
    births, unborn = _births(cast)
    passed_over = unused(db, frames, faces, estimates, window, until) | _of_unborn(cast, unborn)
    ledger = replace(_ledger(db, frames, estimates, rows, asked), unusable=passed_over)
    watched = efforts(db, frames, faces, window, asked.cameras)
    absent = _absent(cast) | {cast.names[who]: why for who, why in unborn.items()}
    return Population(tuple(_animals(cast, births)), absent, tuple(watched), ledger, doubtful)


@dataclass(frozen=True, slots=True, eq=False)
class _Cast:
    """Everybody, by place in `names`."""

    identities: tuple[Identity, ...]
    names: tuple[str, ...]
    sightings: Mapping[int, Sightings]
    """All, of any day."""
    upto: Mapping[int, Sightings]
    """Those up to the day of the census, at least one."""
    readings: Mapping[int, Series]
    told_by: Mapping[int, Mapping[str, int]]
    """How many of its ages each model told."""
    said_by_people: Integers
    """The faces whose individual is a person's word, rising."""
    asked: Reading

    def facts(self, who: int) -> Facts:
        """What is certain of its birth."""
        its, every = self.identities[who], self.sightings[who].day
        alive = (date.fromordinal(int(every[end])) for end in (0, -1))
        return Facts(its.day("born_on"), its.day("born_after"), its.day("born_before"), *alive)


def _inside(cast: _Cast) -> list[int]:
    """Who was seen in the window, the one seen last first."""
    window = cast.asked.window
    last = {who: own.at_s[-1] for who, own in cast.upto.items() if own.day[-1] >= window.first}
    return sorted(last, key=lambda who: (-int(last[who]), cast.names[who]))


def _absent(cast: _Cast) -> dict[str, str]:
    found = {
        cast.names[who]: f"last seen on {date.fromordinal(int(own.day[-1]))}, before the window"
        for who, own in cast.upto.items()
        if own.day[-1] < cast.asked.window.first
    }
    merged = zip(cast.names, cast.identities, strict=True)
    return found | {id: f"is the same animal as {its.merged_into}" for id, its in merged if its.merged_into}


def _births(cast: _Cast) -> tuple[dict[int, BirthDate], dict[int, str]]:
    """Of those in the window, the one seen last first; and why others have none, which costs only them."""
    inside = _inside(cast)
    cases = [(cast.readings[who], cast.facts(who)) for who in inside]
    found = birth_dates_if_any(cases, cast.asked.response, Season.of(cast.asked.species))
    births, unborn = {}, {}
    for who, birth in zip(inside, found, strict=True):
        if isinstance(birth, FactsError):
            unborn[who] = str(birth)
        else:
            births[who] = birth
    return births, unborn


def _of_unborn(cast: _Cast, unborn: Mapping[int, str]) -> dict[str, int]:
    """How many faces of the window that leaves unused, by animal and reason."""
    window = cast.asked.window
    return {
        f"faces of {cast.names[who]}: {why}": len(cast.upto[who].between(window.first, window.last))
        for who, why in unborn.items()
    }


def _animals(cast: _Cast, births: Mapping[int, BirthDate]) -> list[Animal]:
    histories = _histories(cast, list(births)[:SHOWN])
    animals = []
    for who, birth in births.items():
        its, upto = cast.identities[who], cast.upto[who]
        animal = Animal(
            id=cast.names[who],
            sightings=upto,
            birth=birth,
            name=its.text("name"),
            sex=its.text("sex"),
            provisional=its.provisional,
            confidence=_confidence(its, upto.between(cast.asked.window.first, cast.asked.window.last), cast),
            died_on=its.day("died_on"),
            told_stage=_told_stage(cast.readings[who], cast.asked),
            word="|".join(its.text(fact) for fact in ("born_on", "born_after", "born_before")),
            models=dict(cast.told_by.get(who, {})),
            history=histories.get(who, ()),
        )
        animals.append(animal)
    return animals


def _told_stage(series: Series, asked: Reading) -> str | None:
    """By the mean of what the model said, each reading carried to the day of the census."""
    if not len(series):
        return None
    now = series.ages_years + (asked.on.toordinal() - series.days) / DAYS_PER_YEAR
    return asked.species.stage(float(now.mean()))


def _confidence(its: Identity, inside: Sightings, cast: _Cast) -> float:
    """That it is one animal and no other one of the list, and was seen in the window."""
    trust, certain = cast.asked.trust, cast.said_by_people
    if its.provisional:
        return trust.new_right
    place = np.minimum(np.searchsorted(certain, inside.face), max(0, len(certain) - 1))
    if len(certain) and (certain[place] == inside.face).any():
        return 1.0
    events = min(2, len(np.unique(inside.event)))  # more of them may err alike
    return float(1 - (1 - trust.known_right) ** events)


def _histories(cast: _Cast, shown: Sequence[int]) -> dict[int, list[Known]]:
    """What the readings so far said of the birth dates, at steps from the first to the last."""
    steps = [
        (who, day, replace(cast.facts(who), seen_last=date.fromordinal(day)), series)
        for who in shown
        for day, series in _steps(cast.readings[who], cast.asked.window.last)
    ]
    season = Season.of(cast.asked.species)
    births = birth_dates_if_any([(series, facts) for _, _, facts, series in steps], cast.asked.response, season)
    found: dict[int, list[Known]] = {}
    for (who, day, _, _), birth in zip(steps, births, strict=True):
        if isinstance(birth, FactsError):
            continue
        low, high = birth.interval(0.9)
        found.setdefault(who, []).append(Known(date.fromordinal(day), low, birth.median(), high))
    return found


def _steps(full: Series, on: int) -> list[tuple[int, Series]]:
    """The first readings, ever more of them, with the day of the last."""
    until = int(np.searchsorted(full.days, on + 1))
    ends = sorted({round(end) for end in np.geomspace(1, until, STEPS).tolist()}) if until else []
    return [(int(full.days[end - 1]), Series(full.days[:end], full.ages_years[:end])) for end in ends]


def _ledger(db: Database, frames: Frames, estimates: Estimates, rows: Seen, asked: Reading) -> Ledger:
    """By whom ages were told, and until when."""
    used = rows.model[(rows.day <= asked.window.last) & (rows.model != NONE)]
    counts = np.bincount(used, minlength=len(estimates.models)).tolist()
    newest = local_days(frames.at_s[~frames.having(TIMELESS)], asked.zone).max(initial=0)
    return Ledger(
        station=asked.station,
        zone=str(asked.zone),
        models={model: n for model, n in zip(estimates.models, counts, strict=True) if n},
        model=estimates.models[-1] if len(estimates.face) else None,
        ages_by=asked.ages_by,
        known_until=iso(asked.as_known) if asked.as_known else _newest_entry(db),
        as_known_then=asked.as_known is not None,
        newest=date.fromordinal(int(newest)).isoformat() if newest else None,
    )


def _newest_entry(db: Database) -> str | None:
    """The newest thing that was said or seen."""
    row = db.execute("""SELECT max(at) FROM (SELECT max(done_at) AS at FROM frames UNION ALL
        SELECT max(said_at) FROM words WHERE who <> 'path' UNION ALL SELECT max(recognised_at) FROM recognitions)""")
    found = row.fetchone()[0]
    return None if found is None else str(found)
