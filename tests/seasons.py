"""Simulated seasons as the census takes them, with the truth: for the test and the benchmark of its intervals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from station import species
from station.animals import Animal, Sightings
from station.birth import DAYS_PER_YEAR, Days
from station.census import Census, Ledger, Question, census
from station.headcount import Doubt
from station.leeway import starts
from station.lifetime import Facts, Season, birth_date, birth_dates
from station.reserves import Course, Lives, lives
from station.response import Response
from station.seasons import Eye, Watch, calibration, season
from station.seasons import Sightings as Seen
from station.series import Series, bursts_averaged

START = date(2025, 7, 1)
DAYS = 365
REVIEWED = 30


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the census said of a season, and what was so."""

    census: Census
    truth: dict[str, int]
    """How many animals of each life stage were seen."""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """How the machine errs about who is who; the truly new animals are those that it has to tell by itself."""

    new: float
    """Share of the animals that nobody knows yet."""
    lumped: float
    """Share of those that are taken for another one of them."""


def simulated(seed: int) -> Simulated:
    """One season of a reserve, a model and cameras of its own."""
    rng = np.random.default_rng(seed)
    eye = Eye.drawn(rng)
    course = Course(animals=int(rng.integers(12, 90)), days=DAYS)
    watch = Watch(
        cameras=int(rng.integers(8, 30)),
        mistaken=float(rng.uniform(0, 0.04)),
        split=float(rng.uniform(0, 0.03)),
        visits_a_year=float(rng.uniform(10, 60)),
    )
    mistakes = Mistakes(float(rng.uniform(0.05, 0.5)), float(rng.uniform(0, 0.15)))
    animals = lives(course, START.toordinal(), rng)
    seen = season(animals, watch, eye, START.toordinal(), DAYS, rng)
    panda = species.find("giant_panda")
    assert panda is not None
    response = Response.learnt(calibration(eye, 80, 8, panda.longevity_years, rng))
    on = date.fromordinal(START.toordinal() + DAYS - 1)
    listed, doubt = _listed(animals, seen, mistakes, response, Season.of(panda), rng)
    nothing = birth_date((), response, Facts(seen_first=on, seen_last=on), Season.of(panda))
    asked = Question(
        on, panda, DAYS, nothing.stages(panda, on), starts=starts(response, panda, rng), doubt=doubt, seed=seed
    )
    return Simulated(census(listed, (), Ledger(), asked), _truth(animals, seen, panda, on))


def _truth(animals: Lives, seen: Seen, panda: species.Species, on: date) -> dict[str, int]:
    ages = (on.toordinal() - animals.born[np.unique(seen.who)]) / DAYS_PER_YEAR
    told = [panda.stage(float(age)) for age in ages]
    return {stage.name: told.count(stage.name) for stage in panda.life_stages}


def _listed(
    animals: Lives, seen: Seen, mistakes: Mistakes, response: Response, when: Season, rng: Generator
) -> tuple[list[Animal], Doubt]:
    """The animals that the station believes in; of those that a machine made, people judged some elsewhere."""
    new = rng.random(len(animals)) < mistakes.new
    claimed = _lumped(seen.claimed, new, mistakes, rng)
    names, rows = _by(claimed)
    provisional = np.array([name >= len(animals) or bool(new[name]) for name in names])
    kinds = np.array([_kind(int(name), seen.who[own], len(animals)) for name, own in zip(names, rows, strict=True)])
    judged = kinds[provisional]
    if len(judged):
        judged = rng.choice(judged, REVIEWED)  # elsewhere, of the same machine
    doubt = Doubt(REVIEWED + 2, 0.5 + (judged == 0).sum(), 0.5 + (judged == 2).sum())
    whole = ((judged == 1).sum() + 1.6) / (len(judged) + 2)
    births = birth_dates([(_series(seen, own), _facts(seen, own)) for own in rows], response, when)
    listed = [
        Animal(
            id=f"A{name:05}",
            sightings=_sightings(seen, own),
            birth=birth,
            provisional=bool(by_machine),
            confidence=float(whole) if by_machine else 1.0,
        )
        for name, own, birth, by_machine in zip(names, rows, births, provisional, strict=True)
    ]
    return listed, doubt


def _lumped(claimed: Days, new: npt.NDArray[np.bool_], mistakes: Mistakes, rng: Generator) -> Days:
    """Some new animals are taken for another new one."""
    seen_new = np.unique(claimed[claimed < len(new)])
    seen_new = seen_new[new[seen_new]]
    found = claimed.copy()
    order = rng.permutation(seen_new)
    for one, other in zip(order[::2], order[1::2], strict=False):
        if rng.random() < mistakes.lumped:
            found[claimed == one] = other
    return found


def _kind(name: int, who: Days, animals: int) -> int:
    """0: more pictures of another; 1: one animal; 2: two."""
    return 0 if name >= animals else min(2, int((np.unique(who, return_counts=True)[1] > 0.25 * len(who)).sum()))


def _by(claimed: Days) -> tuple[Days, list[Days]]:
    names, place = np.unique(claimed, return_inverse=True)
    order = np.argsort(place, kind="stable")
    return names, np.split(order, np.flatnonzero(np.diff(place[order])) + 1)


def _series(seen: Seen, own: Days) -> Series:
    bursts = np.unique(seen.events[own], return_inverse=True)[1]
    return bursts_averaged(seen.days[own], seen.estimates_years[own], bursts)


def _facts(seen: Seen, own: Days) -> Facts:
    return Facts(
        seen_first=date.fromordinal(int(seen.days[own[0]])), seen_last=date.fromordinal(int(seen.days[own[-1]]))
    )


def _sightings(seen: Seen, own: Days) -> Sightings:
    at_s = ((seen.days[own] - date(1970, 1, 1).toordinal()) * 86_400).astype(np.int64)
    day = seen.days[own].astype(np.int32)
    cameras = tuple(f"c{number}" for number in range(int(seen.cameras.max()) + 1))
    return Sightings(at_s, day, seen.cameras[own].astype(np.int32), seen.events[own], own.astype(np.int64), cameras)
