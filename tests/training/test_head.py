from __future__ import annotations

import numpy as np
import pytest
import torch

from training import head
from training.calibrate import moments, temperature
from training.head import TICKS, Examples, Head
from training.labels import Bins


def examples(animals: int = 20, pictures: int = 5, noise: float = 1.0) -> tuple[Examples, Bins]:
    """Features of different sizes, in some of which the age is linear."""
    chance = np.random.default_rng(0)
    ages = chance.uniform(0, 30, animals * pictures)
    features = chance.normal(0, noise, (len(ages), 24)) + np.outer(ages / 10, chance.normal(size=24))
    features = 100 + features * np.geomspace(0.1, 10, 24)
    faces = torch.from_numpy(features.astype(np.float32))
    return Examples(faces, faces, ages, np.repeat(np.arange(animals).astype(str), pictures)), Bins.for_ages(ages)


def estimates(fitted: Head, faces: Examples, bins: Bins) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    said = fitted.says(faces.served, faces.ages_years, faces.individuals)
    return np.asarray(moments(said, temperature(said, bins), bins)[0])


def test_a_head_finds_the_age_in_the_features_of_animals_it_has_not_seen() -> None:
    faces, bins = examples()
    fitted, _ = head.fit(faces.take(np.arange(75)), bins, 0, lambda n=1, /: None)
    new = faces.take(np.arange(75, 100))
    assert np.abs(estimates(fitted, new, bins) - new.ages_years).mean() < 3


def test_noisy_features_are_trusted_less() -> None:
    clear, noisy = (head.fit(*examples(noise=noise), 0, lambda n=1, /: None)[1] for noise in (0.3, 8.0))
    assert noisy > clear


def test_a_fit_tells_of_each_piece_of_its_work() -> None:
    told = []
    head.fit(*examples(animals=4), 0, lambda n=1, /: told.append(n))
    assert sum(told) == TICKS


def test_one_individual_is_enough_for_a_head() -> None:
    faces, bins = examples(animals=1, pictures=9)
    fitted, _ = head.fit(faces, bins, 0, lambda n=1, /: None)
    assert np.isfinite(estimates(fitted, faces, bins)).all()


def test_features_that_never_vary_do_no_harm() -> None:
    faces, bins = examples(animals=4)
    constant = Examples(torch.ones(20, 24), torch.ones(20, 24), faces.ages_years, faces.individuals)
    fitted, _ = head.fit(constant, bins, 0, lambda n=1, /: None)
    assert estimates(fitted, constant, bins) == pytest.approx(faces.ages_years.mean(), abs=1.0)
