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
from station.species import LifeStage
from training import folds, metrics
from training.calibrate import Calibration, Unseen, calibrate, log_p, moments
from training.folds import Indices, Numbers
from training.judged import LEVELS, Judged
from training.labels import Bins
from training.spreads import Spread, spread
from training.stages import stages_at, stages_for

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The calibration to ship, and what is known of the model, by name as in `training.metrics`."""

    calibration: Calibration
    spread: Spread | None
    metrics: dict[str, Figure]
    judged: Judged


def evaluate(
    unseen: Unseen,
    guesses_years: Numbers,
    bins: Bins,
    seed: int = 0,
    fold: Indices | None = None,
    stages: tuple[LifeStage, ...] | None = None,
) -> Evaluation:
    """Calibrates on all of `unseen`; measures each animal with the calibration of the others' scores (see above).

    `guesses_years`, N, is what to beat: the median age of the faces that the model was fitted on.  `fold`, N, as in
    `judge`.  Without `stages`, classes of age.
    """
    judged = judge(unseen, fold, guesses_years, bins, stages or stages_for(None, unseen.ages_years), seed)
    found = metrics.figures(judged, seed)
    return Evaluation(calibrate(unseen, bins), spread(judged.errors_years, unseen.individuals), found, judged)


def judge(
    unseen: Unseen,
    fold: Indices | None,
    guesses_years: Numbers,
    bins: Bins,
    stages: tuple[LifeStage, ...],
    seed: int = 0,
    leaking: bool = False,
) -> Judged:
    """Each fold's faces, with the temperature and the intervals of the other folds' scores (see above).

    `fold`, N, is the fold in which each face was tested; where it is None or the same for all (a model fitted once),
    the animals are dealt into folds here.  Raises `ValueError` where an animal stands in two folds, for which
    `leaking` (a random split, on purpose) gives leave, and where a logit is not a finite number.
    """
    if not np.isfinite(unseen.logits).all():
        raise ValueError("a logit is not a finite number: floor log-probabilities before they come here")
    if fold is not None and not leaking:
        _refuse_a_leak(unseen, fold)
    given = fold is not None and len(np.unique(fold)) > 1
    group = fold if fold is not None and given else _dealt(unseen, seed)
    heat, quantiles = _others_calibration(unseen, group, bins)
    mean, sd = moments(unseen, heat, bins)
    half = quantiles * sd[:, None]
    surprise, pit = _at_truth(unseen, heat, bins)
    return Judged(
        individuals=unseen.individuals,
        fold=group if fold is None else fold,
        ages_years=unseen.ages_years,
        estimates_years=mean,
        sd_years=sd,
        low_years=np.maximum(0.0, mean[:, None] - half),  # as the station does
        high_years=mean[:, None] + half,
        surprise=surprise,
        pit=pit,
        guesses_years=guesses_years,
        stages=stages_at(stages, unseen.ages_years),
        estimated_stages=stages_at(stages, mean),
        stage_names=tuple(stage.name for stage in stages),
    )


def _others_calibration(unseen: Unseen, group: Indices, bins: Bins) -> tuple[Numbers, Numbers]:
    """For each face the temperature, N, and the quantiles, N x len(LEVELS), that the other groups give."""
    heat, quantiles = np.ones(len(group)), np.full((len(group), len(LEVELS)), np.nan)
    for one in np.unique(group):
        others = np.flatnonzero(group != one)
        if len(others):
            known = calibrate(unseen.take(others), bins)
            heat[group == one] = known.temperature
            quantiles[group == one] = [np.nan if q is None else q for q in known.quantiles]
    return heat, quantiles


def _at_truth(unseen: Unseen, heat: Numbers, bins: Bins) -> tuple[Numbers, Numbers]:
    """Minus the log-probability of the true age's bin, and the share below the true age (half that bin), N each."""
    logs, truth = log_p(unseen, heat), bins.nearest(unseen.ages_years)
    at_truth = logs[np.arange(len(truth)), truth]
    below = np.where(np.arange(logs.shape[1]) < truth[:, None], np.exp(logs), 0.0).sum(axis=1)
    return -at_truth, below + np.exp(at_truth) / 2


def _refuse_a_leak(unseen: Unseen, fold: Indices) -> None:
    pairs = np.unique(np.stack([np.unique(unseen.individuals, return_inverse=True)[1], fold]), axis=1)
    names, times = np.unique(pairs[0], return_counts=True)
    if (times > 1).any():
        name = np.unique(unseen.individuals)[names[times > 1][0]]
        raise ValueError(f"{name} stands in two folds: it would help to calibrate what it is judged by")


def _dealt(unseen: Unseen, seed: int) -> Indices:
    """A fold for each face, no animal in two; all in one where there is but one animal."""
    fold = np.zeros(len(unseen.ages_years), np.intp)
    if len(np.unique(unseen.individuals)) > 1:
        splits = folds.subject_exclusive(unseen.individuals, unseen.ages_years, _FOLDS, seed)
        for number, split in enumerate(splits):
            fold[split.test] = number
    return fold
