"""What a model says of an animal of a true age, P(estimate | true age): learnt from animals it was not fitted on.

Estimates are drawn to the middle of the ages a model has seen.  Read forwards, from the true age to the estimate, that
is no harm: the curve is there, and it is inverted by Bayes' rule (`station.lifetime`).
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from station.bundles import BundleError, Card
from station.learning import Calibration, Curves, learn
from station.readings import Nature, Numbers

OLDEST_YEARS = 120.0
WRONG = 0.08
"""The share of an animal's pictures that is reckoned to show another one, or nothing: names are given by a machine."""
_GROSS = 0.03
"""The share of a table's estimates that are grossly wrong, though people looked whom they show."""
_TABLE_YEARS = 0.05
_UNKNOWN_TAU, _UNKNOWN_SIGMA = 4.0, 4.0
"""Of a model that nothing is known of."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """The estimate at a true age: its mean, and the spreads of what an animal's pictures share and do not share.

    `mean`, `tau` and `sigma` are tables over the true ages 0, 0.05, 0.1 ... years, on the scale that `nature` gives to
    estimates, which are years where they are small.
    """

    mean: Numbers
    tau: Numbers
    sigma: Numbers
    nature: Nature
    curves: Curves | None = None
    """What it was learnt as; None: it was not learnt."""

    @classmethod
    def plain(cls, tau_years: float, sigma_years: float, wrong: float = WRONG) -> Response:
        """The estimate is right on average, at every age alike, and the bias never fades."""
        ages = _ages()
        nature = Nature(math.inf, wrong, 60.0)
        return cls(ages, np.full_like(ages, tau_years), np.full_like(ages, sigma_years), nature)

    @classmethod
    def of(cls, card: Card | None, out_of_fold: Path | None) -> Response:
        """Learnt from a bundle's table; plain with the card's spreads where there is none or it is too short."""
        if out_of_fold is not None and out_of_fold.is_file():
            calibration = read_calibration(out_of_fold)
            if calibration.enough:
                return cls.learnt(calibration)
        tau, sigma = (card.tau_years, card.sigma_years) if card else (None, None)
        if card and tau is None and "mae_years" in card.metrics:
            tau = sigma = card.metrics["mae_years"].value * math.sqrt(math.pi / 4)
        return cls.plain(
            _UNKNOWN_TAU if tau is None else max(tau, 0.05), _UNKNOWN_SIGMA if sigma is None else max(sigma, 0.05)
        )

    @classmethod
    def learnt(cls, calibration: Calibration) -> Response:
        """Learnt from animals of known age."""
        return cls.from_curves(learn(calibration, _GROSS), WRONG)

    @classmethod
    def from_curves(cls, curves: Curves, wrong: float) -> Response:
        """Tabulated, so that a look is quick."""
        mean, tau, sigma = curves.at(_ages())
        return cls(mean, tau, sigma, replace(curves.nature, wrong=wrong), curves)

    def at(self, ages_years: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Mean, tau and sigma at true ages, on the scale; before birth as at birth."""
        place = np.clip(ages_years, 0, OLDEST_YEARS - 2 * _TABLE_YEARS) / _TABLE_YEARS
        low = place.astype(np.int64)
        share = place - low
        mean, tau, sigma = (
            table[low] + share * (table[low + 1] - table[low]) for table in (self.mean, self.tau, self.sigma)
        )
        return mean, tau, sigma

    def sigma_of(self, told: Numbers) -> Numbers:
        """Sigma at the age whose mean estimate is this, on the scale."""
        return np.interp(told, self.mean, self.sigma)

    def age_at(self, means: Numbers) -> Numbers:
        """The true age at which the mean estimate, on the scale, is this."""
        return np.interp(means, self.mean, _ages())

    def age_of(self, estimates_years: Numbers) -> Numbers:
        """The true age at which the mean estimate is this: a rough look back, without a prior."""
        return np.interp(self.nature.scaled(estimates_years), self.mean, _ages())


def _ages() -> Numbers:
    return np.arange(0, OLDEST_YEARS, _TABLE_YEARS)


def read_calibration(file: Path) -> Calibration:
    """A bundle's `out_of_fold.csv`, or a study's; raises `BundleError`."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [(r["individual"], float(r["age_years"]), float(r["estimate_years"])) for r in csv.DictReader(lines)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{file} is not a table of estimates out of fold: {error!r}") from error
    names, ages, estimates = zip(*rows, strict=True) if rows else ((), (), ())
    return Calibration(np.array(names, dtype=str), np.array(ages, dtype=float), np.array(estimates, dtype=float))
