"""What is known of the day an animal was born: a probability for each day of a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from station.readings import Numbers
from station.species import Species

DAYS_PER_YEAR = 365.25
_NINETY = np.array([0.05, 0.5, 0.95])
Days = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BirthDate:
    """`probability[i]` is that of a birth in the `step_days` days around `days[i]`, date ordinals."""

    first_day: int
    step_days: int
    probability: Numbers
    """Sums to 1."""

    @classmethod
    def on(cls, day: date) -> BirthDate:
        """Known to the day."""
        return cls(day.toordinal(), 1, np.ones(1))

    @property
    def days(self) -> Days:
        """The grid: date ordinals, rising."""
        return self.first_day + self.step_days * np.arange(len(self.probability), dtype=np.int64)

    @property
    def known(self) -> bool:
        """Whether it is one day, not a distribution."""
        return len(self.probability) == 1 and self.step_days == 1

    def quantile(self, share: float) -> date:
        """The day by which the animal was born with this probability."""
        return date.fromordinal(int(self._quantiles(np.array([share]))[0]))

    def median(self) -> date:
        """As likely born before as after."""
        return self.quantile(0.5)

    def interval(self, level: float = 0.9) -> tuple[date, date]:
        """As likely born before it as after it."""
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    def age_years(self, on: date) -> tuple[float, float, float]:
        """Median, low and high (90%) of the age on a day."""
        low, middle, high = ((on.toordinal() - self._quantiles(_NINETY)) / DAYS_PER_YEAR).tolist()[::-1]
        return middle, low, high

    def stages(self, species: Species, on: date) -> dict[str, float]:
        """The probability of each life stage on a day, youngest first; before its birth as at its birth."""
        starts = np.array([stage.from_years for stage in species.life_stages[1:]])
        reached = self.born_by(np.floor(on.toordinal() - starts * DAYS_PER_YEAR))
        shares = 0.0 - np.diff(np.concatenate([[1.0], reached, [0.0]]))
        return {stage.name: float(share) for stage, share in zip(species.life_stages, shares, strict=True)}

    def born_by(self, days: Numbers) -> Numbers:
        """The probability of a birth on these days (whole ordinals) or before."""
        edges, cumulative = self._edges()
        born: Numbers = np.interp(days + 0.5, edges, cumulative)
        return born

    def draw(self, rng: Generator, count: int) -> Days:
        """Date ordinals."""
        return self._quantiles(rng.random(count)).astype(np.int64)

    def _edges(self) -> tuple[Numbers, Numbers]:
        """Where the cells of the grid meet, and the probability of a birth before."""
        half = self.step_days / 2
        edges = self.first_day - half + self.step_days * np.arange(len(self.probability) + 1, dtype=np.float64)
        return edges, np.concatenate([[0.0], np.cumsum(self.probability)])

    def _quantiles(self, shares: Numbers) -> Numbers:
        """Whole days; within a cell of the grid all days are alike."""
        edges, cumulative = self._edges()
        found: Numbers = np.minimum(np.round(np.interp(shares, cumulative, edges)), edges[-1] - 0.5)
        return found
