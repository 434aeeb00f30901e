from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibrate import Unseen, animal_weights, calibrate, moments, quantile, temperature
from training.judged import least_animals
from training.labels import Bins

BINS = Bins(np.arange(41.0), 1.0)


def simulated(
    animals: int, pictures: int, chance: np.random.Generator, belief_sd: float = 2.0, shared: float = 2.0
) -> Unseen:
    """A model that believes in a normal error of `belief_sd`, where truly animals share a bias of sd `shared`."""
    names = np.repeat(np.arange(animals).astype(str), pictures)
    ages = np.repeat(chance.uniform(12, 28, animals), pictures)
    bias = np.repeat(chance.normal(0, shared, animals), pictures)
    said = ages + bias + chance.normal(0, 1, len(ages))
    logits = -0.5 * ((BINS.years - said[:, None]) / belief_sd) ** 2
    return Unseen(logits, np.zeros_like(logits), ages, names)


def test_an_interval_calibrated_by_individual_covers_nine_tenths_of_new_animals_pictures() -> None:
    chance = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        known = calibrate(simulated(20, 6, chance), BINS)
        new = simulated(10, 6, chance)
        mean, sd = moments(new, known.temperature, BINS)
        assert known.interval_quantile is not None
        covered.append((np.abs(new.ages_years - mean) <= known.interval_quantile * sd).mean())
    assert 0.89 <= np.mean(covered) <= 0.95


@pytest.mark.parametrize("animals", [1, 2, 8])
def test_below_nine_animals_the_interval_is_unknown(animals: int) -> None:
    assert calibrate(simulated(animals, 50, np.random.default_rng(0)), BINS).interval_quantile is None


def test_nine_animals_are_enough_and_give_their_worst_score() -> None:
    assert quantile(np.arange(9.0), np.arange(9)) == 8


def test_many_pictures_of_one_animal_weigh_no_more_than_one() -> None:
    scores = np.concatenate([np.full(1000, 0.1), np.arange(1.0, 20.0)])
    names = np.concatenate([np.zeros(1000), np.arange(1, 20)])
    assert quantile(scores, names) == 18  # of 20 animals 19 are needed, (20 + 1) * 0.9 = 18.9


def test_an_animals_weights_sum_to_one() -> None:
    assert animal_weights(np.array(["a", "b", "a", "a"])) == pytest.approx([1 / 3, 1, 1 / 3, 1 / 3])


@pytest.mark.parametrize("belief_sd", [0.7, 3.0])
def test_the_temperature_mends_too_much_and_too_little_confidence(belief_sd: float) -> None:
    unseen = simulated(400, 2, np.random.default_rng(0), belief_sd, shared=1.0)
    _, sd = moments(unseen, temperature(unseen, BINS), BINS)
    assert sd.mean() == pytest.approx(np.sqrt(2), rel=0.1)  # shared 1, own 1


def test_a_hopeless_model_is_drawn_to_the_ages_that_occur() -> None:
    unseen = simulated(30, 2, np.random.default_rng(0))
    prior = np.log(BINS.labels(np.array([5.0])) + 1e-6)
    hopeless = Unseen(unseen.logits, np.repeat(prior, 60, axis=0), unseen.ages_years, unseen.individuals)
    mean, _ = moments(hopeless, 1e6, BINS)
    assert mean == pytest.approx(5.0, abs=0.01)


def test_at_temperature_one_the_probabilities_are_the_softmax_of_the_logits() -> None:
    unseen = simulated(3, 1, np.random.default_rng(0))
    p = np.exp(unseen.logits) / np.exp(unseen.logits).sum(axis=1, keepdims=True)
    prior = np.random.default_rng(1).normal(size=p.shape)
    mean, _ = moments(Unseen(unseen.logits, prior, unseen.ages_years, unseen.individuals), 1.0, BINS)
    assert mean == pytest.approx(p @ BINS.years)


def test_calibrated_by_image_intervals_of_new_animals_hold_too_seldom() -> None:
    """One animal with most of the pictures makes its own luck the rule of all."""
    chance = np.random.default_rng(0)
    covered: dict[str, list[float]] = {"by individual": [], "by image": []}
    for _ in range(200):
        known = simulated(12, 20, chance)
        few = np.flatnonzero((known.individuals == "0") | (np.arange(240) % 20 < 2))  # 20 of one, 2 of each other
        known, new = known.take(few), simulated(40, 1, chance)
        heat = temperature(known, BINS)
        for how, owner in (("by individual", known.individuals), ("by image", np.arange(len(few)))):
            mean, sd = moments(known, heat, BINS)
            reach = quantile(np.abs(known.ages_years - mean) / sd, owner)
            mean, sd = moments(new, heat, BINS)
            assert reach is not None
            covered[how].append(float((np.abs(new.ages_years - mean) <= reach * sd).mean()))
    assert np.mean(covered["by individual"]) > 0.89
    assert np.mean(covered["by image"]) < 0.87


@pytest.mark.parametrize(("level", "least"), [(0.8, 4), (0.9, 9), (0.95, 19)])
def test_each_level_is_unknown_below_its_own_number_of_animals(level: float, least: int) -> None:
    assert least_animals(level) == least
    assert quantile(np.arange(float(least)), np.arange(least), level) == least - 1
    assert quantile(np.arange(float(least - 1)), np.arange(least - 1), level) is None


def test_the_card_gets_the_interval_of_nine_tenths() -> None:
    known = calibrate(simulated(30, 4, np.random.default_rng(0)), BINS)
    eighty, ninety, ninety_five = known.quantiles
    assert eighty is not None and ninety is not None and ninety_five is not None
    assert eighty < ninety < ninety_five
    assert known.interval_quantile == ninety


@given(st.integers(0, 99), st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_the_same_pictures_of_an_animal_again_change_no_calibration(seed: int, times: int) -> None:
    unseen = simulated(20, 2, np.random.default_rng(seed))
    again = unseen.take(np.concatenate([np.tile(np.arange(2), times), np.arange(2, 40)]))
    one, other = calibrate(unseen, BINS), calibrate(again, BINS)
    assert one.temperature == pytest.approx(other.temperature, abs=1e-3)
    assert one.quantiles == pytest.approx(other.quantiles, abs=1e-2)


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_faces_changes_no_calibration(seed: int) -> None:
    chance = np.random.default_rng(seed)
    unseen = simulated(20, 2, chance)
    one, other = calibrate(unseen, BINS), calibrate(unseen.take(chance.permutation(40)), BINS)
    assert one.temperature == pytest.approx(other.temperature, abs=1e-3)
    assert one.quantiles == pytest.approx(other.quantiles, abs=1e-2)
