from __future__ import annotations

import numpy as np
import pytest

from tests.training.simulated import STAGES, errors, judged
from training.spreads import spread, spread_figures, spreads


def test_the_error_that_pictures_share_is_told_from_their_own() -> None:
    names = np.repeat(np.arange(500), 4)
    found = spread(errors(names, np.random.default_rng(0), 3, 1), names)
    assert found is not None
    assert (found.tau_years, found.sigma_years) == pytest.approx((3, 1), rel=0.1)


def test_animals_with_many_and_few_pictures_are_told_apart_as_well() -> None:
    chance = np.random.default_rng(0)
    names = np.repeat(np.arange(500), chance.integers(1, 12, 500))
    found = spread(errors(names, chance, 3, 1), names)
    assert found is not None
    assert (found.tau_years, found.sigma_years) == pytest.approx((3, 1), rel=0.1)


def test_errors_without_a_shared_part_have_none() -> None:
    found = spread(np.tile([-1.0, 1.0], 20), np.repeat(np.arange(20), 2))
    assert found is not None
    assert found.tau_years == 0


def test_an_error_that_all_share_is_no_spread() -> None:
    names = np.repeat(np.arange(30), 3)
    wrong = errors(names, np.random.default_rng(0), 2, 1)
    one, other = spread(wrong, names), spread(wrong + 100, names)
    assert one is not None and other is not None
    assert (one.tau_years, one.sigma_years) == pytest.approx((other.tau_years, other.sigma_years))


def test_the_spread_is_unknown_with_few_animals_or_single_pictures() -> None:
    assert spread(np.ones(16), np.repeat(np.arange(8), 2)) is None
    assert spread(np.ones(16), np.arange(16)) is None


def test_animals_with_a_single_picture_do_not_make_it_known() -> None:
    names = np.concatenate([np.repeat(np.arange(8), 2), np.arange(100, 150)])
    assert spread(np.arange(66.0), names) is None


def test_its_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    names, hits = np.repeat(np.arange(60), 4), 0
    for seed in range(100):
        found = spread_figures(errors(names, np.random.default_rng(seed), 3, 1), names, seed)
        assert found is not None and found.tau_years.low is not None and found.tau_years.high is not None
        hits += found.tau_years.low <= 3 <= found.tau_years.high
    assert hits >= 85


def test_each_life_stage_has_its_own_and_a_thin_one_has_none() -> None:
    found = spreads(judged(animals=40, tau=2, sigma=1))
    assert list(found) == [stage.name for stage in STAGES]
    old = found["old"]
    assert old is not None
    assert old.sigma_years.value == pytest.approx(1, rel=0.2)
    assert set(spreads(judged(animals=6)).values()) == {None}
