from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from station.ageing import Ageing, ageing
from station.lifetime import BirthDate, Facts, Season, Series, birth_date
from station.response import Response
from tests.benchmarks import births

START = date(2024, 6, 1)
MODEL = Response.plain(1.5, 2.0)
RNG_SEED = 7


def of(ages_years: list[float], years: float = 2.0) -> tuple[Series, BirthDate]:
    """Readings spread evenly over some years."""
    days = START.toordinal() + np.linspace(0, years * 365.25, len(ages_years))
    own = Series(days, np.array(ages_years))
    return own, birth_date(own, MODEL, Facts(), Season(40.0))


def judged(ages_years: list[float], years: float = 2.0) -> Ageing | None:
    own, birth = of(ages_years, years)
    return ageing(own, MODEL, birth)


def growing(count: int, rate: float, years: float = 2.0) -> list[float]:
    noise = np.random.default_rng(RNG_SEED).normal(0, 1.0, count)
    return [8 + rate * year + error for year, error in zip(np.linspace(0, years, count), noise, strict=True)]


def test_an_animal_that_ages_a_year_a_year_is_one_animal() -> None:
    found = judged(growing(40, 1.0))
    assert found and not found.suspect
    assert found.low < 1 < found.high
    assert found.years_per_year == pytest.approx(1, abs=0.6)


@pytest.mark.parametrize("rate", [-5.0, 7.0])
def test_an_animal_that_seems_to_age_otherwise_is_suspected(rate: float) -> None:
    found = judged(growing(40, rate))
    assert found and found.suspect
    assert found.years_per_year == pytest.approx(rate, abs=1.5)


def test_a_name_that_passed_from_an_old_animal_to_a_young_one_is_suspected() -> None:
    found = judged([14.0] * 20 + [3.0] * 20)
    assert found and found.suspect and found.years_per_year < 0


def test_one_wrong_picture_is_no_swap() -> None:
    ages = growing(20, 1.0)
    ages[-1] = 25.0
    found = judged(ages)
    assert found and not found.suspect


def test_a_few_readings_or_a_day_of_them_say_nothing() -> None:
    assert judged([5.0, 6.0, 7.0]) is None
    assert judged([5.0] * 10, years=0.001) is None


def test_a_season_is_too_short_to_be_sure() -> None:
    found = judged(growing(10, 1.0, years=0.1), years=0.1)
    assert found and not found.suspect and found.high - found.low > 10


def test_a_confirmed_birth_date_does_not_hide_a_swap() -> None:
    own, _ = of([14.0] * 20 + [3.0] * 20)
    found = ageing(own, MODEL, BirthDate.on(START - timedelta(days=14 * 365)))
    assert found and found.suspect


def test_in_simulated_years_few_are_suspected_wrongly_and_many_rightly() -> None:
    found = births.swaps(10)
    assert float(str(found["suspected_of_one"])) < 0.01
    apart = found["suspected_of_two_by_years_apart"]
    assert isinstance(apart, dict) and apart["10-"] > 0.45
