from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station import species
from station.lifetime import (
    AgeReading,
    BirthDate,
    Facts,
    FactsError,
    Season,
    birth_date,
    birth_dates,
    birth_dates_if_any,
)
from station.readings import Numbers
from station.response import Response

TODAY = date(2026, 6, 1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TAU, SIGMA = 1.5, 3.0
MODEL = Response.plain(TAU, SIGMA)
ANY_MONTH = Season(longevity_years=40.0)
PANDA = species.find("giant_panda")
NOTHING = Facts()

ages = st.lists(st.floats(0, 30), min_size=1, max_size=40)
days = st.dates(date(2000, 1, 1), date(2026, 6, 1))


def seen(ages_years: Sequence[float], until: datetime = NOON, every_days: float = 3) -> list[AgeReading]:
    """A picture every few days, the last one at `until`."""
    moments = [until - timedelta(days=every_days * (len(ages_years) - 1 - i)) for i in range(len(ages_years))]
    return [AgeReading(at, age, at.isoformat()) for at, age in zip(moments, ages_years, strict=True)]


def born(ages_years: Sequence[float], facts: Facts = NOTHING, season: Season = ANY_MONTH) -> BirthDate:
    return birth_date(seen(ages_years), MODEL, facts, season)


def width_years(birth: BirthDate) -> float:
    low, high = birth.interval()
    return (high - low).days / 365.25


def ago(years: float) -> date:
    return TODAY - timedelta(days=round(years * 365.25))


def apart_years(one: date, other: date) -> float:
    return abs((one - other).days) / 365.25


@given(ages)
@settings(deadline=None)
def test_the_probabilities_of_a_regular_grid_sum_to_one(ages_years: list[float]) -> None:
    birth = born(ages_years)
    assert birth.probability.sum() == pytest.approx(1)
    assert (birth.probability >= 0).all()
    assert set(np.diff(birth.days).tolist()) <= {birth.step_days}
    assert len(birth.days) == len(birth.probability)


@given(ages, days, days, days)
@settings(deadline=None)
def test_facts_are_obeyed(ages_years: list[float], one: date, other: date, first: date) -> None:
    facts = Facts(born_after=min(one, other), born_before=max(one, other), seen_first=first)
    birth = born(ages_years, facts)
    drawn = [date.fromordinal(day) for day in birth.draw(np.random.default_rng(0), 50).tolist()]
    for day in [birth.median(), *birth.interval(0.99), *drawn]:
        assert min(one, other) <= day <= max(one, other)
        assert day <= first or first < min(one, other), "a person's word outranks a sighting"


@given(ages, st.integers(1, 4000))
@settings(deadline=None)
def test_other_dates_shift_the_answer_and_nothing_else(ages_years: list[float], shift: int) -> None:
    early = birth_date(seen(ages_years), MODEL, NOTHING, ANY_MONTH)
    late = birth_date(seen(ages_years, NOON + timedelta(days=shift)), MODEL, NOTHING, ANY_MONTH)
    assert late.first_day - early.first_day == shift
    assert late.probability == pytest.approx(early.probability)


@given(st.floats(3, 20), st.integers(1, 60), st.integers(1, 60))
@settings(deadline=None)
def test_more_readings_that_agree_never_widen_the_interval(age_years: float, count: int, more: int) -> None:
    few, many = born([age_years] * count), born([age_years] * (count + more))
    assert width_years(many) <= width_years(few) + 2 * few.step_days / 365.25


@pytest.mark.parametrize("count", [1, 4, 20, 200])
def test_the_interval_is_that_of_a_bias_and_a_noise_that_averages_out(count: int) -> None:
    model = Response.plain(TAU, SIGMA, wrong=1e-6)
    birth = birth_date(seen([12.0] * count, every_days=0.05), model, NOTHING, Season(longevity_years=90.0))
    expected = 2 * 1.645 * math.sqrt(TAU**2 + SIGMA**2 / count)
    assert width_years(birth) == pytest.approx(expected, rel=0.03)


def test_two_hundred_readings_leave_the_bias_of_the_animal() -> None:
    assert width_years(born([12.0] * 200)) > 2 * 1.6 * TAU


def test_the_pictures_of_a_burst_are_one_reading() -> None:
    burst = [AgeReading(NOON + timedelta(seconds=i), age, "burst") for i, age in enumerate([6.0, 9.0, 12.0])]
    found = birth_date(burst, MODEL, NOTHING, ANY_MONTH)
    alone = birth_date([AgeReading(NOON + timedelta(seconds=1), 9.0, 0)], MODEL, NOTHING, ANY_MONTH)
    assert found.probability == pytest.approx(alone.probability)


def test_readings_of_years_ago_count_from_then() -> None:
    early = seen([3.0] * 30, NOON - timedelta(days=5 * 365))
    assert apart_years(birth_date(early, MODEL, NOTHING, ANY_MONTH).median(), ago(8)) < 0.8


@given(st.lists(st.floats(8, 12), min_size=6, max_size=30), st.floats(0, 40), st.integers(0, 5))
@settings(deadline=None)
def test_a_single_picture_of_another_animal_moves_the_median_by_little(
    right: list[float], wrong: float, place: int
) -> None:
    model = Response.plain(0.5, 1.0)
    without = birth_date(seen(right), model, NOTHING, ANY_MONTH)
    mixed = birth_date(seen([*right[:place], wrong, *right[place:]]), model, NOTHING, ANY_MONTH)
    assert apart_years(without.median(), mixed.median()) < 0.6


@pytest.mark.parametrize("count", [3, 200])
def test_estimates_that_are_drawn_to_the_middle_are_drawn_back(count: int) -> None:
    """A model that says 0.5 years a year of age, from 5 on: it says 15 of the animals of 20."""
    said: Numbers = 5 + 0.025 * np.arange(len(MODEL.mean), dtype=np.float64)
    narrow = replace(MODEL, mean=said, tau=MODEL.tau / 10, sigma=MODEL.sigma / 10)
    birth = birth_date(seen([15.0] * count, every_days=0.1), narrow, NOTHING, ANY_MONTH)
    assert apart_years(birth.median(), ago(20)) < 0.5


def test_a_confirmed_birth_date_is_the_answer() -> None:
    birth = born([3.0, 14.0], Facts(born_on=date(2019, 8, 21), born_before=date(2018, 1, 1)))
    assert birth.median() == date(2019, 8, 21)
    assert birth.interval(0.99) == (date(2019, 8, 21), date(2019, 8, 21))
    assert birth.known
    assert set(birth.draw(np.random.default_rng(0), 9).tolist()) == {date(2019, 8, 21).toordinal()}
    assert list(birth.age_years(TODAY)) == pytest.approx([6.78] * 3, abs=0.01)
    assert PANDA and birth.stages(PANDA, TODAY)["adult"] == 1


def test_pictures_from_before_it_can_have_been_born_are_of_another_animal() -> None:
    old = seen([25.0] * 10, NOON - timedelta(days=2000))
    young = seen([1.0] * 3)
    facts = Facts(born_after=date(2024, 6, 1))
    assert (
        birth_date([*old, *young], MODEL, facts, ANY_MONTH).median()
        == birth_date(young, MODEL, facts, ANY_MONTH).median()
    )


def test_nobody_is_older_than_its_species_gets() -> None:
    birth = born([60.0] * 50, season=Season(longevity_years=20.0))
    assert birth.age_years(TODAY)[2] <= 22.1


def test_an_animal_of_a_species_with_a_birth_season_is_born_in_it() -> None:
    assert PANDA
    drawn = born([5.0] * 20, season=Season.of(PANDA)).draw(np.random.default_rng(0), 4000)
    months = np.array([date.fromordinal(day).month for day in drawn.tolist()])
    assert np.isin(months, (6, 7, 8, 9, 10)).mean() > 0.95
    assert 0.4 < (months == 8).mean() < 0.6


def test_facts_outrank_the_birth_season() -> None:
    assert PANDA
    facts = Facts(born_after=date(2020, 12, 1), born_before=date(2021, 2, 1))
    assert date(2020, 12, 1) <= born([5.0], facts, Season.of(PANDA)).median() <= date(2021, 2, 1)


def test_without_readings_the_facts_tell_what_they_can() -> None:
    birth = birth_date([], MODEL, Facts(born_after=date(2020, 1, 1), seen_first=date(2022, 1, 1)), ANY_MONTH)
    assert apart_years(birth.median(), date(2021, 1, 1)) < 0.1


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            Facts(born_after=date(2021, 1, 1), born_before=date(2020, 1, 1)),
            "born after 2021-01-01, and before 2020-01-01",
        ),
        (Facts(born_on=date(2019, 8, 1), born_after=date(2020, 1, 1)), "born on 2019-08-01, and after 2020-01-01"),
        (Facts(born_on=date(2019, 8, 1), born_before=date(2019, 1, 1)), "born on 2019-08-01, and before 2019-01-01"),
        (Facts(born_on=date(2022, 8, 1), seen_last=date(2020, 3, 1)), "born on 2022-08-01, and seen before"),
        (Facts(born_after=date(2022, 8, 1), seen_last=date(2020, 3, 1)), "born after 2022-08-01, and seen before"),
        (Facts(born_on=date(2019, 8, 1), born_after=date(2019, 1, 1), seen_first=date(2020, 1, 1)), None),
    ],
)
def test_facts_that_contradict_each_other_are_told(facts: Facts, told: str | None) -> None:
    found = facts.contradiction
    assert found == told or (found and told and found.startswith(told))


