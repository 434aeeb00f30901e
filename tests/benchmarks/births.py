"""Whether birth dates are as sure as they say: simulated seasons with known truth, each with a model of its own.

python -m tests.benchmarks.births 200 births.json

In every season another simulated model (`station.seasons.Eye`) looks at other animals, a few of them by the wrong name.
What the station knows of that model it learns from 60 simulated animals of known age, as from a bundle's table.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from station import species
from station.ageing import ageing
from station.birth import DAYS_PER_YEAR
from station.lifetime import BirthDate, Facts, Season, Series, birth_dates
from station.readings import Numbers
from station.reserves import Course, Lives, lives
from station.response import Response
from station.seasons import Eye, Sightings, Watch, calibration, season

START = date(2025, 6, 1).toordinal()
SEASON = Season.of(species.find("giant_panda"))
KNOWN_ANIMALS, KNOWN_PICTURES, OLDEST_YEARS = 60, 10, 30.0
LATE_SEEDS = 10_000
"""Nothing in the station was chosen by what these seeds gave."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Animals of simulated seasons against the truth, one a row."""

    place: Numbers
    """The probability that the station gave to a birth on the true day or before: even where it is calibrated."""
    error_years: Numbers
    width_years: Numbers
    readings: Numbers
    age_years: Numbers

    def held(self, level: float = 0.9) -> float:
        """The share of the true birth dates inside their intervals."""
        return float(np.mean(np.abs(self.place - 0.5) <= level / 2))

    def only(self, rows: np.typing.NDArray[np.bool_]) -> Judged:
        return Judged(*(column[rows] for column in self.columns()))

    def columns(self) -> tuple[Numbers, ...]:
        return self.place, self.error_years, self.width_years, self.readings, self.age_years


def learnt(eye: Eye, rng: np.random.Generator) -> Response:
    """What a station knows of a model."""
    return Response.learnt(calibration(eye, KNOWN_ANIMALS, KNOWN_PICTURES, OLDEST_YEARS, rng))


def one_season(seed: int, mistaken: float = 0.03) -> Judged:
    """A year of a reserve, and what the station makes of it."""
    rng = np.random.default_rng(seed)
    eye = Eye.drawn(rng)
    response = learnt(eye, rng)
    truth = lives(Course(), START, rng)
    seen = season(truth, Watch(mistaken=mistaken), eye, START, Course().days, rng)
    claims = [(who, own, _first(seen, rows)) for who, rows, own in seen.by_claim()]
    births = birth_dates([(own, Facts(seen_first=first)) for _, own, first in claims], response, SEASON)
    return judged(births, [int(truth.born[who]) for who, _, _ in claims], [len(own) for _, own, _ in claims])


def _first(seen: Sightings, rows: np.typing.NDArray[np.int64]) -> date:
    return date.fromordinal(int(seen.days[rows[0]]))


def judged(births: Sequence[BirthDate], born: Sequence[int], readings: Sequence[int]) -> Judged:
    """Against true days."""
    ninety = [birth.interval(0.9) for birth in births]
    return Judged(
        np.array([birth.born_by(np.array([day]))[0] for birth, day in zip(births, born, strict=True)]),
        np.array([birth.median().toordinal() - day for birth, day in zip(births, born, strict=True)]) / DAYS_PER_YEAR,
        np.array([(high - low).days for low, high in ninety]) / DAYS_PER_YEAR,
        np.array(readings, dtype=float),
        (START + Course().days - np.array(born)) / DAYS_PER_YEAR,
    )


def seasons(count: int, mistaken: float = 0.03, first_seed: int = LATE_SEEDS) -> Judged:
    """Many of them."""
    found = [one_season(first_seed + number, mistaken).columns() for number in range(count)]
    return Judged(*map(np.concatenate, zip(*found, strict=True)))


def summary(found: Judged) -> dict[str, object]:
    """What is told of seasons."""
    ages = {"0-2": (0, 2), "2-6": (2, 6), "6-15": (6, 15), "15-": (15, 99)}
    counts = {"1": (1, 2), "2-4": (2, 5), "5-15": (5, 16), "16-": (16, 9999)}
    return {
        "animals": len(found.place),
        "held_80": round(found.held(0.8), 4),
        "held_90": round(found.held(0.9), 4),
        "held_95": round(found.held(0.95), 4),
        "median_error_years": round(float(np.median(np.abs(found.error_years))), 3),
        "mean_width_years": round(float(found.width_years.mean()), 3),
        "held_90_by_age_years": {
            name: round(found.only((found.age_years >= low) & (found.age_years < high)).held(), 3)
            for name, (low, high) in ages.items()
        },
        "held_90_by_readings": {
            name: round(found.only((found.readings >= low) & (found.readings < high)).held(), 3)
            for name, (low, high) in counts.items()
        },
    }


@dataclass(frozen=True, slots=True)
class Step:
    """Median absolute error with so many readings, against 0.6745 sqrt(tau^2 + sigma^2 / n)."""

    readings: int
    animals: int
    error_years: float
    theory_years: float
    ratio: float
    """One standard error of it is about 1.17 / sqrt(animals)."""


