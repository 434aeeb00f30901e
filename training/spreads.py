"""What repeated pictures of one animal have in common, and what not: why ten pictures are no ten animals.

An error is u + e: u (standard deviation tau) is shared by an animal's pictures, e (sigma) is each picture's own.
Variance components of a one-way layout (Searle, Casella and McCulloch 1992, ch. 3, ANOVA estimators).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from station.bundles import Figure
from training.draws import Draws
from training.folds import Names, Numbers
from training.judged import Judged, least_animals

_LEAST_REPEATED = least_animals(0.9)
"""So many animals must have two pictures or more, as many as an interval takes: a spread of few is a guess."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of repeated pictures, in years: `tau`, the error an animal's pictures share; `sigma`, from picture to picture."""

    tau_years: float
    sigma_years: float


@dataclass(frozen=True, slots=True)
class SpreadFigures:
    """The same with intervals, and how many animals with repeated pictures they rest on."""

    tau_years: Figure
    sigma_years: Figure
    animals: int


def spread(errors_years: Numbers, individuals: Names) -> Spread | None:
    """None with fewer than nine animals of which there are two pictures."""
    found = spread_figures(errors_years, individuals)
    return None if found is None else Spread(found.tau_years.value, found.sigma_years.value)


def spread_figures(errors_years: Numbers, individuals: Names, seed: int = 0) -> SpreadFigures | None:
    """None with fewer than nine animals of which there are two pictures."""
    draws = Draws(individuals, seed)
    repeated = int((draws.counts > 1).sum())
    if repeated < _LEAST_REPEATED:
        return None
    tau, sigma = _components(errors_years, draws)
    return SpreadFigures(draws.figure(tau), draws.figure(sigma), repeated)


def spreads(judged: Judged, seed: int = 0) -> dict[str, SpreadFigures | None]:
    """By life stage at the true age, youngest first: of the errors that an animal's pictures have in that stage."""
    rows = {stage: np.flatnonzero(judged.stages == stage) for stage in judged.stage_names}
    return {stage: spread_figures(judged.errors_years[r], judged.individuals[r], seed) for stage, r in rows.items()}


def _components(errors_years: Numbers, draws: Draws) -> tuple[Numbers, Numbers]:
    """Tau and sigma, R each; where a draw says nothing of sigma, NaN."""
    n, y = draws.counts, errors_years - errors_years.mean()
    totals = draws.totals(y)
    own = draws.totals(y * y) - totals**2 / n
    columns = np.stack([np.ones_like(n), n, n * n, totals, totals**2 / n, own], axis=1)
    animals, pictures, squares, sums, between, within = draws.sums_of_animals(columns).T
    repeats = np.where(pictures > animals, pictures - animals, math.nan)
    within = np.maximum(within, 0.0) / repeats
    between = (between - sums**2 / pictures) / (animals - 1)
    usual_n = (pictures - squares / pictures) / (animals - 1)
    return np.sqrt(np.maximum(0.0, (between - within) / usual_n)), np.sqrt(within)
