"""When a camera is silent, as tables: what it used to do, and what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.silence import Rule, Span, allowed, listened, silent_since

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
BY_RHYTHM = Rule(floor_h=24)


def arrivals(*gaps_h: float) -> list[Span]:
    """Arrivals of ten minutes each, so many hours apart."""
    ten = timedelta(minutes=10)
    begins = accumulate((h + 1 / 6 for h in gaps_h), initial=0.0)
    return [Span(START + timedelta(hours=h), START + timedelta(hours=h) + ten) for h in begins]


@pytest.mark.parametrize(
    ("camera", "gaps_h", "hours"),
    [
        ("daily upload", [24] * 20, 48),
        ("busy by day, at rest by night: the floor", [1] * 15 + [10] + [1] * 15 + [10], 24),
        ("off at weekends", [24, 24, 24, 24, 72] * 6, 144),
        ("one long pause in many gaps is forgotten", [24] * 39 + [24 * 60], 48),
        ("a card a month", [24 * 30] * 8, 24 * 60),
        ("seven gaps are no rhythm", [24] * 7, None),
        ("never heard", [], None),
    ],
)
def test_the_rhythm_says_how_long_a_camera_may_be_silent(camera: str, gaps_h: list[float], hours: float | None) -> None:
    found = allowed(arrivals(*gaps_h), BY_RHYTHM)
    assert found == (None if hours is None else timedelta(hours=hours)), camera


@pytest.mark.parametrize(
    ("rule", "gaps_h", "hours"),
    [
        (Rule(24, ceiling_h=36), [24] * 20, 36),
        (Rule(24, ceiling_h=72), [24] * 20, 48),
        (Rule(24, ceiling_h=72), [24], 72),
        (Rule(24, ceiling_h=12), [1] * 20, 12),
        (Rule(24, own_h=6), [24] * 20, 6),
        (Rule(24, own_h=6), [], 6),
        (Rule(24, ceiling_h=72, own_h=0), [24] * 20, None),
        (Rule(0), [1] * 20, 2),
    ],
)
def test_what_is_configured_goes_before_the_rhythm(rule: Rule, gaps_h: list[float], hours: float | None) -> None:
    assert allowed(arrivals(*gaps_h), rule) == (None if hours is None else timedelta(hours=hours))


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("what", "runs", "days"),
    [
        ("always up", [Span(START, NOW)], 10),
        ("never up", [], 0),
        (
            "up before it was heard last, and again for two days",
            [Span(START, NOW - 11 * DAY), Span(NOW - 2 * DAY, NOW)],
            2,
        ),
        ("a week without power", [Span(START, NOW - 9 * DAY), Span(NOW - 2 * DAY, NOW)], 3),
        ("a clock that went back", [Span(NOW, NOW - 3 * DAY)], 0),
        ("a run of the future", [Span(NOW + DAY, NOW + 2 * DAY)], 0),
    ],
)
def test_only_the_time_in_which_the_station_was_up_counts(what: str, runs: list[Span], days: int) -> None:
    heard = NOW - 10 * DAY
    assert listened(heard, NOW, runs) == days * DAY, what
    assert (silent_since(heard, NOW, 5 * DAY, runs) == heard) == (days > 5)


def test_without_a_limit_no_camera_is_silent() -> None:
    assert silent_since(START, NOW, None, [Span(START, NOW)]) is None


@given(st.lists(st.floats(0.6, 2000), min_size=8, max_size=64), st.floats(0, 100))
def test_a_camera_that_does_what_it_did_is_seldom_reported(gaps_h: list[float], floor_h: float) -> None:
    found = allowed(arrivals(*gaps_h), Rule(floor_h))
    assert found is not None
    assert found >= timedelta(hours=floor_h)
    too_long = sum(timedelta(hours=gap) > found for gap in gaps_h)
    assert too_long <= 0.05 * len(gaps_h)
