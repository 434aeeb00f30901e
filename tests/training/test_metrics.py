from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.simulated import STAGES, judged, with_estimates
from training.judged import Judged
from training.metrics import by_individual, by_stage, figures, per_image, per_individual

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


def test_the_cumulative_score_is_the_share_with_at_most_so_many_years_of_error() -> None:
    faces = judged(animals=1, pictures=4)
    found = figures(with_estimates(faces, faces.ages_years + np.array([0.5, -1.5, 4.0, -6.0])))
    assert [found[name].value for name in ("cs1", "cs2", "cs5")] == [0.25, 0.5, 0.75]
    assert found["bias_years"].value == pytest.approx(-0.75)


@pytest.mark.parametrize("slope", [0.0, 0.6, 1.0, 1.3])
def test_the_slope_tells_how_much_of_age_is_seen(slope: float) -> None:
    found = figures(judged(animals=300, slope=slope))["slope"]
    assert found.value == pytest.approx(slope, abs=0.05)
    assert found.low is not None and found.high is not None
    assert found.low < slope < found.high


def test_the_slope_is_that_of_least_squares() -> None:
    faces = judged(slope=0.7)
    fitted = np.polyfit(faces.ages_years, faces.estimates_years, 1)[0]
    assert figures(faces)["slope"].value == pytest.approx(fitted)


def test_where_all_are_of_one_age_there_is_no_slope() -> None:
    faces = judged()
    assert "slope" not in figures(replace(faces, ages_years=np.full(len(faces.ages_years), 9.0)))


def test_the_pit_error_is_none_for_a_uniform_pit_and_a_half_at_worst() -> None:
    faces = judged(animals=100, pictures=20)
    uniform = (np.arange(2000) + 0.5) / 2000
    assert figures(replace(faces, pit=uniform))["pit_error"].value == pytest.approx(0, abs=0.001)
    assert figures(replace(faces, pit=np.zeros(2000)))["pit_error"].value == pytest.approx(0.5)


def test_too_sure_a_model_has_a_pit_error() -> None:
    faces = judged(animals=100, pictures=20)
    extreme = np.random.default_rng(0).beta(0.3, 0.3, 2000)
    assert figures(replace(faces, pit=extreme))["pit_error"].value > 0.1


def test_coverage_and_width_are_told_at_every_level() -> None:
    found = figures(judged(animals=300))
    for percent, width in ((80, 5.73), (90, 7.36), (95, 8.77)):
        assert found[f"coverage_{percent}"].value == pytest.approx(percent / 100, abs=0.03)
        assert found[f"width_{percent}_years"].value == pytest.approx(width, abs=0.01)
    assert found["interval_coverage"] == found["coverage_90_by_individual"]


def test_what_is_unknown_of_some_face_is_left_out() -> None:
    found = figures(judged(animals=12))  # 95% takes 19
    assert "coverage_90" in found
    assert "coverage_95" not in found and "width_95_years" not in found


def test_without_intervals_the_errors_are_told() -> None:
    found = figures(judged(animals=3))
    assert found["mae_years"].value > 0
    assert not any(name.startswith(("coverage", "width", "interval")) for name in found)


def test_the_right_life_stage_is_counted() -> None:
    faces = judged(animals=60, tau=0.1, sigma=0.1)
    wrong = replace(faces, estimated_stages=np.full(len(faces.stages), "young"))
    assert figures(faces)["stage_accuracy"].value > 0.95
    assert figures(wrong)["stage_accuracy"].value == pytest.approx((faces.stages == "young").mean())


def test_by_life_stage_the_faces_are_those_of_that_age() -> None:
    faces = judged(animals=100)
    found = by_stage(faces)
    assert list(found) == [stage.name for stage in STAGES]
    old = faces.ages_years >= 30
    assert found["old"]["faces"].value == old.sum()
    assert found["old"]["individuals"].value == len(np.unique(faces.individuals[old]))
    assert found["old"]["mae_years"].value == pytest.approx(np.abs(faces.errors_years[old]).mean())
    assert sum(stage["faces"].value for stage in found.values()) == len(old)


def test_a_pull_to_the_middle_shows_in_the_bias_of_the_stages() -> None:
    found = by_stage(judged(animals=100, slope=0.5))
    assert found["young"]["bias_years"].value > 0 > found["old"]["bias_years"].value


def test_a_life_stage_without_faces_is_left_out() -> None:
    faces = judged()
    young = faces.take(np.flatnonzero(faces.stages == "young"))
    assert list(by_stage(young)) == ["young"]


def test_each_individual_has_its_own_figures() -> None:
    faces = judged(animals=20, pictures=3)
    found = by_individual(faces)
    assert [one.name for one in found] == sorted(set(faces.individuals))
    assert sum(one.faces for one in found) == 60
    assert np.mean([one.mae_years for one in found]) == pytest.approx(figures(faces)["mae_by_individual_years"].value)
    assert np.mean([one.coverage[1] or 0 for one in found]) == pytest.approx(figures(faces)["interval_coverage"].value)


def test_an_individual_without_intervals_has_no_coverage() -> None:
    assert by_individual(judged(animals=5))[0].coverage[1:] == (None, None)


@st.composite
def few_faces(draw: st.DrawFn) -> Judged:
    """At least two individuals with some pictures each."""
    faces = judged(animals=draw(st.integers(2, 12)), pictures=5, seed=draw(st.integers(0, 999)))
    count = len(faces.ages_years)
    kept = draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=count, unique=True))
    return faces.take(np.unique([*kept, 0, count - 1]))


@given(few_faces(), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_faces_does_not_matter(faces: Judged, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(faces.ages_years))
    one, other = figures(faces), figures(faces.take(order))
    assert list(one) == list(other)
    for name in one:
        assert one[name].value == pytest.approx(other[name].value, abs=1e-9), name
        assert one[name].low == pytest.approx(other[name].low, abs=1e-9), name


@given(few_faces(), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_an_animals_pictures_again_change_nothing_that_is_told_by_individual(faces: Judged, times: int) -> None:
    first = np.flatnonzero(faces.individuals == faces.individuals[0])
    rest = np.flatnonzero(faces.individuals != faces.individuals[0])
    again = figures(faces.take(np.concatenate([np.tile(first, times), rest])))
    for name, figure in figures(faces).items():
        if "by_individual" in name or name == "interval_coverage":
            assert figure.value == pytest.approx(again[name].value), name
            assert figure.high == pytest.approx(again[name].high), name


@given(few_faces())
@settings(max_examples=30, deadline=None)
def test_shares_are_shares_and_wider_intervals_hold_more(faces: Judged) -> None:
    found = figures(faces)
    for name, figure in found.items():
        if name.startswith(("cs", "coverage", "stage")):
            assert 0 <= figure.value <= 1, name
    assert found["cs1"].value <= found["cs2"].value <= found["cs5"].value
    held = [found[name].value for name in ("coverage_80", "coverage_90", "coverage_95") if name in found]
    assert held == sorted(held)
