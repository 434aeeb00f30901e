"""How one animal stands on a day: its age, where it was seen, whether it is new, back or overdue.  Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from station import rhythm
from station.animals import Animal, Sightings
from station.effort import Days
from station.species import Species


@dataclass(frozen=True, slots=True)
class Standing:
    """One counted animal."""

    id: str
    name: str
    sex: str
    stage: str
    """The likeliest."""
    stage_probability: float
    age_years: float
    age_low_years: float
    age_high_years: float
    born: str
    born_low: str
    born_high: str
    first_seen: str
    last_seen: str
    cameras: tuple[str, ...]
    """That saw it in the window, the most frequent first."""
    images: int
    """Faces in the window; events: independent sightings."""
    events: int
    provisional: bool
    confidence: float
    seen_tonight: bool
    new: bool
    """First seen since the census before."""
    again: bool
    """Known before, and seen since."""
    returned_after_days: int | None
    """It had been away for longer than its rhythm allows, and is back since the census before."""
    overdue_since: str | None
    """It has not been seen since, for longer than its rhythm allows, while its cameras worked."""
    allowed_days: float | None
    """What its rhythm allows; None: too few sightings for a rhythm."""
    word: str
    models: Mapping[str, int] | None = None
    """How many of its ages each version told."""
    days: tuple[str, ...] = ()
    """The days it was seen on in the window; only of the `SHOWN` seen last."""
    history: tuple[tuple[str, str, str, str], ...] = ()
    """Of the same: day, low, median and high of the birth date as known then."""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.id


def standing(
    animal: Animal, inside: Sightings, on: date, since: date, species: Species, worked: Mapping[str, Days], shown: bool
) -> Standing:
    """Of an animal seen in the window (`inside`) of a day, after the census of the day `since`.

    `worked`: the days on which each camera did; `shown`: whether its single days and its history are to be told.
    """
    chances = animal.birth.stages(species, on)
    stage = max(chances, key=lambda name: chances[name])
    age, young, old = animal.birth.age_years(on)
    born_low, born_high = animal.birth.interval(0.9)
    first = date.fromordinal(int(animal.sightings.day[0]))
    up_to_now = animal.sightings.between(0, on.toordinal())
    pace = rhythm.rhythm(up_to_now.at_s)
    days_worked = [worked[name] for name in animal.sightings.places if name in worked]
    last_inside = date.fromordinal(int(inside.day[-1]))
    return Standing(
        id=animal.id,
        name=animal.name,
        sex=animal.sex,
        stage=stage,
        stage_probability=round(chances[stage], 4),
        age_years=round(age, 2),
        age_low_years=round(max(0.0, young), 2),
        age_high_years=round(old, 2),
        born=animal.birth.median().isoformat(),
        born_low=born_low.isoformat(),
        born_high=born_high.isoformat(),
        first_seen=first.isoformat(),
        last_seen=last_inside.isoformat(),
        cameras=inside.places,
        images=len(inside),
        events=len(np.unique(inside.event)),
        provisional=animal.provisional,
        confidence=round(animal.confidence, 4),
        seen_tonight=last_inside == on,
        new=first > since,
        again=first <= since < last_inside,
        returned_after_days=rhythm.away_before(up_to_now, since, pace) if first <= since < last_inside else None,
        overdue_since=rhythm.overdue_since(last_inside, on, pace, days_worked),
        allowed_days=None if pace is None else round(pace.total_seconds() / 86400, 1),
        word=animal.word,
        models=animal.models,
        days=_dates(np.unique(inside.day)) if shown else (),
        history=tuple(
            (known.on.isoformat(), known.low.isoformat(), known.born.isoformat(), known.high.isoformat())
            for known in animal.history
        )
        if shown
        else (),
    )


def _dates(days: Iterable[int]) -> tuple[str, ...]:
    return tuple(date.fromordinal(int(day)).isoformat() for day in days)