def test_a_birth_after_what_else_is_known_does_not_count() -> None:
    late = Facts(born_after=date(2027, 1, 1))
    assert born([5.0] * 9, late).median() == born([5.0] * 9).median()
    backward = Facts(born_after=date(2024, 1, 1), born_before=date(2022, 1, 1))
    assert born([5.0] * 9, backward).median() == born([5.0] * 9, Facts(born_before=date(2022, 1, 1))).median()


def test_an_animal_without_sighting_and_facts_has_no_birth_date() -> None:
    with pytest.raises(FactsError, match="neither a sighting nor a date"):
        birth_date([], MODEL, NOTHING, ANY_MONTH)


def test_many_at_once_are_as_one_by_one() -> None:
    rng = np.random.default_rng(3)
    animals = [(seen(rng.uniform(0, 20, count).tolist()), NOTHING) for count in (1, 30, 2, 7, 120)]
    animals.insert(2, ([], Facts(born_on=date(2020, 8, 1))))
    for together, (readings, facts) in zip(birth_dates(animals, MODEL, ANY_MONTH), animals, strict=True):
        alone = birth_date(readings, MODEL, facts, ANY_MONTH)
        assert together.first_day == alone.first_day
        assert together.probability == pytest.approx(alone.probability)


def test_the_order_of_readings_does_not_matter() -> None:
    readings = seen([3.0, 9.0, 5.0, 4.0, 7.0])
    assert birth_date(readings[::-1], MODEL, NOTHING, ANY_MONTH).probability == pytest.approx(
        birth_date(readings, MODEL, NOTHING, ANY_MONTH).probability
    )


