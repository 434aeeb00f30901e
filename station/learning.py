"""How a model answers, learnt from animals of known age that it was not fitted on.

Three curves of the true age (mean estimate, spread of the shared bias, spread of the noise) are splines in
x = log(1 + age).  They, the scale of the estimates and the fading of the bias (`station.readings`) are those that make
the table most likely, drawn to plain answers where animals are few: a mean that rises with age, spreads that change
slowly.  What is not known of the mean curve is an error that all pictures at that age share, and is added to the bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from scipy.optimize import minimize

from station.readings import Filter, Nature, Numbers, scaled

_LEAST_REPEATED = 9
_MOST_PICTURES = 40
"""Of one animal: more of them say little more."""
_DEGREE, _COEFFICIENTS = 3, 7
_BEND = 6.0
"""Years: where the search for the scale begins, and what it is drawn to."""
_BOUNDS = [(-5, 10)] + [(-5, 2)] * (_COEFFICIENTS - 1) + [(-5, 5)] * (2 * _COEFFICIENTS) + [(-3, 5), (-1, 6)]
"""Of the parameters of `_Problem`: further out there is nothing but overflows."""
_STEP = 1e-4
_BEYOND = 0.3
"""What the yearly rise may be off by beyond the oldest animal of the table: a standard deviation, as a share of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Estimates out of fold, one a picture: three columns of one length."""

    individuals: npt.NDArray[np.str_]
    ages_years: Numbers
    estimates_years: Numbers

    @property
    def enough(self) -> bool:
        """Whether animals with several pictures are enough to tell their bias from the noise."""
        return int((np.unique(self.individuals, return_counts=True)[1] > 1).sum()) >= _LEAST_REPEATED

    def without(self, individual: str) -> Calibration:
        """The table without one animal, which it is then fair to judge."""
        kept = self.individuals != individual
        return Calibration(self.individuals[kept], self.ages_years[kept], self.estimates_years[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Cubic B-splines in log(1 + age) up to the oldest animal; beyond it the curves are level, but for the mean."""

    oldest: float
    knots: Numbers

    @classmethod
    def up_to(cls, oldest_years: float) -> Basis:
        """Knots evenly spread in log(1 + age)."""
        inner = np.linspace(0, math.log1p(oldest_years), _COEFFICIENTS - _DEGREE + 1)
        return cls(oldest_years, np.concatenate([np.zeros(_DEGREE), inner, np.full(_DEGREE, inner[-1])]))

    def at(self, ages_years: Numbers) -> Numbers:
        """N x coefficients."""
        x = np.log1p(np.clip(ages_years, 0, self.oldest))
        matrix: Numbers = BSpline.design_matrix(np.minimum(x, self.knots[-1]), self.knots, _DEGREE).toarray()
        return matrix

    def beyond(self, ages_years: Numbers) -> Numbers:
        """Years beyond the oldest animal."""
        years: Numbers = np.maximum(ages_years - self.oldest, 0)
        return years

    @property
    def ages_years(self) -> Numbers:
        """The age that each coefficient stands at (Greville's abscissae)."""
        means: Numbers = np.array([self.knots[i + 1 : i + 1 + _DEGREE].mean() for i in range(_COEFFICIENTS)])
        return np.expm1(means)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What was learnt: spline coefficients, and how uncertain those of the mean are."""

    basis: Basis
    mean: Numbers
    log_tau: Numbers
    log_sigma: Numbers
    covariance: Numbers
    """Of the coefficients of the mean."""
    nature: Nature

    def at(self, ages_years: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Mean, tau and sigma on the scale of the estimates; tau with what is not known of the mean."""
        within, beyond = self.basis.at(ages_years), self.basis.beyond(ages_years)
        before, last = self.basis.at(self.basis.oldest - np.array([1.0, 0.0])) @ self.mean
        doubt = np.einsum("ij,jk,ik->i", within, self.covariance, within) + (_BEYOND * (last - before) * beyond) ** 2
        tau = np.sqrt(np.exp(2 * within @ self.log_tau) + doubt)
        return within @ self.mean + (last - before) * beyond, tau, np.exp(within @ self.log_sigma)


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """The table, an animal a column and its pictures from young to old: arrays of pictures x animals."""

    estimates: Numbers
    x: Numbers
    basis: Numbers
    """Pictures x animals x coefficients."""
    present: Numbers


def learn(calibration: Calibration, wrong: float) -> Curves:
    """The likeliest curves, or rather the mode of their posterior."""
    basis = Basis.up_to(max(1.0, float(calibration.ages_years.max())))
    sheet = _sheet(calibration, basis)
    span = max(1.0, float(calibration.estimates_years.max()))
    problem = _Problem(basis, sheet, wrong, span)
    found = minimize(
        problem.value_and_slope, problem.guess(), jac=True, method="L-BFGS-B", bounds=_BOUNDS, options={"maxiter": 200}
    )
    mean, log_tau, log_sigma, fading, bend = (part[0] for part in problem.parts(found.x[None]))
    covariance = problem.covariance_of_the_mean(found.x)
    nature = Nature(float(fading), wrong, span, float(bend))
    return Curves(basis, mean, log_tau, log_sigma, covariance, nature)


