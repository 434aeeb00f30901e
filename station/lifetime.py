"""When an animal was born: from many readings of its age, from facts, and from what its species does.

The likelihood of the readings is that of `station.readings`, over a grid of ages at the first reading.  The prior: any
day that the facts allow, weighed by the species' birth season, and by how many animals get that old.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from station.birth import DAYS_PER_YEAR, BirthDate, Days
from station.domain import StationError
from station.readings import Filter, Numbers
from station.response import Response
from station.series import AgeReading, Gathered, Series, gathered, series
from station.species import Species

__all__ = [
    "AgeReading", "BirthDate", "Facts", "FactsError", "Season", "Series", "birth_date", "birth_dates",
    "birth_dates_if_any", "series",
]  # fmt: skip

_REACH_OLDEST = 0.1
"""How likely an animal is to be as old as its species gets, against newly born: it favours the young only weakly."""
_OLDER_YET = 1.1
"""Nobody gets older than this many times the longevity."""
_OUT_OF_SEASON = 0.05
"""The share of births that may fall into any month, whatever the species file says."""
_STEP_DAYS = 7
_SHORT_DAYS = 400
"""A shorter span is looked at day by day."""
_NEGLIGIBLE = 1e-7
_AGES = 128
_TOGETHER = 200
"""So many animals are reckoned at once."""


class FactsError(StationError):
    """Of an animal nothing is known that would tell its age."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known for certain: days that count themselves (born on `born_after` is possible)."""

    born_on: date | None = None
    born_after: date | None = None
    born_before: date | None = None
    seen_first: date | None = None
    """It was alive; a person's `born_after` outranks it, for then the sighting was of another animal."""
    seen_last: date | None = None

    @property
    def contradiction(self) -> str | None:
        """What cannot be true at once, for the person who said it."""
        after, before, on = self.born_after, self.born_before, self.born_on
        if after and before and after > before:
            return f"born after {after}, and before {before}"
        if on and ((after and on < after) or (before and on > before)):
            return f"born on {on}, and {f'after {after}' if after and on < after else f'before {before}'}"
        if self.seen_last and (earliest := on or after) and self.seen_last < earliest:
            return f"born {'on' if on else 'after'} {earliest}, and seen before, last on {self.seen_last}"
        return None


@dataclass(frozen=True, slots=True)
class Season:
    """When a species is born and how old it gets."""

    longevity_years: float = 100.0
    months: tuple[float, ...] = ()
    """Shares of births, January first, that sum to 1; empty: any month is alike."""

    @classmethod
    def of(cls, species: Species | None) -> Season:
        """What the species file says."""
        return cls(species.longevity_years, species.birth_months) if species else cls()

    def log_prior(self, days: Days, last: int) -> Numbers:
        """Of a birth on these days for an animal alive on the day `last`."""
        slope = math.log(_REACH_OLDEST) / (self.longevity_years * DAYS_PER_YEAR)
        getting_old = (last - days).astype(np.float64) * slope
        return getting_old + self._log_months()[_months(days)] if self.months else getting_old

    def _log_months(self) -> Numbers:
        logs: Numbers = np.log((1 - _OUT_OF_SEASON) * np.array(self.months) + _OUT_OF_SEASON / 12)
        return logs


