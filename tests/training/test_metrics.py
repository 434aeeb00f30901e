from __future__ import annotations

import numpy as np
import pytest

from training.metrics import per_image, per_individual

errors = np.array([1.0, 1.0, 1.0, 5.0])
who = np.array(["a", "a", "a", "b"])


def test_per_image_every_picture_counts_the_same() -> None:
    assert per_image(errors, who).value == pytest.approx(2.0)


def test_per_individual_every_animal_counts_the_same() -> None:
    assert per_individual(errors, who).value == pytest.approx(3.0)


def test_the_interval_draws_animals_not_pictures() -> None:
    figure = per_individual(errors, who)  # two animals: both a, one of each, or both b
    assert (figure.low, figure.high) == (1.0, 5.0)


def test_more_pictures_of_the_same_animals_make_no_narrower_interval() -> None:
    few, many = (per_image(np.repeat([1.0, 2.0, 4.0, 5.0], n), np.repeat(list("abcd"), n)) for n in (1, 50))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    chance = np.random.default_rng(0)
    names = np.repeat(np.arange(40), 3)
    hits = 0
    for _ in range(200):
        figure = per_image(np.repeat(chance.normal(5, 2, 40), 3), names)
        assert figure.low is not None and figure.high is not None
        hits += figure.low <= 5 <= figure.high
    assert 0.88 <= hits / 200 <= 0.99


def test_one_animal_has_no_interval() -> None:
    figure = per_image(errors, np.array(["a"] * 4))
    assert (figure.low, figure.high) == (None, None)
