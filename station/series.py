"""The readings of one animal as numbers: one averaged reading a burst, and not more of them than say something new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from station.readings import Numbers
from station.response import Response

MOST = 24
"""More readings than this are gathered: each stretch of time gives one, of their mean, with as much less noise."""
_GROSS = 3.0
"""Gathered readings further from their median than this many standard deviations of noise are left out."""
_EPOCH_DAYS = 719_163
"""The ordinal of 1970-01-01."""
_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class AgeReading:
    """What the model said of one picture of an animal, taken at a time with a zone; one burst is one reading."""

    at: datetime
    age_years: float
    burst: int | str


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Readings in order of time, one a burst: `days` are date ordinals with fractions (UTC)."""

    days: Numbers
    ages_years: Numbers

    def since(self, day: float) -> Series:
        """Those from that day on."""
        kept = self.days >= day
        return Series(self.days[kept], self.ages_years[kept])

    def __len__(self) -> int:
        return len(self.days)


def series(readings: Sequence[AgeReading]) -> Series:
    """One averaged reading a burst, in order of time."""
    days = np.array([r.at.timestamp() for r in readings], dtype=float) / _SECONDS_PER_DAY + _EPOCH_DAYS
    ages = np.array([r.age_years for r in readings], dtype=float)
    numbers: dict[int | str, int] = {}
    bursts = np.array([numbers.setdefault(r.burst, len(numbers)) for r in readings], dtype=np.int64)
    return bursts_averaged(days, ages, bursts)


def bursts_averaged(days: Numbers, ages_years: Numbers, bursts: np.typing.NDArray[np.int64]) -> Series:
    """The same of columns: `bursts` numbers them from 0."""
    counts = np.bincount(bursts).astype(float)
    days = np.bincount(bursts, days) / counts
    ages = np.bincount(bursts, ages_years) / counts
    order = np.lexsort((ages, days))
    return Series(days[order], ages[order])


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Readings of one animal on the scale of a response (`station.readings`), in order of time."""

    days: Numbers
    scaled: Numbers
    counts: Numbers
    """How many readings stand behind each."""

    def __len__(self) -> int:
        return len(self.days)


def gathered(full: Series, response: Response) -> Gathered:
    """At most about `MOST` readings, each the mean of a stretch of time without what is grossly off."""
    told = response.nature.scaled(full.ages_years)
    if len(full) <= MOST:
        return Gathered(full.days, told, np.ones(len(full)))
    span = full.days[-1] - full.days[0] + 1e-6
    cell = ((full.days - full.days[0]) * (MOST / span)).astype(np.int64)
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    sizes = np.diff(np.append(starts, len(full)))
    cell = np.repeat(np.arange(len(starts)), sizes)
    ordered = told[np.lexsort((told, cell))]
    middles = (ordered[starts + (sizes - 1) // 2] + ordered[starts + sizes // 2]) / 2
    noise = response.sigma_of(middles)
    usual = np.abs(told - middles[cell]) <= (_GROSS * noise * np.sqrt(1 + 1.57 / sizes))[cell]
    counts = np.bincount(cell, usual)
    means = np.where(counts > 0, np.bincount(cell, told * usual) / np.maximum(counts, 1), middles)
    return Gathered(np.bincount(cell, full.days) / sizes, means, np.maximum(counts, 1))
