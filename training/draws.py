"""Individuals drawn anew: where the interval of every figure comes from.

Pictures of one animal are alike, so animals are drawn, not pictures (Efron and Tibshirani 1993, ch. 8).
"""

from __future__ import annotations

import numpy as np

from station.bundles import Figure
from training.folds import Names, Numbers

DRAWS = 2000
_LIMITS = (2.5, 97.5)


class Draws:
    """The same draws for every figure of a set of faces, and for every set of the same individuals.

    What is computed from `sums` has R = 1 + DRAWS rows: the faces as they are, then one row a draw.
    """

    def __init__(self, individuals: Names, seed: int = 0) -> None:
        """N names."""
        _, self._owner, self._counts = np.unique(individuals, return_inverse=True, return_counts=True)
        self.animals = len(self._counts)
        drawn = np.random.default_rng(seed).integers(self.animals, size=(DRAWS, self.animals))
        place = drawn + self.animals * np.arange(DRAWS)[:, None]
        times = np.bincount(place.ravel(), minlength=DRAWS * self.animals).reshape(DRAWS, self.animals)
        self._times = np.vstack([np.ones(self.animals), times])

    def sums(self, values: Numbers) -> Numbers:
        """The sum over the pictures, R, of values N; or R x C, of N x C."""
        return self.sums_of_animals(self.totals(values))

    def sums_of_animals(self, values: Numbers) -> Numbers:
        """The sum over the individuals, R (x C), of values that each individual has one of (in the order of names)."""
        return np.asarray(self._times @ values, np.float64)

    def totals(self, values: Numbers) -> Numbers:
        """The sum over each individual's pictures, in the order of names."""
        found = np.zeros((self.animals, *values.shape[1:]))
        np.add.at(found, self._owner, values)
        return found

    @property
    def counts(self) -> Numbers:
        """How many pictures each individual has, in the order of names."""
        return self._counts.astype(np.float64)

    def per_image(self, values: Numbers) -> Figure:
        """The mean of values (N) over pictures."""
        return self.figure(self.sums(values) / self.sums_of_animals(self.counts))

    def per_individual(self, values: Numbers) -> Figure:
        """The mean over individuals of each one's mean (macro)."""
        return self.figure(self.sums_of_animals(self.totals(values) / self.counts) / self.animals)

    def figure(self, rows: Numbers) -> Figure:
        """The value on the faces as they are, with the percentiles over the draws that have one.

        One animal alone says nothing of others: no interval.
        """
        drawn = rows[1:][np.isfinite(rows[1:])]
        if self.animals < 2 or not len(drawn):
            return Figure(float(rows[0]), None, None)
        low, high = np.percentile(drawn, _LIMITS)
        return Figure(float(rows[0]), float(low), float(high))
