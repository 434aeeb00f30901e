from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.folds import subject_exclusive
from training.manifest import ManifestError

faces = st.lists(st.tuples(st.integers(0, 12), st.floats(0, 60)), min_size=2, max_size=80).filter(
    lambda rows: len({who for who, _ in rows}) >= 2
)


def columns(rows: list[tuple[int, float]]) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return [str(who) for who, _ in rows], np.array([age for _, age in rows], np.float64)


@given(faces, st.integers(2, 8), st.integers(0, 5))
def test_no_individual_stands_on_both_sides(rows: list[tuple[int, float]], count: int, seed: int) -> None:
    individuals, ages = columns(rows)
    names = np.array(individuals)
    for split in subject_exclusive(individuals, ages, count, seed):
        assert not set(names[split.train]) & set(names[split.test])


@given(faces, st.integers(2, 8), st.integers(0, 5))
def test_every_row_is_tested_exactly_once(rows: list[tuple[int, float]], count: int, seed: int) -> None:
    splits = subject_exclusive(*columns(rows), count, seed)
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == list(range(len(rows)))


@given(faces, st.integers(2, 8))
def test_each_split_holds_every_row_on_one_side_and_has_two_sides(rows: list[tuple[int, float]], count: int) -> None:
    for split in subject_exclusive(*columns(rows), count):
        assert sorted([*split.train, *split.test]) == list(range(len(rows)))
        assert len(split.train) and len(split.test)


@given(faces, st.integers(2, 8), st.integers(0, 5))
def test_the_same_seed_gives_the_same_splits(rows: list[tuple[int, float]], count: int, seed: int) -> None:
    once, again = (subject_exclusive(*columns(rows), count, seed) for _ in range(2))
    assert all((a.test == b.test).all() for a, b in zip(once, again, strict=True))


@given(faces, st.integers(2, 20))
def test_there_are_as_many_folds_as_asked_for_or_as_individuals(rows: list[tuple[int, float]], count: int) -> None:
    individuals, ages = columns(rows)
    assert len(subject_exclusive(individuals, ages, count)) == min(count, len(set(individuals)))


def test_another_seed_gives_another_split() -> None:
    individuals, ages = [str(k) for k in range(40)], np.arange(40.0)
    one, other = (subject_exclusive(individuals, ages, 5, seed)[0].test for seed in (0, 1))
    assert set(one) != set(other)


def test_the_ages_of_the_folds_are_alike() -> None:
    chance = np.random.default_rng(0)
    individuals = [str(k) for k in range(60) for _ in range(5)]
    ages = np.repeat(np.linspace(0, 30, 60), 5) + chance.uniform(0, 3, 300)
    fifths = np.quantile(ages, np.linspace(0, 1, 6))
    for split in subject_exclusive(individuals, ages, 5):
        assert np.histogram(ages[split.test], fifths)[0] == pytest.approx(np.full(5, 12), abs=5)


def test_one_individual_cannot_be_split() -> None:
    with pytest.raises(ManifestError, match="names 1 individual: at least 2 are needed"):
        subject_exclusive(["ling", "ling"], np.array([1.0, 2.0]))