def _sheet(table: Calibration, basis: Basis) -> _Sheet:
    rows = []
    for name in np.unique(table.individuals):
        own = np.flatnonzero(table.individuals == name)
        own = own[np.argsort(table.ages_years[own], kind="stable")]
        rows.append(own[np.linspace(0, len(own) - 1, min(len(own), _MOST_PICTURES)).round().astype(int)])
    shape = (max(map(len, rows)), len(rows))
    index, present = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for column, own in enumerate(rows):
        index[: len(own), column], present[: len(own), column] = own, 1
        index[len(own) :, column] = own[-1]
    ages = table.ages_years[index]
    matrix = basis.at(ages.ravel()).reshape(*shape, -1)
    return _Sheet(table.estimates_years[index], np.log1p(np.maximum(ages, 0)), matrix, present)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Minus the log posterior: start of the mean, log slopes, log tau, log sigma, log fading, log bend."""

    basis: Basis
    sheet: _Sheet
    wrong: float
    span: float

    def guess(self) -> Numbers:
        """Where the search begins: near the identity, with the spreads that its errors have."""
        level = math.log(max(0.2, float(np.std(self.sheet.estimates[self.sheet.present > 0])) / 4))
        slopes = np.full(_COEFFICIENTS - 1, math.log(0.8))
        return np.concatenate([[0.5], slopes, np.full(2 * _COEFFICIENTS, level), [0.0, math.log(_BEND)]])

    def parts(self, points: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers, Numbers]:
        """Mean coefficients, log tau, log sigma, fading, bend; a point a row."""
        k = _COEFFICIENTS
        bend = np.exp(points[:, -1])
        even = scaled(self.basis.ages_years, bend[:, None])
        rises = np.exp(points[:, 1:k]) * np.diff(even)
        mean = np.concatenate([points[:, :1], points[:, :1] + np.cumsum(rises, axis=1)], axis=1)
        return mean, points[:, k : 2 * k], points[:, 2 * k : 3 * k], np.exp(points[:, -2]), bend

    def __call__(self, points: Numbers) -> Numbers:
        """P x parameters -> P."""
        mean, log_tau, log_sigma, fading, bend = self.parts(points)
        sheet, bend = self.sheet, bend[:, None]
        estimates = scaled(sheet.estimates[:, None], bend)
        state = Filter.start(Nature(1.0, self.wrong, self.span), estimates.shape[1:], bend)
        means, taus, variances = (
            np.einsum("jak,pk->jpa", sheet.basis, part) for part in (mean, log_tau, 2 * log_sigma)
        )
        np.exp(taus, out=taus)
        np.exp(variances, out=variances)
        x = sheet.x[:, None, :] / fading[:, None]
        for j in range(len(estimates)):
            state.fade(x[j])
            state.read(estimates[j], means[j], taus[j], variances[j], sheet.present[j])
        stretched: Numbers = (estimates / bend * sheet.present[:, None]).sum(axis=0)
        worth: Numbers = (state.log_likelihood - stretched).sum(axis=1)
        return self._prior(points) - worth

    def _prior(self, points: Numbers) -> Numbers:
        k = _COEFFICIENTS
        slopes, taus, sigmas = points[:, 1:k], points[:, k : 2 * k], points[:, 2 * k : 3 * k]
        total: Numbers = (
            _square(points[:, :1] - 0.5, 1.5)
            + _square(slopes - math.log(0.8), 1.0)
            + _square(np.diff(slopes), 0.4)
            + _square(np.diff(taus), 0.4)
            + _square(np.diff(sigmas), 0.4)
            + _square(taus - sigmas, 1.0)
            + _square(points[:, -2:-1], 1.0)
            + _square(points[:, -1:] - math.log(_BEND), 1.5)
        )
        return total

    def value_and_slope(self, point: Numbers) -> tuple[float, Numbers]:
        """By central differences, all in one pass."""
        moves = np.eye(len(point)) * _STEP
        values = self(np.concatenate([point[None], point + moves, point - moves]))
        n = len(point)
        return float(values[0]), (values[1 : n + 1] - values[n + 1 :]) / (2 * _STEP)

    def covariance_of_the_mean(self, point: Numbers) -> Numbers:
        """Of the mean's coefficients, from the curvature at the mode (Laplace)."""
        k, step = _COEFFICIENTS, 1e-3
        moves = np.zeros((k, len(point)))
        moves[:, :k] = np.eye(k) * step
        pairs = [(i, j) for i in range(k) for j in range(i + 1)]
        corners = [
            point + a * moves[i] + b * moves[j] for i, j in pairs for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
        ]
        values = self(np.array(corners)).reshape(-1, 4)
        curvature = np.zeros((k, k))
        for (i, j), v in zip(pairs, values, strict=True):
            curvature[i, j] = curvature[j, i] = (v[0] - v[1] - v[2] + v[3]) / (4 * step * step)
        values, vectors = np.linalg.eigh(curvature)
        own = (vectors / np.maximum(values, 1e-3)) @ vectors.T
        jacobian = (self.parts(point + moves)[0] - self.parts(point - moves)[0]).T / (2 * step)
        covariance: Numbers = jacobian @ own @ jacobian.T
        return covariance


def _square(values: Numbers, sd: float) -> Numbers:
    total: Numbers = 0.5 * ((values / sd) ** 2).sum(axis=1)
    return total
