"""Whether an animal seems to age a year a year: where it does not, two animals may go by one name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from station.birth import DAYS_PER_YEAR, BirthDate
from station.readings import Numbers
from station.response import Response
from station.series import AgeReading, Series, gathered, series

LEAST_READINGS = 4
_CERTAIN = 3.29
"""Standard deviations: one animal in a thousand that is one animal is suspected."""
_INTERVAL = 1.96
_HUBER = 2.0
_ROUNDS = 8
_LEAST_RISE = 0.1
"""Of the mean estimate in a year, where the curve is all but level."""


@dataclass(frozen=True, slots=True)
class Ageing:
    """How fast an animal seems to age, in years a year, with its 95% interval."""

    years_per_year: float
    low: float
    high: float
    suspect: bool
    """It ages so unlike a year a year that its pictures are likely to be of two animals."""


def ageing(readings: Sequence[AgeReading] | Series, response: Response, birth: BirthDate) -> Ageing | None:
    """The slope of its apparent age; None with too few readings.  `birth` is what `birth_date` said of them.

    The readings' departure from what an animal born at the median of `birth` should show is regressed on time
    (generalised least squares with the covariance that a fading bias and the noise give; Huber's weights).
    """
    every = readings if isinstance(readings, Series) else series(readings)
    seen = gathered(every, response)
    if len(seen) < LEAST_READINGS or seen.days[-1] - seen.days[0] < 1:
        return None
    ages = np.maximum((seen.days - birth.median().toordinal()) / DAYS_PER_YEAR, 0)
    mean, tau, sigma = response.at(ages)
    rise = np.maximum(response.at(ages + 0.5)[0] - response.at(ages - 0.5)[0], _LEAST_RISE)
    x = np.log1p(ages)
    shared = np.exp(-np.abs(x[:, None] - x) / response.nature.fading) * np.outer(tau, tau)
    years = (seen.days - seen.days.mean()) / DAYS_PER_YEAR
    design = np.stack([rise, rise * years], axis=1)
    slope, error = _slope(seen.scaled - mean, design, shared, sigma**2 / seen.counts)
    low, high = 1 + slope - _INTERVAL * error, 1 + slope + _INTERVAL * error
    return Ageing(1 + slope, low, high, abs(slope) > _CERTAIN * error)


def _slope(errors: Numbers, design: Numbers, shared: Numbers, noise: Numbers) -> tuple[float, float]:
    """The second coefficient and its standard error; what lies far off the line is given more noise."""
    weights = np.ones_like(errors)
    for _ in range(_ROUNDS):
        solved = np.linalg.solve(shared + np.diag(noise / weights), np.column_stack([design, errors]))
        covariance = np.linalg.inv(design.T @ solved[:, :2])
        found = covariance @ (design.T @ solved[:, 2])
        left = errors - design @ found
        off = np.abs(left - np.median(left)) / np.sqrt(noise)
        before, weights = weights, _HUBER / np.maximum(off, _HUBER)
        if np.allclose(weights, before, atol=0.01):
            break
    return float(found[1]), math.sqrt(float(covariance[1, 1]))
