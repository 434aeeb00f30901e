"""What is known of a model from animals it had not seen: its calibration and its errors.

With a frozen backbone the scores of an animal come from a head that was fitted without it, and its interval from
the scores of the other animals: *cross-conformal* (Vovk 2015, Annals of Mathematics and Artificial Intelligence 74;
by its leave-out residuals like the CV+ of Barber, Candès, Ramdas and Tibshirani 2021, Annals of Statistics 49).  The
heads that gave those other scores were, for the most part, fitted on the animal that is judged.  So the measured
coverage is not that of a calibration blind to the animal, and no theorem gives 90%: CV+ itself guarantees only
1 - 2 alpha (80%), for intervals built otherwise than these, on exchangeable individuals; near 90% is what is usual
where leaving a fold out changes a head little.  What ships is one more head, fitted on all animals, with the
calibration of the folds' heads: the guarantee of split conformal prediction is not its own either.

Fine-tuned, one fold's animals judge the shipped model itself, and are calibrated on each other: there the judged
animal is unknown to both the model and the calibration it is measured with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from station.bundles import Figure
from training import folds, metrics
from training.calibrate import Calibration, Spread, Unseen, calibrate, moments, spread
from training.folds import Numbers
from training.labels import Bins

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The calibration to ship, and figures by name: mean absolute errors in years, coverage as a fraction."""

    calibration: Calibration
    spread: Spread | None
    metrics: dict[str, Figure]


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    errors_years: Numbers
    inside: Numbers | None
    """1 where the 90% interval held the true age; None where some interval is unknown."""


def evaluate(unseen: Unseen, guesses_years: Numbers, bins: Bins, seed: int = 0) -> Evaluation:
    """Calibrates on all of `unseen`; measures each animal with the calibration of the others' scores (see above).

    `guesses_years`, N, is what to beat: the median age of the faces that the model was fitted on.
    """
    judged = _cross_calibrated(unseen, bins, seed)
    errors, guessed = np.abs(judged.errors_years), np.abs(guesses_years - unseen.ages_years)
    who = unseen.individuals
    figures = {
        "mae_years": metrics.per_image(errors, who, seed),
        "mae_by_individual_years": metrics.per_individual(errors, who, seed),
        "median_guess_mae_years": metrics.per_image(guessed, who, seed),
        "median_guess_mae_by_individual_years": metrics.per_individual(guessed, who, seed),
    }
    if judged.inside is not None:
        figures["interval_coverage"] = metrics.per_individual(judged.inside, who, seed)
    return Evaluation(calibrate(unseen, bins), spread(judged.errors_years, who), figures)


def _cross_calibrated(unseen: Unseen, bins: Bins, seed: int) -> _Judged:
    """Errors and intervals of each animal, calibrated on the scores of the others."""
    if len(np.unique(unseen.individuals)) < 2:
        return _Judged(moments(unseen, 1.0, bins)[0] - unseen.ages_years, None)
    errors, inside = np.zeros(len(unseen.ages_years)), np.full(len(unseen.ages_years), np.nan)
    for split in folds.subject_exclusive(unseen.individuals, unseen.ages_years, _FOLDS, seed):
        known, judged = calibrate(unseen.take(split.train), bins), unseen.take(split.test)
        mean, sd = moments(judged, known.temperature, bins)
        errors[split.test] = mean - judged.ages_years
        if known.interval_quantile is not None:
            inside[split.test] = np.abs(errors[split.test]) <= known.interval_quantile * sd
    return _Judged(errors, None if np.isnan(inside).any() else inside)
