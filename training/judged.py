"""What models said of faces of individuals they were not fitted on, calibrated on other individuals still."""

from __future__ import annotations

from dataclasses import dataclass

from training.folds import Indices, Numbers
from training.metrics import Names

LEVELS = (0.8, 0.9, 0.95)
"""How often an interval is to hold the true age."""


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
    """N x len(LEVELS): the interval's lower end; NaN where there are too few animals to know."""
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
