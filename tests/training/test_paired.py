from __future__ import annotations

import numpy as np
import pytest

from tests.training.simulated import judged, with_estimates
from training.metrics import figures
from training.paired import beside_guessing, paired


def test_the_difference_is_that_of_the_mean_errors() -> None:
    a, b = judged(sigma=1), judged(sigma=3, noise=1)
    difference = paired(a, b).difference_years.value
    assert difference == pytest.approx(figures(a)["mae_years"].value - figures(b)["mae_years"].value)


def test_a_model_that_is_always_a_little_better_is_certainly_so() -> None:
    """Each one's own interval is far wider than their difference: only pairs can tell."""
    b = judged(tau=6)
    a = with_estimates(b, b.ages_years + 0.97 * b.errors_years)
    found = paired(a, b)
    assert found.certain and found.better == 1
    one, other = figures(a)["mae_years"], figures(b)["mae_years"]
    assert one.high is not None and other.low is not None and one.high > other.low


def test_two_models_alike_cannot_be_told_apart() -> None:
    found = paired(judged(), judged(noise=1))
    assert not found.certain
    assert 0.025 < found.better < 0.975


def test_exchanged_they_give_the_opposite() -> None:
    a, b = judged(), judged(noise=1)
    one, other = paired(a, b), paired(b, a)
    assert one.difference_years.low is not None and other.difference_years.high is not None
    assert one.difference_years.low == pytest.approx(-other.difference_years.high)
    assert one.better == pytest.approx(1 - other.better)


def test_a_model_is_no_better_than_itself() -> None:
    found = paired(judged(), judged())
    assert (found.difference_years.value, found.better, found.certain) == (0, 0.5, False)


def test_different_faces_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="only on the same faces"):
        paired(judged(), judged(animals=39))


def test_the_same_faces_in_another_order_cannot_be_compared() -> None:
    faces = judged()
    with pytest.raises(ValueError, match="in the same order"):
        paired(faces, faces.take(np.arange(len(faces.ages_years))[::-1]))


def test_one_animal_makes_nothing_certain() -> None:
    faces = judged(animals=1)
    assert not beside_guessing(faces).certain


def test_a_good_model_is_better_than_guessing() -> None:
    found = beside_guessing(judged())
    assert found.certain and found.difference_years.value < 0