def theory(readings: int, animals: int, seed: int, tau_years: float = 1.5, sigma_years: float = 3.0) -> Step:
    """Adults, and a model that is right on average, alike at every age; what it is like is learnt all the same."""
    eye = Eye(math.inf, 0, tau_years, sigma_years, 0, 0, math.inf, 1e6)
    errors: list[Numbers] = []
    groups = max(1, animals // 100)
    for group in range(groups):
        rng = np.random.default_rng((seed, readings, group))
        ages = rng.uniform(10, 20, animals // groups)
        own = [_readings(eye, age, readings, rng) for age in ages.tolist()]
        births = birth_dates([(one, Facts()) for one in own], learnt(eye, rng), Season(40.0))
        born = START - ages * DAYS_PER_YEAR
        errors.append(np.array([birth.median().toordinal() for birth in births]) - born)
    found = float(np.median(np.abs(np.concatenate(errors)))) / DAYS_PER_YEAR
    expected = 0.6745 * math.sqrt(tau_years**2 + sigma_years**2 / readings)
    return Step(readings, groups * (animals // groups), round(found, 3), round(expected, 3), round(found / expected, 3))


def _readings(eye: Eye, age_years: float, count: int, rng: np.random.Generator) -> Series:
    days = START + np.sort(rng.uniform(0, 365, count))
    ages = age_years + (days - START) / DAYS_PER_YEAR
    return Series(days, eye.estimates(ages, np.zeros(count, dtype=np.int64), np.arange(count), rng))


def swaps(count: int, first_seed: int = LATE_SEEDS) -> dict[str, object]:
    """How often two years of one animal are suspected, and those of two animals, one year each."""
    one: list[bool] = []
    two: dict[str, list[bool]] = {"0-3": [], "3-6": [], "6-10": [], "10-": []}
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng(seed)
        eye = Eye.drawn(rng)
        response, truth = learnt(eye, rng), lives(Course(days=730), START, rng)
        claims = [(who, own) for who, _, own in season(truth, Watch(), eye, START, 730, rng).by_claim() if len(own) > 7]
        one += _suspected([own for _, own in claims], response)
        pairs = [rng.choice(len(claims), 2, replace=False).tolist() for _ in range(50)]
        mixed = [_swapped(claims[i][1], claims[j][1]) for i, j in pairs]
        for (i, j), suspect in zip(pairs, _suspected(mixed, response), strict=True):
            two[_apart(truth, claims[i][0], claims[j][0])].append(suspect)
    apart = {years: round(float(np.mean(found)), 3) for years, found in two.items()}
    return {"suspected_of_one": round(float(np.mean(one)), 4), "suspected_of_two_by_years_apart": apart}


def _swapped(first: Series, second: Series) -> Series:
    early, late = first.days < START + 365, second.days >= START + 365
    return Series(
        np.concatenate([first.days[early], second.days[late]]),
        np.concatenate([first.ages_years[early], second.ages_years[late]]),
    )


def _apart(truth: Lives, one: int, other: int) -> str:
    years = abs(int(truth.born[one] - truth.born[other])) / DAYS_PER_YEAR
    return "0-3" if years < 3 else "3-6" if years < 6 else "6-10" if years < 10 else "10-"


def _suspected(animals: Sequence[Series], response: Response) -> list[bool]:
    facts = Facts(seen_first=date.fromordinal(START))
    births = birth_dates([(own, facts) for own in animals], response, SEASON)
    found = [ageing(own, response, birth) for own, birth in zip(animals, births, strict=True)]
    return [bool(one and one.suspect) for one in found]


def speed(animals: int = 5000, cameras: int = 1000) -> dict[str, float]:
    """Seconds for a year of many animals: to simulate it, to learn the response, to date every birth."""
    rng, eye, began = np.random.default_rng(1), Eye(), time.perf_counter()
    truth = lives(Course(animals=animals), START, rng)
    seen = season(truth, Watch(cameras, reach=0.02), eye, START, 365, rng)
    simulated = time.perf_counter()
    response = learnt(eye, rng)
    known = time.perf_counter()
    claims = [(own, Facts()) for _, _, own in seen.by_claim()]
    birth_dates(claims, response, SEASON)
    return {
        "animals": len(claims),
        "estimates": len(seen),
        "simulate_s": round(simulated - began, 2),
        "learn_s": round(known - simulated, 2),
        "group_and_date_s": round(time.perf_counter() - known, 2),
    }


def main(count: int, out: Path) -> None:
    found = {
        "seasons": count,
        "mistaken_3%": summary(seasons(count)),
        "mistaken_0%": summary(seasons(count, 0.0)),
        "mistaken_6%": summary(seasons(count, 0.06)),
        "theory": [asdict(theory(readings, 20 * count, LATE_SEEDS)) for readings in (1, 2, 4, 8, 16, 32, 64, 128)],
        "swaps": swaps(max(1, count // 4)),
        "speed": speed(),
    }
    text = json.dumps(found, indent=2)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
