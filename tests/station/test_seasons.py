from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from station.reserves import Course, Lives, lives
from station.seasons import Eye, Sightings, Watch, season
from tests.benchmarks import births

START = date(2025, 6, 1).toordinal()
DAYS = 730
CUBS = Course(days=DAYS, cubs_a_year=0.8, immigrants_a_year=0.2)


@pytest.fixture(scope="module")
def truth() -> Lives:
    return lives(CUBS, START, np.random.default_rng(4))


@pytest.fixture(scope="module")
def seen(truth: Lives) -> Sightings:
    return season(truth, Watch(mistaken=0.05, split=0.02), Eye(), START, DAYS, np.random.default_rng(5))


def test_animals_are_born_come_and_die(truth: Lives) -> None:
    assert truth.alive(START).sum() == CUBS.animals
    assert (truth.born >= START).any()
    assert ((truth.came > START) & (truth.born < START)).any()
    assert (truth.died < START + DAYS).any()
    assert (truth.died > truth.came).all()
    assert set(truth.sexes) == {"f", "m"}
    assert len(set(truth.names)) == len(truth)


def test_births_fall_into_their_months(truth: Lives) -> None:
    months = np.array([date.fromordinal(day).month for day in truth.born.tolist()])
    assert np.isin(months, (6, 7, 8, 9, 10)).all()


def test_nobody_is_seen_in_the_den_before_it_comes_or_after_its_death(truth: Lives, seen: Sightings) -> None:
    assert truth.about(seen.days - 1e-3, seen.who).mean() > 0.99
    assert (truth.ages_years(seen.days, seen.who) > 0.25).all()
    assert (seen.days < truth.died[seen.who] + 1e-3).all()


def test_a_camera_that_has_failed_sees_nothing(seen: Sightings) -> None:
    assert not seen.up.all()
    assert seen.up.shape == (Watch().cameras, DAYS)
    assert seen.up[seen.cameras, (seen.days - START - 1e-3).astype(int)].all()


def test_pictures_come_in_order_and_an_event_shows_one_animal(seen: Sightings) -> None:
    starts = seen.days[np.flatnonzero(np.diff(seen.events, prepend=-1))]
    assert (np.diff(starts) >= 0).all()
    for column in (seen.who, seen.claimed, seen.cameras):
        assert len(set(zip(seen.events.tolist(), column.tolist(), strict=True))) == len(set(seen.events.tolist()))


def test_as_many_are_mistaken_as_was_asked(truth: Lives, seen: Sightings) -> None:
    wrong = seen.who != seen.claimed
    new = seen.claimed >= len(truth)
    assert (wrong & ~new).mean() == pytest.approx(0.05, abs=0.015)
    assert new.mean() == pytest.approx(0.02, abs=0.01)


def test_every_picture_is_someones(seen: Sightings) -> None:
    rows = [row for _, own, _ in seen.by_claim() for row in own.tolist()]
    assert sorted(rows) == list(range(len(seen)))


def test_an_animals_bias_stays_and_its_noise_does_not() -> None:
    who, rng = np.repeat(np.arange(300), 20), np.random.default_rng(6)
    eye = Eye(math.inf, 0, 2.0, 3.0, 0, 0, math.inf, 1e6)
    errors = (eye.estimates(np.full(len(who), 30.0), who, np.arange(len(who)), rng) - 30).reshape(300, 20)
    assert errors.mean(axis=1).std() == pytest.approx(math.sqrt(4 + 9 / 20), rel=0.15)
    assert errors.std(axis=1, ddof=1).mean() == pytest.approx(3, rel=0.05)


def test_the_same_seed_gives_the_same_season(truth: Lives, seen: Sightings) -> None:
    again = season(truth, Watch(mistaken=0.05, split=0.02), Eye(), START, DAYS, np.random.default_rng(5))
    assert (again.estimates_years == seen.estimates_years).all()
    assert (again.claimed == seen.claimed).all()


def test_a_reserve_where_nothing_happens_is_a_season_too() -> None:
    nobody = lives(Course(animals=1, cubs_a_year=0, immigrants_a_year=0), START, np.random.default_rng(0))
    empty = season(nobody, Watch(visits_a_year=0), Eye(), START, 365, np.random.default_rng(0))
    assert len(empty) == 0
    assert list(empty.by_claim()) == []


def test_birth_dates_of_simulated_seasons_are_as_sure_as_they_say() -> None:
    """Forty seasons of forty models; two hundred take `python -m tests.benchmarks.births`."""
    found = births.seasons(40, first_seed=100)
    assert len(found.place) > 2000
    assert 0.87 <= found.held(0.9) <= 0.93
    assert 0.76 <= found.held(0.8) <= 0.84


@pytest.mark.parametrize("readings", [1, 8, 64])
def test_the_error_falls_with_readings_as_the_theory_says_and_not_faster(readings: int) -> None:
    assert 0.9 <= births.theory(readings, 1000, seed=1).ratio <= 1.15
