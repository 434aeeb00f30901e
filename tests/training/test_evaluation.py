from __future__ import annotations

import numpy as np
import pytest

from tests.training.test_calibrate import BINS, simulated
from training.calibrate import Unseen
from training.evaluation import evaluate


def test_errors_stand_beside_those_of_guessing_the_median() -> None:
    unseen = simulated(40, 4, np.random.default_rng(0))
    figures = evaluate(unseen, np.full(160, 20.0), BINS).metrics
    assert figures["median_guess_mae_years"].value == pytest.approx(np.abs(unseen.ages_years - 20).mean())
    assert figures["mae_years"].value < 0.6 * figures["median_guess_mae_years"].value


def test_coverage_is_measured_on_animals_whose_own_scores_were_not_calibrated_on() -> None:
    covered = [
        evaluate(simulated(40, 4, np.random.default_rng(seed)), np.zeros(160), BINS).metrics["interval_coverage"].value
        for seed in range(20)
    ]
    assert 0.87 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("animals", [1, 2, 8])
def test_with_few_animals_errors_are_known_and_coverage_is_not(animals: int) -> None:
    evaluation = evaluate(simulated(animals, 4, np.random.default_rng(0)), np.zeros(4 * animals), BINS)
    assert "interval_coverage" not in evaluation.metrics
    assert evaluation.metrics["mae_years"].value > 0


def test_one_animal_never_helps_to_calibrate_itself() -> None:
    honest = simulated(10, 4, np.random.default_rng(0))
    spoilt = honest.logits.copy()
    spoilt[:4] = -0.5 * ((BINS.years - 40) / 0.05) ** 2  # one animal, judged with false certainty
    figures = evaluate(
        Unseen(spoilt, honest.log_prior, honest.ages_years, honest.individuals), np.zeros(40), BINS
    ).metrics
    assert figures["mae_years"].value > 1
