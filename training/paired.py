"""Which of two judgements of the same faces is better, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from station.bundles import Figure
from training.draws import Draws
from training.folds import Names, Numbers
from training.judged import Judged

_NOT_THE_SAME = "two models can be compared only on the same faces, in the same order"


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of two mean absolute errors on the same draws of individuals."""

    difference_years: Figure
    """Of the first less the second: below 0 the first is better."""
    better: float
    """The share of the draws in which the first is better; a draw where both are the same counts by half."""

    @property
    def certain(self) -> bool:
        """Whether the interval lies on one side of 0."""
        low, high = self.difference_years.low, self.difference_years.high
        return low is not None and high is not None and (low > 0 or high < 0)


def paired(a: Judged, b: Judged, seed: int = 0) -> Paired:
    """Of two models.  Raises `ValueError` where they did not judge the same faces in the same order."""
    if not _same_faces(a, b):
        raise ValueError(_NOT_THE_SAME)
    return _compared(np.abs(a.errors_years), np.abs(b.errors_years), a.individuals, seed)


def _same_faces(a: Judged, b: Judged) -> bool:
    return np.array_equal(a.individuals, b.individuals) and np.array_equal(a.ages_years, b.ages_years)


def beside_guessing(judged: Judged, seed: int = 0) -> Paired:
    """Of a model and the median guess."""
    guessed = np.abs(judged.guesses_years - judged.ages_years)
    return _compared(np.abs(judged.errors_years), guessed, judged.individuals, seed)


def _compared(a: Numbers, b: Numbers, individuals: Names, seed: int) -> Paired:
    draws = Draws(individuals, seed)
    rows = draws.sums(a - b) / draws.sums_of_animals(draws.counts)
    better = float((np.sign(-rows[1:]).mean() + 1) / 2)
    return Paired(draws.figure(rows), better)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A difference of two mean absolute errors over individuals (macro), with what each draw of them gives."""

    years: Figure
    """Of the first less the second: below 0 the first is better."""
    draws_years: Numbers
    """Of each draw, DRAWS."""

    def share_below(self, limit_years: float) -> float:
        """The share of the draws below a limit; a draw that hits it counts by half."""
        return float((np.sign(limit_years - self.draws_years).mean() + 1) / 2)


def paired_by_individual(a: Judged, b: Judged, seed: int = 0) -> Drawn:
    """Of two models, each individual weighing the same.  Raises `ValueError` as `paired` does."""
    if not _same_faces(a, b):
        raise ValueError(_NOT_THE_SAME)
    draws = Draws(a.individuals, seed)
    gained = np.abs(a.errors_years) - np.abs(b.errors_years)
    rows = draws.sums_of_animals(draws.totals(gained) / draws.counts) / draws.animals
    return Drawn(draws.figure(rows), rows[1:])
