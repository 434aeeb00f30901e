from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import simulated as known
from tests.training.test_calibrate import BINS, simulated
from training.calibrate import Unseen
from training.evaluation import evaluate, judge
from training.folds import subject_exclusive
from training.judged import Judged


def judged(unseen: Unseen, fold: np.ndarray[tuple[int], np.dtype[np.intp]] | None = None, seed: int = 0) -> Judged:
    return judge(unseen, fold, np.full(len(unseen.ages_years), 20.0), known.BINS, known.STAGES, seed)


def folds_of(unseen: Unseen) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    fold = np.zeros(len(unseen.ages_years), np.intp)
    for number, split in enumerate(subject_exclusive(unseen.individuals, unseen.ages_years)):
        fold[split.test] = number
    return fold


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


def test_of_sixty_animals_with_shared_errors_each_level_holds_what_it_promises() -> None:
    """Pictures from 2 to 12 an animal at several ages, errors shared (3 years) and their own (2): the real case."""
    held = []
    for seed in range(25):
        faces = judged(known.unseen(60, np.random.default_rng(seed)))
        held.append([inside.mean() for level in range(3) if (inside := faces.inside(level)) is not None])
    eighty, ninety, ninety_five = np.mean(held, axis=0)
    assert 0.77 <= eighty <= 0.85
    assert 0.87 <= ninety <= 0.95
    assert 0.93 <= ninety_five <= 0.99


@pytest.mark.parametrize("animals", [1, 2, 8])
def test_with_few_animals_errors_are_known_and_coverage_is_not(animals: int) -> None:
    evaluation = evaluate(simulated(animals, 4, np.random.default_rng(0)), np.zeros(4 * animals), BINS)
    assert "interval_coverage" not in evaluation.metrics
    assert evaluation.metrics["mae_years"].value > 0


def test_seven_animals_have_an_interval_of_four_fifths_and_no_other() -> None:
    faces = judged(known.unseen(7, np.random.default_rng(0)))
    assert [faces.inside(level) is None for level in range(3)] == [False, True, True]


def test_an_animals_own_labels_change_nothing_in_its_judgement() -> None:
    """What is said of it, and how surely, comes of others alone."""
    honest = known.unseen(30, np.random.default_rng(0))
    fold, first = folds_of(honest), honest.individuals == honest.individuals[0]
    mislabelled = replace(honest, ages_years=np.where(first, 50.0, honest.ages_years))
    one, other = judged(honest, fold), judged(mislabelled, fold)
    assert (one.estimates_years[first] == other.estimates_years[first]).all()
    assert (one.high_years[first] == other.high_years[first]).all()
    assert (one.high_years != other.high_years).any()


def test_the_calibration_of_a_fold_is_that_of_the_other_folds() -> None:
    """The models of the folds differ in certainty: each is judged by what the others would have made of it."""
    unseen = known.unseen(60, np.random.default_rng(0))
    fold = folds_of(unseen)
    spoilt = replace(unseen, logits=np.where((fold == 2)[:, None], 50 * unseen.logits, unseen.logits))
    one, other = judged(unseen, fold), judged(spoilt, fold)
    sharper = other.sd_years[fold == 2] < one.sd_years[fold == 2]
    assert sharper.all()


def test_given_folds_are_kept_and_none_are_dealt() -> None:
    unseen = known.unseen(30, np.random.default_rng(0))
    fold = folds_of(unseen) + 3
    assert (judged(unseen, fold).fold == fold).all()


def test_a_model_fitted_once_is_judged_by_animals_dealt_into_folds() -> None:
    unseen = known.unseen(30, np.random.default_rng(0))
    once, dealt = judged(unseen, np.full(len(unseen.ages_years), 4)), judged(unseen)
    assert (once.fold == 4).all()
    assert (once.high_years == dealt.high_years).all()
    assert len(np.unique(dealt.fold)) == 5


def test_an_animal_in_two_folds_is_refused() -> None:
    unseen = known.unseen(12, np.random.default_rng(0))
    with pytest.raises(ValueError, match="animal-000 stands in two folds"):
        judged(unseen, np.arange(len(unseen.ages_years)) % 5)


def test_a_random_split_is_judged_on_purpose_only() -> None:
    unseen = known.unseen(12, np.random.default_rng(0))
    fold, guesses = np.arange(len(unseen.ages_years)) % 5, np.zeros(len(unseen.ages_years))
    faces = judge(unseen, fold, guesses, known.BINS, known.STAGES, leaking=True)
    assert np.isfinite(faces.estimates_years).all()


def test_a_logit_that_is_no_number_is_refused() -> None:
    unseen = known.unseen(12, np.random.default_rng(0))
    unseen.logits[3, 4] = -np.inf
    with pytest.raises(ValueError, match="not a finite number"):
        judged(unseen)


def test_logits_and_their_log_probabilities_say_the_same() -> None:
    """Ordinal losses give log-probabilities."""
    unseen = known.unseen(20, np.random.default_rng(0))
    logs = unseen.logits - np.log(np.exp(unseen.logits).sum(axis=1, keepdims=True))
    one, other = judged(unseen), judged(replace(unseen, logits=logs))
    assert one.estimates_years == pytest.approx(other.estimates_years, abs=0.01)
    assert one.surprise == pytest.approx(other.surprise, abs=0.01)


def test_the_interval_is_the_stations_and_begins_at_birth_at_the_earliest() -> None:
    faces = judged(known.unseen(40, np.random.default_rng(0)))
    above = faces.high_years - faces.estimates_years[:, None]
    below = faces.estimates_years[:, None] - faces.low_years
    cut = faces.low_years == 0
    assert below[~cut] == pytest.approx(above[~cut])
    assert (faces.low_years >= 0).all() and cut.any()


def test_the_pit_of_a_calibrated_model_is_uniform() -> None:
    unseen = known.unseen(400, np.random.default_rng(0), tau=0.0, sigma=2.0)
    pit = judged(unseen).pit
    assert np.quantile(pit, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.04)


@given(st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_faces_does_not_matter(seed: int) -> None:
    chance = np.random.default_rng(seed)
    unseen = known.unseen(12, chance, most=4)
    order = chance.permutation(len(unseen.ages_years))
    one, other = judged(unseen).take(order), judged(unseen.take(order))
    assert (one.fold == other.fold).all()
    assert one.estimates_years == pytest.approx(other.estimates_years, abs=0.01)
    assert one.high_years == pytest.approx(other.high_years, abs=0.05, nan_ok=True)


def test_one_animal_never_helps_to_calibrate_itself() -> None:
    honest = simulated(10, 4, np.random.default_rng(0))
    spoilt = honest.logits.copy()
    spoilt[:4] = -0.5 * ((BINS.years - 40) / 0.05) ** 2  # one animal, judged with false certainty
    figures = evaluate(replace(honest, logits=spoilt), np.zeros(40), BINS).metrics
    assert figures["mae_years"].value > 1
