from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training import sampling
from training.folds import Numbers

AGES = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 9.0, 1.0, 9.5])
WHO = np.array(["ling", "ling", "ling", "ling", "ling", "mei", "mei", "bao", "bao"])


def share(weights: Numbers | None, of: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    assert weights is not None
    return float(weights[of].sum())


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_unless_asked_for_there_are_no_weights() -> None:
    assert sampling.weights(AGES, WHO, 0, 0) is None


def test_balanced_over_ages_every_class_that_occurs_has_the_same_share() -> None:
    weights = sampling.weights(AGES, WHO, by_age=1, by_individual=0, classes=2)
    assert share(weights, AGES > 5) == pytest.approx(1 / 2)


def test_balanced_over_individuals_each_has_the_same_share() -> None:
    weights = sampling.weights(AGES, WHO, by_age=0, by_individual=1)
    assert [share(weights, np.equal(WHO, name)) for name in ("ling", "mei", "bao")] == pytest.approx([1 / 3] * 3)


def test_half_balanced_shares_follow_the_root_of_the_counts() -> None:
    weights = sampling.weights(AGES, WHO, by_age=0, by_individual=0.5)
    assert share(weights, WHO == "ling") / share(weights, WHO == "mei") == pytest.approx((5 / 2) ** 0.5)


def test_both_can_be_balanced_at_once() -> None:
    ages = np.array([1.0, 1, 1, 9, 1, 9, 9])
    who = np.array(["ling", "ling", "ling", "ling", "mei", "mei", "mei"])
    weights = sampling.weights(ages, who, 1, 1, classes=2)
    assert share(weights, ages > 5) == pytest.approx(1 / 2)
    assert share(weights, who == "ling") == pytest.approx(1 / 2)


def test_where_the_two_contradict_each_other_each_gives_way() -> None:
    ages, who = np.array([1.0, 1.0, 9.0]), np.array(["ling", "mei", "bao"])
    old = share(sampling.weights(ages, who, 1, 1, classes=2), ages > 5)
    assert 1 / 3 < old < 1 / 2


def test_faces_all_of_one_age_can_be_balanced() -> None:
    weights = sampling.weights(np.full(3, 4.0), np.array(["ling", "ling", "mei"]), 1, 1)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1 / 4, 1 / 4, 1 / 2])


def test_without_weights_every_face_comes_once() -> None:
    assert sorted(sampling.order(None, 8, 4, chance()).tolist()) == list(range(8))


def test_the_last_batch_is_filled_up_with_the_first_faces() -> None:
    rows = sampling.order(None, 5, 4, chance()).tolist()
    assert sorted(rows[:5]) == list(range(5))
    assert rows[5:] == rows[:3]


def test_fewer_faces_than_a_batch_make_one_batch() -> None:
    assert len(sampling.order(None, 3, 16, chance())) == 16


def test_with_weights_each_face_comes_as_often_as_its_share_says() -> None:
    rows = sampling.order(np.array([0.5, 0.25, 0.25, 0.0]), 4, 4, chance())
    assert sorted(rows.tolist()) == [0, 0, 1, 2]


@settings(deadline=None)
@given(
    raw=st.lists(st.floats(0.01, 100), min_size=1, max_size=60),
    batch=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_no_face_comes_a_whole_time_more_or_less_than_its_share(raw: list[float], batch: int, seed: int) -> None:
    weights = np.array(raw) / np.sum(raw)
    rows = sampling.order(weights, len(raw), batch, chance(seed))
    times = np.bincount(rows.numpy(), minlength=len(raw))
    assert len(rows) % batch == 0
    assert (np.abs(times - weights * len(rows)) < 1 + 1e-6).all()


@pytest.mark.parametrize("weights", [None, np.full(10, 0.1)])
def test_the_seed_says_which_order(weights: Numbers | None) -> None:
    one, same, other = (sampling.order(weights, 10, 5, chance(seed)).tolist() for seed in (0, 0, 1))
    assert one == same
    assert one != other
