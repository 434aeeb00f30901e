"""Trap nights."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from station.effort import Days, days_down, spans, worked
from station.silence import Span


def days(*ordinals: int) -> Days:
    return np.array(ordinals, np.int32)


@pytest.mark.parametrize(
    ("pictured", "nights", "silent"),
    [
        ((), [], 0),
        ((105,), [105], 0),
        ((105, 108), [105, 106, 107, 108], 0),
        ((105, 125), [105, 125], 19),  # longer than a week, and no rhythm says that this is usual
        ((90, 97, 104), [100, 101, 102, 103, 104], 0),  # a week is believed, also across the beginning
        ((90, 99), [], 0),  # it stopped before
        ((148, 155), [148, 149, 150], 0),
    ],
)
def test_a_camera_worked_from_its_first_to_its_last_picture(
    pictured: tuple[int, ...], nights: list[int], silent: int
) -> None:
    found, stood_still = worked(days(*pictured), 100, 150)
    assert found.tolist() == nights
    assert stood_still == silent


def test_a_camera_that_is_seldom_passed_is_believed_for_longer() -> None:
    every_tenth = range(1, 101, 10)
    found, silent = worked(days(*every_tenth), 1, 200)
    assert found.tolist() == list(range(1, 92))
    assert silent == 0


def test_no_night_is_counted_on_which_the_pictures_of_the_air_could_not_arrive() -> None:
    found, silent = worked(days(100, 105), 100, 110, down={102, 103, 105})
    assert found.tolist() == [100, 101, 104, 105]
    assert silent == 2


ordinals = some.lists(some.integers(1, 400), unique=True, max_size=60).map(
    lambda days: np.array(sorted(days), np.int32)
)


@given(ordinals, some.integers(1, 400), some.integers(0, 200))
def test_nights_lie_between_the_pictures_and_in_the_window(pictured: Days, first: int, length: int) -> None:
    last = first + length
    found, silent = worked(pictured, first, last)
    own = set(found.tolist())
    assert {int(day) for day in pictured if first <= day <= last} <= own
    assert all(first <= day <= last and pictured[0] <= day <= pictured[-1] for day in own)
    assert len(own) == len(found)
    assert silent >= 0


def test_days_down_are_those_on_which_no_run_was_up() -> None:
    begun = datetime(2026, 6, 1, 12, tzinfo=UTC)
    first = begun.toordinal()
    runs = [Span(begun, begun.replace(day=2)), Span(begun.replace(day=5), begun.replace(day=9))]
    assert days_down(runs, first, first + 5) == {first + 2, first + 3}
    assert days_down([], first, first + 5) == frozenset()


def test_days_without_a_break_are_one_stretch_of_time() -> None:
    found = spans(days(100, 101, 102, 110))
    assert [(span.ended - span.began).days for span in found] == [3, 1]
    assert spans(days()) == []
