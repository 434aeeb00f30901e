"""How many there are, drawn over what is not known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from station.headcount import Doubt, Integers, Listed, Range, headcount, interval, summed, table

PRIOR = np.array([0.05, 0.15, 0.5, 0.3])


def listed(chances: list[list[float]], confidence: float = 1.0, events: int = 5, sex: int = 0) -> Listed:
    stages = np.array([chances], float).reshape(1, -1, 4)
    many = stages.shape[1]
    return Listed(
        stages, PRIOR, np.full(many, sex, np.int64), np.full(many, confidence), np.full(many, events, np.int64)
    )


def counted(of: Listed, doubt: Doubt | None = None, draws: int = 2000) -> Integers:
    return headcount(of, doubt or Doubt(), np.random.default_rng(1), draws)


ADULT, CUB = [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]
UNSURE = [0.0, 3 / 13, 10 / 13, 0.0]
"""As the prior: its pictures say nothing of which of the two it is."""


def test_where_nothing_is_in_doubt_animals_are_simply_counted() -> None:
    found = counted(listed([ADULT, ADULT, CUB]))
    assert summed(found.sum(axis=(1, 2))) == Range(3, 3, 3)
    assert [row[0] for row in table(found.sum(axis=2, keepdims=True))] == [
        Range(1, 1, 1), Range(0, 0, 0), Range(2, 2, 2), Range(0, 0, 0)
    ]  # fmt: skip


def test_nobody_listed_is_nobody_counted() -> None:
    assert summed(counted(listed([])).sum(axis=(1, 2))) == Range(0, 0, 0)


def test_an_unsure_age_widens_the_life_stages_and_not_the_whole() -> None:
    found = counted(listed([UNSURE] * 10))
    assert summed(found.sum(axis=(1, 2))) == Range(10, 10, 10)
    adults = summed(found[:, 2].sum(axis=1))
    assert adults.low < adults.likely < adults.high


def test_what_surrounds_an_unsure_animal_says_what_it_is() -> None:
    """Among adults it is an adult, among subadults a subadult: the shares of the life stages are drawn with it."""
    subadult = [0.0, 1.0, 0.0, 0.0]
    among_adults = counted(listed([ADULT] * 20 + [UNSURE]))[:, 2].sum(axis=1).mean() - 20
    among_subadults = counted(listed([subadult] * 20 + [UNSURE]))[:, 2].sum(axis=1).mean()
    assert among_adults > 0.8
    assert among_subadults < 0.2


def test_what_is_off_in_the_model_is_off_for_all_animals_alike() -> None:
    """Two ways in which the model may answer: all are adults, or all are subadults."""
    both = np.array([[ADULT] * 10, [[0.0, 1.0, 0.0, 0.0]] * 10])
    of = listed([ADULT] * 10)
    found = counted(Listed(both, PRIOR, of.sex, of.confidence, of.events))
    assert summed(found[:, 2].sum(axis=1)) == Range(5, 0, 10)


def test_animals_that_only_the_machine_tells_apart_may_be_fewer_or_more() -> None:
    whole = summed(counted(listed([ADULT] * 20, confidence=0.7)).sum(axis=(1, 2)))
    assert whole.low < 20 < whole.high
    fewer = summed(counted(listed([ADULT] * 20, 0.7), Doubt(20, splinters=30, lumps=1)).sum(axis=(1, 2)))
    assert fewer.likely < 17


def test_one_sighting_alone_is_not_two_animals() -> None:
    assert counted(listed([ADULT] * 20, confidence=0.5, events=1)).sum(axis=(1, 2)).max() <= 20


def test_an_animal_that_was_seen_is_not_nobody() -> None:
    assert counted(listed([ADULT], confidence=0.1, events=1)).sum(axis=(1, 2)).min() == 1


def test_the_second_animal_behind_a_name_has_no_sex() -> None:
    found = counted(listed([ADULT] * 5, confidence=0.5), Doubt(20, splinters=1, lumps=30))
    assert found[:, :, 2].sum() > 0
    assert found[:, :, 0].sum(axis=1).max() <= 5


chances = some.lists(
    some.lists(some.floats(0.01, 1), min_size=4, max_size=4).map(lambda row: [share / sum(row) for share in row]),
    min_size=1,
    max_size=12,
)


@given(chances, some.sampled_from([0.3, 0.8, 1.0]))
def test_likely_numbers_lie_in_their_intervals_and_add_up(rows: list[list[float]], confidence: float) -> None:
    found = counted(listed(rows, confidence), draws=100)
    cells = [cell for row in table(found) for cell in row]
    assert all(0 <= cell.low <= cell.likely <= cell.high for cell in cells)
    assert sum(cell.likely for cell in cells) == summed(found.sum(axis=(1, 2))).likely


@given(some.lists(some.integers(0, 40), min_size=1, max_size=60))
def test_an_interval_holds_the_middle_of_what_was_drawn(drawn: list[int]) -> None:
    low, high = interval(np.array(drawn))
    assert min(drawn) <= low <= high <= max(drawn)
    assert low <= np.median(drawn) + 1 and high >= np.median(drawn) - 1


@pytest.mark.parametrize("share", [0.3, 0.02])
def test_an_interval_leaves_out_a_twentieth_at_each_end(share: float) -> None:
    """Of whole numbers half of the end's own share counts."""
    drawn = np.repeat([0, 1], [round(1000 * share), round(1000 * (1 - share))])
    assert interval(drawn) == ((0, 1) if share > 0.1 else (1, 1))
