from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station import species
from training.stages import stages_at, stages_for

ages = st.lists(st.integers(0, 700).map(lambda tenths: tenths / 10), min_size=1, max_size=60).map(np.array)


def test_a_species_has_its_own_life_stages() -> None:
    panda = species.find("giant_panda")
    assert panda is not None
    assert stages_for(panda, np.array([3.0])) == panda.life_stages


@pytest.mark.parametrize("age", [0.0, 1.49, 1.5, 5.5, 19.99, 20.0, 70.0])
def test_the_stage_at_an_age_is_that_of_the_station(age: float) -> None:
    panda = species.find("giant_panda")
    assert panda is not None
    assert stages_at(panda.life_stages, np.array([age])).tolist() == [panda.stage(age)]


def test_without_a_species_there_are_fifths_of_the_ages_in_whole_years() -> None:
    stages = stages_for(None, np.arange(50.0))
    assert [stage.name for stage in stages] == ["0-8 y", "9-18 y", "19-28 y", "29-38 y", "39+ y"]


def test_classes_of_the_young_are_finer() -> None:
    stages = stages_for(None, np.arange(0, 3, 0.1))
    assert [stage.name for stage in stages] == ["0-0.4 y", "0.5-1 y", "1.1-1.6 y", "1.7-2.2 y", "2.3+ y"]


def test_where_all_are_of_one_age_there_is_one_class() -> None:
    assert [stage.name for stage in stages_for(None, np.full(9, 12.0))] == ["all ages"]


@given(ages)
def test_classes_rise_from_birth_and_none_is_empty(ages_years: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    stages = stages_for(None, ages_years)
    starts = [stage.from_years for stage in stages]
    assert starts[0] == 0 and starts == sorted(set(starts))
    assert set(stages_at(stages, ages_years)) == {stage.name for stage in stages}
