"""How sure a model may be: temperature and intervals, from what it said of animals it had not seen.

Pictures of one animal share its peculiarities, so each counts 1/n of its animal, here as in the metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.folds import Indices, Names, Numbers
from training.judged import LEVELS, least_animals
from training.labels import Bins

SHIPPED = LEVELS.index(0.9)
"""The level of the interval that the card carries and the station tells."""
LEAST_ANIMALS = least_animals(LEVELS[SHIPPED])
"""With fewer calibration animals a 90% interval is unknown."""
_COLDEST, _HOTTEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_LEAST_SD_YEARS = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """What a model, or the models of several folds, said of N faces of animals they were not fitted on."""

    logits: Numbers
    """N x K, finite, before any temperature: their softmax is what the model says, whatever its loss."""
    log_prior: Numbers
    """N x K: the logarithm of the shares of the ages among the faces the model was fitted on."""
    ages_years: Numbers
    individuals: Names

    def take(self, rows: Indices) -> Unseen:
        """Some of the faces."""
        return Unseen(self.logits[rows], self.log_prior[rows], self.ages_years[rows], self.individuals[rows])


def joined(parts: Sequence[Unseen]) -> Unseen:
    """All faces of several folds."""
    return Unseen(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.log_prior for part in parts]),
        np.concatenate([part.ages_years for part in parts]),
        np.concatenate([part.individuals for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What makes probabilities and intervals of a model's logits."""

    temperature: float
    quantiles: tuple[float | None, ...]
    """Half the interval in standard deviations, at each of `LEVELS`; None: too few animals."""

    @property
    def interval_quantile(self) -> float | None:
        """That of the 90% interval."""
        return self.quantiles[SHIPPED]


def calibrate(unseen: Unseen, bins: Bins) -> Calibration:
    """Temperature and intervals."""
    heat = temperature(unseen, bins)
    mean, sd = moments(unseen, heat, bins)
    scores = np.abs(unseen.ages_years - mean) / sd
    return Calibration(heat, tuple(quantile(scores, unseen.individuals, level) for level in LEVELS))


def temperature(unseen: Unseen, bins: Bins) -> float:
    """The temperature that makes the true ages most likely (Guo et al. 2017, sec. 4.2)."""
    rows, truth = np.arange(len(unseen.logits)), bins.nearest(unseen.ages_years)
    weights = animal_weights(unseen.individuals)

    def surprise(log_heat: float) -> float:
        return float(-(weights * log_p(unseen, math.exp(log_heat))[rows, truth]).sum())

    return math.exp(_lowest(surprise, math.log(_COLDEST), math.log(_HOTTEST)))


def moments(unseen: Unseen, heat: float | Numbers, bins: Bins) -> tuple[Numbers, Numbers]:
    """The expectation over the bins and the standard deviation, in years, N each."""
    p = np.exp(log_p(unseen, heat))
    mean = p @ bins.years
    variance = (p * (bins.years - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.maximum(np.sqrt(variance), _LEAST_SD_YEARS)


def log_p(unseen: Unseen, heat: float | Numbers) -> Numbers:
    """Log-probabilities N x K at a temperature, or at one for each face (N).

    It divides what the picture adds to the prior.  Dividing the logits themselves, as is usual, would draw a
    doubtful estimate to the middle of the bins; this draws it to the ages that occur.  At temperature 1 both are the
    same.
    """
    z = unseen.log_prior + (unseen.logits - unseen.log_prior) / np.reshape(heat, (-1, 1))
    z = z - z.max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)), np.float64)


def quantile(scores: Numbers, individuals: Names, level: float = LEVELS[SHIPPED]) -> float | None:
    """The score that a picture of a new animal stays below with probability `level`; None: too few animals.

    Each score weighs 1/n of its animal and the new animal's mass lies at infinity (Lee, Barber and Willett 2023,
    arXiv:2306.06342, hierarchical conformal prediction): m animals make m / (m + 1) of the mass.
    """
    order = np.argsort(scores)
    weights = animal_weights(individuals)
    reached = np.cumsum(weights[order]) / (weights.sum() + 1)
    enough = np.flatnonzero(reached >= level - 1e-9)
    return float(scores[order[enough[0]]]) if len(enough) else None


def animal_weights(individuals: Names) -> Numbers:
    """1/n for each of an animal's n pictures, N: they sum to the number of animals."""
    _, owner, counts = np.unique(individuals, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[owner], np.float64)


def _lowest(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest, to 1e-4, by golden sections (Kiefer 1953)."""
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = f(a), f(b)
    while high - low > 1e-4:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - _GOLDEN * (high - low)
            at_a = f(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + _GOLDEN * (high - low)
            at_b = f(b)
    return (low + high) / 2
