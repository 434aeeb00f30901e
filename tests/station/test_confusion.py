"""A histogram of life stages and what the model takes for what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from station import species
from station.confusion import Confusion, confusion, correct
from station.learning import Calibration
from station.species import Species

STAGES = ("cub", "subadult", "adult", "old")


@pytest.fixture
def panda() -> Species:
    found = species.find("giant_panda")
    assert found
    return found


def known(*rows: tuple[float, ...]) -> Confusion:
    return Confusion(STAGES[: len(rows)], rows)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_model_that_confuses_nothing_changes_nothing() -> None:
    found = correct((3, 4, 5, 2), known((30, 0, 0, 0), (0, 30, 0, 0), (0, 0, 30, 0), (0, 0, 0, 30)), rng())
    assert found.corrected == (3, 4, 5, 2)
    assert found.refused is None


def test_what_the_model_takes_for_adults_is_given_back_to_the_subadults() -> None:
    takes = known((20, 0), (0, 20)), known((20, 20), (0, 40))
    told = (10, 30)
    assert correct(told, takes[0], rng()).corrected == (10, 30)
    mended = correct(told, takes[1], rng())
    assert mended.corrected == (20, 20)
    assert mended.low and mended.high and mended.low[0] < 20 < mended.high[0]


@given(some.lists(some.integers(0, 30), min_size=3, max_size=3).filter(any))
def test_a_correction_keeps_the_number_of_animals(told: list[int]) -> None:
    found = correct(told, known((20, 3, 0), (2, 20, 4), (0, 3, 20)), rng())
    assert found.corrected and found.low and found.high
    assert sum(found.corrected) == pytest.approx(sum(told), abs=0.05)
    assert min(found.corrected) >= 0
    assert all(a <= b <= c for a, b, c in zip(found.low, found.corrected, found.high, strict=True))


@pytest.mark.parametrize(
    ("told", "table", "why"),
    [
        ((0, 0), known((20, 0), (0, 20)), "no animal has an age"),
        ((3, 4), None, "not known what the model takes for what"),
        ((3, 4), known((0, 0), (0, 0)), "not known what the model takes for what"),
        ((3, 4), known((7, 0), (0, 20)), "7 were cub; 8 of each are wanted"),
        ((3, 4), known((0, 0), (0, 20)), "no were cub"),
        ((3, 4), known((11, 10), (9, 11)), "the model takes cub for subadult so often"),
    ],
)
def test_a_correction_that_chance_would_make_is_refused_with_the_reason(
    told: tuple[int, ...], table: Confusion | None, why: str
) -> None:
    found = correct(told, table, rng())
    assert found.corrected is None
    assert why in str(found.refused)
    assert found.told == told


def test_an_animal_counts_once_in_each_life_stage_it_was_photographed_in(panda: Species) -> None:
    table = Calibration(
        np.array(["bao", "bao", "bao", "mei"]), np.array([6.0, 7.0, 2.0, 1.0]), np.array([4.0, 8.0, 2.5, 6.0])
    )
    assert confusion(table, panda).animals == ((0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 0))
