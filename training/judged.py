"""What models said of faces of individuals they were not fitted on, calibrated on other individuals still."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.folds import Indices, Names, Numbers

LEVELS = (0.8, 0.9, 0.95)
"""How often an interval is to hold the true age."""


def least_animals(level: float) -> int:
    """With fewer calibration animals an interval of that level is unknown: m animals make m / (m + 1) of the mass."""
    return math.ceil(level / (1 - level) - 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """N faces; everything that a figure of a report is made from."""

    individuals: Names
    fold: Indices
    """The fold in which each face was tested."""
    ages_years: Numbers
    estimates_years: Numbers
    sd_years: Numbers
    low_years: Numbers
    """N x len(LEVELS): the interval's lower end, 0 at least; NaN where there are too few animals to know."""
    high_years: Numbers
    surprise: Numbers
    """Minus the logarithm of the probability of the true age's bin (NLL), in nats."""
    pit: Numbers
    """The share of the distribution below the true age, the true bin by half (Czado, Gneiting and Held 2009)."""
    guesses_years: Numbers
    """What to beat: the median age of the faces the model was fitted on."""
    stages: Names
    """The life stage at the true age; where no species file tells, an age class."""
    estimated_stages: Names
    """The life stage at the estimate."""
    stage_names: tuple[str, ...]
    """All of them, youngest first."""

    @property
    def errors_years(self) -> Numbers:
        """Estimate minus true age."""
        return self.estimates_years - self.ages_years

    def inside(self, level: int) -> Numbers | None:
        """1 where the interval of `LEVELS[level]` holds the true age, else 0; None where some interval is unknown."""
        low, high = self.low_years[:, level], self.high_years[:, level]
        if math.isnan((low + high).sum()):
            return None
        return ((low <= self.ages_years) & (self.ages_years <= high)).astype(float)

    def take(self, rows: Indices) -> Judged:
        """Some of the faces."""
        return Judged(
            self.individuals[rows],
            self.fold[rows],
            self.ages_years[rows],
            self.estimates_years[rows],
            self.sd_years[rows],
            self.low_years[rows],
            self.high_years[rows],
            self.surprise[rows],
            self.pit[rows],
            self.guesses_years[rows],
            self.stages[rows],
            self.estimated_stages[rows],
            self.stage_names,
        )