def _months(days: Days) -> Days:
    """The month of date ordinals, 0 to 11."""
    months: Days = (days - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    return months


_EPOCH = date(1970, 1, 1).toordinal()


def birth_date(readings: Sequence[AgeReading] | Series, response: Response, facts: Facts, season: Season) -> BirthDate:
    """The posterior over the birth date; raises `FactsError` without any sighting or date.

    `born_on` is the answer.  A `born_after` that cannot be, for what else is known, is left out
    (`Facts.contradiction` tells people); otherwise earlier sightings and readings are taken for another animal's.
    """
    return birth_dates([(readings, facts)], response, season)[0]


def birth_dates(
    animals: Iterable[tuple[Sequence[AgeReading] | Series, Facts]], response: Response, season: Season
) -> list[BirthDate]:
    """The same of many animals, which is quicker; in their order."""
    cases = [_case(readings, facts, response) for readings, facts in animals]
    ages = np.expm1(np.linspace(0, math.log1p(_OLDER_YET * season.longevity_years), _AGES))
    found: dict[int, BirthDate] = {}
    some = [i for i, case in enumerate(cases) if len(case.seen) and not case.facts.born_on]
    some.sort(key=lambda i: len(cases[i].seen))
    for start in range(0, len(some), _TOGETHER):
        part = some[start : start + _TOGETHER]
        said = _log_likelihood([cases[i].seen for i in part], ages, response)
        found |= {i: _posterior(cases[i], season, (ages, own)) for i, own in zip(part, said, strict=True)}
    return [found[i] if i in found else _posterior(case, season, None) for i, case in enumerate(cases)]


def birth_dates_if_any(
    animals: Sequence[tuple[Sequence[AgeReading] | Series, Facts]], response: Response, season: Season
) -> list[BirthDate | FactsError]:
    """The same, but an animal of which nothing is known costs only itself: in its place stands why."""
    try:
        return list(birth_dates(animals, response, season))
    except FactsError:
        return [_one_if_any(readings, facts, response, season) for readings, facts in animals]


def _one_if_any(
    readings: Sequence[AgeReading] | Series, facts: Facts, response: Response, season: Season
) -> BirthDate | FactsError:
    try:
        return birth_date(readings, response, facts, season)
    except FactsError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Case:
    """One animal: what is known, and its readings, few."""

    facts: Facts
    seen: Gathered


def _case(readings: Sequence[AgeReading] | Series, facts: Facts, response: Response) -> _Case:
    """Readings before the earliest possible birth are another animal's."""
    every = readings if isinstance(readings, Series) else series(readings)
    facts = _possible(facts, every)
    if facts.born_after:
        every = every.since(facts.born_after.toordinal())
    return _Case(facts, gathered(every, response))


def _possible(facts: Facts, every: Series) -> Facts:
    """Without a `born_after` that lies after everything else."""
    after = facts.born_after
    if not after:
        return facts
    seen = [facts.seen_last.toordinal()] if facts.seen_last else []
    seen += [int(every.days[-1])] if len(every) else []
    too_late = bool(seen) and max(seen) < after.toordinal()
    return replace(facts, born_after=None) if too_late or facts.contradiction else facts


def _log_likelihood(animals: Sequence[Gathered], ages: Numbers, response: Response) -> Numbers:
    """Animals x ages: how well each true age at the first reading explains an animal's readings."""
    most = max(map(len, animals))
    later, said, counts = np.zeros((3, most, len(animals), 1))
    for column, own in enumerate(animals):
        rows = slice(0, len(own))
        later[rows, column, 0] = (own.days - own.days[0]) / DAYS_PER_YEAR
        said[rows, column, 0], counts[rows, column, 0] = own.scaled, own.counts
    state = Filter.start(response.nature, (len(animals), len(ages)))
    for j in range(most):
        then = ages + later[j]
        mean, tau, sigma = response.at(then)
        state.fade(np.log1p(then))
        state.read(said[j], mean, tau, sigma * sigma / np.maximum(counts[j], 1), counts[j] > 0)
    return state.log_likelihood


def _posterior(case: _Case, season: Season, said: tuple[Numbers, Numbers] | None) -> BirthDate:
    """`said`: ages at the first reading, and the logarithm of their likelihood."""
    if case.facts.born_on:
        return BirthDate.on(case.facts.born_on)
    first, last = _span(case, season)
    step = 1 if last - first <= _SHORT_DAYS else _STEP_DAYS
    count = max(1, (last - first + 1) // step)
    top = last - step // 2
    days = top - step * np.arange(count - 1, -1, -1, dtype=np.int64)
    log = season.log_prior(days, last)
    if said is not None:
        log = log + np.interp((case.seen.days[0] - days) / DAYS_PER_YEAR, *said)
    probability = np.exp(log - log.max())
    probability /= probability.sum()
    kept = np.flatnonzero(probability > _NEGLIGIBLE)
    rows = slice(kept[0], kept[-1] + 1)
    return BirthDate(int(days[rows][0]), step, probability[rows] / probability[rows].sum())


def _span(case: _Case, season: Season) -> tuple[int, int]:
    """The first and the last day on which the animal can have been born."""
    facts, seen = case.facts, case.seen
    alive = [day.toordinal() for day in (facts.seen_first, facts.seen_last) if day]
    alive += [int(seen.days[0]), int(seen.days[-1])] if len(seen) else []
    after = facts.born_after.toordinal() if facts.born_after else None
    before = facts.born_before.toordinal() if facts.born_before else None
    if after is not None:
        alive = [day for day in alive if day >= after]
    tops = [min(alive)] if alive else []
    tops += [before] if before is not None else []
    if not tops:
        raise FactsError("of this animal nothing is known that would tell its age: neither a sighting nor a date")
    last = min(tops)
    oldest = round(_OLDER_YET * season.longevity_years * DAYS_PER_YEAR)
    first = min(max(alive, default=last) - oldest, last)
    return (max(first, after) if after is not None else first), last
