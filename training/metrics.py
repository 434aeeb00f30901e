"""How wrong a model is: per picture and per individual, with intervals over individuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from station.bundles import Figure
from training.folds import Numbers

Names = npt.NDArray[Any]
_DRAWS = 2000


def per_image(values: Numbers, individuals: Names, seed: int = 0) -> Figure:
    """The mean of `values` (N) over pictures, with its 95% bootstrap interval over individuals."""
    sums, counts = _by_individual(values, individuals)
    return _figure(sums, counts, seed)


def per_individual(values: Numbers, individuals: Names, seed: int = 0) -> Figure:
    """The mean over individuals of each one's mean (macro), with its 95% bootstrap interval over individuals."""
    sums, counts = _by_individual(values, individuals)
    return _figure(sums / counts, np.ones_like(counts), seed)


def _by_individual(values: Numbers, individuals: Names) -> tuple[Numbers, Numbers]:
    _, owner, counts = np.unique(individuals, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(owner, values), np.float64), counts.astype(np.float64)


def _figure(sums: Numbers, counts: Numbers, seed: int) -> Figure:
    """sum / count over all individuals, and the percentiles of that ratio when individuals are drawn anew.

    Pictures of one animal are alike, so animals are drawn, not pictures (Efron and Tibshirani 1993, ch. 8).
    One animal alone says nothing of others: no interval.
    """
    value = float(sums.sum() / counts.sum())
    animals = len(sums)
    if animals < 2:
        return Figure(value, None, None)
    drawn = np.random.default_rng(seed).multinomial(animals, np.full(animals, 1 / animals), _DRAWS)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), [2.5, 97.5])
    return Figure(value, float(low), float(high))
