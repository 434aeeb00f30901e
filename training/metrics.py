"""How wrong a model is: per picture and per individual, with 95% bootstrap intervals over individuals.

| name | what |
|---|---|
| `mae_years` | mean absolute error |
| `median_guess_mae_years` | the same of guessing the median age of the training faces |
| `bias_years` | mean of estimate minus age |
| `slope` | of the estimate on the age, least squares; below 1: drawn to the middle |
| `cs1`, `cs2`, `cs5` | cumulative score: the share with an error of at most 1, 2, 5 years |
| `stage_accuracy` | the share whose life stage at the estimate is the one at the true age |
| `nll` | negative log-likelihood of the true age's bin, in nats |
| `pit_error` | how far the distribution of the PIT lies from the uniform one: the mean distance of the two over |
| | 0.05, 0.10, ..., 0.95; 0 is calibrated, 0.5 the worst; never negative, so its interval lies a little high |
| `coverage_80`, `_90`, `_95` | the share of true ages that the interval holds |
| `width_80_years`, ... | the mean width of the interval |

All are means over pictures; with `_by_individual` in the name, means over individuals of each one's mean.
`interval_coverage` is `coverage_90_by_individual`.  What is unknown is left out: coverage and width where some face
has no interval, slope where all ages are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from station.bundles import Figure
from training.draws import Draws
from training.folds import Names, Numbers
from training.judged import LEVELS, Judged

_SCORES_YEARS = (1, 2, 5)
_PIT_GRID = np.linspace(0.05, 0.95, 19)


def per_image(values: Numbers, individuals: Names, seed: int = 0) -> Figure:
    """The mean of `values` (N) over pictures."""
    return Draws(individuals, seed).per_image(values)


def per_individual(values: Numbers, individuals: Names, seed: int = 0) -> Figure:
    """The mean over individuals of each one's mean (macro)."""
    return Draws(individuals, seed).per_individual(values)


def figures(judged: Judged, seed: int = 0) -> dict[str, Figure]:
    """By name, as in the table above."""
    draws = Draws(judged.individuals, seed)
    wrong = np.abs(judged.errors_years)
    guessed = np.abs(judged.guesses_years - judged.ages_years)
    found = {
        "mae_years": draws.per_image(wrong),
        "mae_by_individual_years": draws.per_individual(wrong),
        "median_guess_mae_years": draws.per_image(guessed),
        "median_guess_mae_by_individual_years": draws.per_individual(guessed),
        "bias_years": draws.per_image(judged.errors_years),
    }
    found |= {f"cs{years}": draws.per_image((wrong <= years).astype(float)) for years in _SCORES_YEARS}
    if np.ptp(judged.ages_years) > 0:
        found["slope"] = draws.figure(_slope(judged, draws))
    found["stage_accuracy"] = draws.per_image(_right_stage(judged))
    found["nll"] = draws.per_image(judged.surprise)
    found["pit_error"] = draws.figure(_pit_error(judged, draws))
    found |= _intervals(judged, draws)
    if "coverage_90_by_individual" in found:
        found["interval_coverage"] = found["coverage_90_by_individual"]
    return found


def by_stage(judged: Judged, seed: int = 0) -> dict[str, dict[str, Figure]]:
    """Of the life stages that occur, youngest first: `faces`, `individuals` (counts), and some of the figures above."""
    found = {}
    for stage in judged.stage_names:
        rows = np.flatnonzero(judged.stages == stage)
        if not len(rows):
            continue
        part = judged.take(rows)
        draws = Draws(part.individuals, seed)
        found[stage] = {
            "faces": Figure(len(rows), None, None),
            "individuals": Figure(draws.animals, None, None),
            "mae_years": draws.per_image(np.abs(part.errors_years)),
            "bias_years": draws.per_image(part.errors_years),
            "stage_accuracy": draws.per_image(_right_stage(part)),
            **_intervals(part, draws),
        }
    return found


@dataclass(frozen=True, slots=True)
class OfIndividual:
    """How one individual fared."""

    name: str
    faces: int
    mae_years: float
    bias_years: float
    coverage: tuple[float | None, ...]
    """The share of its pictures inside the interval, at each of `LEVELS`; None: some interval is unknown."""


def by_individual(judged: Judged) -> list[OfIndividual]:
    """Each individual, in the order of names."""
    return [
        _of_one(str(name), judged.take(np.flatnonzero(judged.individuals == name)))
        for name in np.unique(judged.individuals)
    ]


def _of_one(name: str, faces: Judged) -> OfIndividual:
    held = [faces.inside(level) for level in range(len(LEVELS))]
    return OfIndividual(
        name,
        len(faces.ages_years),
        float(np.abs(faces.errors_years).mean()),
        float(faces.errors_years.mean()),
        tuple(None if inside is None else float(inside.mean()) for inside in held),
    )


def _intervals(judged: Judged, draws: Draws) -> dict[str, Figure]:
    found = {}
    for level, promised in enumerate(LEVELS):
        if (inside := judged.inside(level)) is not None:
            percent = round(100 * promised)
            found[f"coverage_{percent}"] = draws.per_image(inside)
            found[f"coverage_{percent}_by_individual"] = draws.per_individual(inside)
            found[f"width_{percent}_years"] = draws.per_image((judged.high_years - judged.low_years)[:, level])
    return found


def _right_stage(judged: Judged) -> Numbers:
    return np.asarray(judged.stages == judged.estimated_stages, np.float64)


def _slope(judged: Judged, draws: Draws) -> Numbers:
    """Covariance over variance, R; NaN where a draw has but one age."""
    x = judged.ages_years - judged.ages_years.mean()
    y = judged.errors_years  # the slope of the error, which is that of the estimate less 1
    sums = draws.sums(np.stack([np.ones_like(x), x, y, x * x, x * y], axis=1))
    n, sx, sy, sxx, sxy = sums.T
    variance, covariance = sxx - sx * sx / n, sxy - sx * sy / n
    known = variance > 1e-9 * np.maximum(sxx, variance[0])
    return np.asarray(1 + np.divide(covariance, variance, out=np.full(len(n), np.nan), where=known), np.float64)


def _pit_error(judged: Judged, draws: Draws) -> Numbers:
    below = (judged.pit[:, None] <= _PIT_GRID).astype(np.float64)
    reached = draws.sums(below) / draws.sums_of_animals(draws.counts)[:, None]
    return np.asarray(np.abs(reached - _PIT_GRID).mean(axis=1), np.float64)
