from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import Unseen, animal_weights, calibrate, moments, quantile, temperature
from training.labels import Bins
from training.spreads import spread

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


def test_the_error_that_pictures_share_is_told_from_their_own() -> None:
    chance = np.random.default_rng(0)
    errors = np.repeat(chance.normal(0, 3, 500), 4) + chance.normal(0, 1, 2000)
    found = spread(errors, np.repeat(np.arange(500), 4))
    assert found is not None
    assert (found.tau_years, found.sigma_years) == pytest.approx((3, 1), rel=0.1)


def test_errors_without_a_shared_part_have_none() -> None:
    found = spread(np.tile([-1.0, 1.0], 20), np.repeat(np.arange(20), 2))
    assert found is not None
    assert found.tau_years == 0


def test_the_spread_is_unknown_with_few_animals_or_single_pictures() -> None:
    assert spread(np.ones(16), np.repeat(np.arange(8), 2)) is None
    assert spread(np.ones(16), np.arange(16)) is None