def test_ages_and_life_stages_follow_the_calendar() -> None:
    assert PANDA
    birth = born([4.0] * 30)
    median, low, high = birth.age_years(TODAY)
    assert low < median < high
    assert birth.age_years(TODAY + timedelta(days=3653))[0] == pytest.approx(median + 10, abs=0.01)
    now, later = birth.stages(PANDA, TODAY), birth.stages(PANDA, TODAY + timedelta(days=3653))
    assert list(now) == ["cub", "subadult", "adult", "old"]
    assert sum(now.values()) == pytest.approx(1)
    assert later["adult"] > 0.95 > now["adult"]


def test_draws_are_as_likely_as_the_intervals_say() -> None:
    birth = born([4.0, 6.0])
    drawn = birth.draw(np.random.default_rng(0), 4000)
    shares = [_share(drawn, *birth.interval(level)) for level in (0.5, 0.8, 0.95)]
    assert shares == pytest.approx([0.5, 0.8, 0.95], abs=0.02)
    assert all(low <= high for low, high in pairwise(birth.quantile(q) for q in np.linspace(0.01, 0.99, 40)))


def _share(drawn: np.typing.NDArray[np.int64], low: date, high: date) -> float:
    return float(np.mean((drawn >= low.toordinal()) & (drawn <= high.toordinal())))


def test_a_bias_that_fades_lets_years_of_pictures_tell_more() -> None:
    rising: Numbers = 2.0 + np.arange(12.0)
    readings = seen(rising.tolist(), every_days=365.25)
    fading = replace(MODEL, nature=replace(MODEL.nature, fading=0.3))
    lasting = birth_date(readings, MODEL, NOTHING, ANY_MONTH)
    assert width_years(birth_date(readings, fading, NOTHING, ANY_MONTH)) < 0.9 * width_years(lasting)


def test_an_animal_of_which_nothing_is_known_costs_only_itself() -> None:
    told = birth_dates_if_any([((), NOTHING), ((), Facts(born_on=TODAY)), ((), NOTHING)], MODEL, ANY_MONTH)
    assert [isinstance(one, FactsError) for one in told] == [True, False, True]
