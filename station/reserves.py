"""Simulated animals in numbers: who is born, comes, and dies, with known truth.  No picture is drawn.

A population that neither grows nor shrinks by design: at the start its ages are those of the survivors of steady
births.  Times are date ordinals.  The same seed gives the same animals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from station.birth import DAYS_PER_YEAR, Days
from station.readings import Numbers

_FERTILE_YEARS = (5.5, 20.0)
_CUB_HAZARD, _CUB_YEARS = 0.25, 1.5
_ADULT_HAZARD = 0.05
_OLD_HAZARD, _OLD_YEARS, _OLD_DOUBLING_YEARS = 0.02, 15.0, 4.0
_IMMIGRANT_YEARS = (1.5, 2.5, 7.0)
"""Youngest, likeliest and oldest age of an animal that comes from elsewhere."""
_DEN_DAYS = 100
"""Younger cubs stay in the den, where no camera is."""
_HORIZON_YEARS = 45
_STEP_YEARS = 0.05


@dataclass(frozen=True, slots=True)
class Course:
    """How a reserve fares."""

    animals: int = 60
    """At the start."""
    days: int = 365
    birth_months: tuple[float, ...] = (0, 0, 0, 0, 0, 0.03, 0.24, 0.5, 0.2, 0.03, 0, 0)
    """Shares of the births, January first."""
    cubs_a_year: float = 0.4
    """Of a fertile female."""
    immigrants_a_year: float = 0.03
    """For each animal that there was at the start."""


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """The truth, an animal a row: date ordinals."""

    names: tuple[str, ...]
    sexes: tuple[str, ...]
    """`f` or `m`."""
    born: Days
    came: Days
    """The day from which it lives in the reserve."""
    died: Days
    """The day of its death; after the end of the season where it outlives it."""

    def __len__(self) -> int:
        return len(self.born)

    def alive(self, on: int) -> npt.NDArray[np.bool_]:
        """Who lives in the reserve on a day."""
        return (self.came <= on) & (on < self.died)

    def about(self, days: Numbers, who: Days) -> npt.NDArray[np.bool_]:
        """Whether these animals can be seen at these times: there, alive and out of the den."""
        out: npt.NDArray[np.bool_] = days >= np.maximum(self.came, self.born + _DEN_DAYS)[who]
        return out & (days < self.died[who])

    def ages_years(self, days: Numbers, who: Days) -> Numbers:
        """The true ages of these animals at these times."""
        ages: Numbers = (days - self.born[who]) / DAYS_PER_YEAR
        return ages


def lives(course: Course, start: int, rng: Generator) -> Lives:
    """The animals of the `course.days` days from `start` on, a date ordinal."""
    survival = _survival()
    ages = _drawn(survival, rng.random(course.animals))
    there = _on_a_birthday(start - (ages * DAYS_PER_YEAR).astype(np.int64), start, course, rng)
    born, came, female = [there], [there], [rng.random(course.animals) < 0.5]
    end = start + course.days
    for year in range(start, end, 365):
        length = min(365, end - year)
        cubs = _cubs(np.concatenate(born), np.concatenate(female), year, length, course, rng)
        count = rng.poisson(course.immigrants_a_year * course.animals * length / 365)
        arrival = year + rng.integers(0, length, count)
        strangers = arrival - (rng.triangular(*_IMMIGRANT_YEARS, count) * DAYS_PER_YEAR).astype(np.int64)
        born += [cubs, _on_a_birthday(strangers, start, course, rng)]
        came += [cubs, arrival]
        female += [rng.random(len(cubs)) < 0.5, rng.random(count) < 0.5]
    return _lived(np.concatenate(born), np.concatenate(came), np.concatenate(female), survival, start, rng)


def _lived(
    born: Days, came: Days, female: npt.NDArray[np.bool_], survival: Numbers, start: int, rng: Generator
) -> Lives:
    """Everyone with a death after its coming, or after the start of the season."""
    age = (np.maximum(came, start) - born) / DAYS_PER_YEAR
    reached = np.interp(age, _steps(), survival)
    years = np.interp(-rng.random(len(born)) * reached, -survival, _steps())
    names = tuple(f"A{number:04}" for number in range(len(born)))
    died = born + np.ceil(years * DAYS_PER_YEAR).astype(np.int64)
    return Lives(names, tuple(np.where(female, "f", "m").tolist()), born, came, np.maximum(died, came + 1))


def _cubs(born: Days, female: npt.NDArray[np.bool_], year: int, length: int, course: Course, rng: Generator) -> Days:
    """The birth days of a year's cubs; their mothers are those of the right age, dead or not by then."""
    ages = (year - born) / DAYS_PER_YEAR
    mothers = female & (ages >= _FERTILE_YEARS[0]) & (ages <= _FERTILE_YEARS[1])
    count = rng.binomial(int(mothers.sum()), course.cubs_a_year)
    days = year + rng.choice(365, count, p=_days_of_birth(year + np.arange(365), course))
    return days[days < year + length]


def _on_a_birthday(days: Days, start: int, course: Course, rng: Generator) -> Days:
    """A day in the year around each, as births fall."""
    offsets = np.arange(-182, 183)
    shares = _days_of_birth(np.arange(days.min(initial=start) - 182, days.max(initial=start) + 183), course)
    lowest = days.min(initial=start)
    found = [rng.choice(offsets, p=_normal(shares[day - lowest : day - lowest + 365])) for day in days]
    return np.minimum(days + np.array(found, dtype=np.int64), start - 1)


def _days_of_birth(days: Days, course: Course) -> Numbers:
    months = (days - 719_163).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    return _normal(np.array(course.birth_months)[months])


def _normal(weights: Numbers) -> Numbers:
    shares: Numbers = weights / weights.sum()
    return shares


def _steps() -> Numbers:
    return np.arange(0, _HORIZON_YEARS, _STEP_YEARS)


def _survival() -> Numbers:
    """The share that reaches each age: many cubs die, few adults, and the old ever more (after Siler 1979)."""
    ages = _steps()
    hazard = _ADULT_HAZARD + _CUB_HAZARD * (ages < _CUB_YEARS)
    hazard = hazard + _OLD_HAZARD * (ages > _OLD_YEARS) * 2 ** ((ages - _OLD_YEARS) / _OLD_DOUBLING_YEARS)
    return np.exp(-np.cumsum(hazard) * _STEP_YEARS)


def _drawn(survival: Numbers, shares: Numbers) -> Numbers:
    """Ages of a steady population."""
    cumulative = np.cumsum(survival)
    return np.interp(shares, cumulative / cumulative[-1], _steps())
