"""From ages to what a softmax age model is fitted to: bins and soft labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from station.domain import Floats
from training.folds import Indices, Numbers

_WIDTHS_YEARS = (1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The ages a model can choose between, `years` (K, rising from 0), and the width of its soft labels."""

    years: Numbers
    sigma_years: float

    @classmethod
    def for_ages(cls, ages_years: Numbers) -> Bins:
        """Bins of a year, finer where the oldest is at most 10 years, with two sigma of head room.

        Sigma is 3% of the oldest age, at least a bin: 2 years for people (of 2 and 3, 2 did slightly better on FG-NET).
        """
        oldest = float(ages_years.max())
        width = next((w for w in _WIDTHS_YEARS if oldest / w > 10), _WIDTHS_YEARS[-1])
        sigma = max(width, 0.03 * oldest)
        count = math.ceil((oldest + 2 * sigma) / width) + 1
        return cls(np.arange(count, dtype=np.float64) * width, sigma)

    def labels(self, ages_years: Numbers) -> Floats:
        """Soft labels N x K: a normal density around each age, normalised over the bins (Gao et al. 2017, DLDL)."""
        weights = np.exp(-0.5 * ((self.years - ages_years[:, None]) / self.sigma_years) ** 2)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

    def nearest(self, ages_years: Numbers) -> Indices:
        """The number of the bin nearest to each age, N."""
        return np.asarray(np.abs(self.years - ages_years[:, None]).argmin(axis=1))
