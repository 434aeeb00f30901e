"""When a job is due, in words and as cron; across daylight-saving changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from station.when import When, when

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 22, 5, tzinfo=UTC)
"""A Monday; 23:05 in Berlin."""


@pytest.mark.parametrize(
    ("words", "last", "coming"),
    [
        ("nightly at 02:30", "2026-11-23T02:30", "2026-11-24T02:30"),
        ("Every day at 23:05", "2026-11-23T23:05", "2026-11-24T23:05"),
        ("weekly on Sunday at 03:00", "2026-11-22T03:00", "2026-11-29T03:00"),
        ("every tuesday at 3:00", "2026-11-17T03:00", "2026-11-24T03:00"),
        ("monthly at 04:05", "2026-11-01T04:05", "2026-12-01T04:05"),
        ("monthly on the 15th at 01:00", "2026-11-15T01:00", "2026-12-15T01:00"),
        ("every 6 hours", "2026-11-23T18:00", "2026-11-24T00:00"),
        ("hourly", "2026-11-23T22:00+00:00", "2026-11-23T23:00+00:00"),
        ("every 30 minutes", "2026-11-23T22:00+00:00", "2026-11-23T22:30+00:00"),
        ("15 4 * * 0", "2026-11-22T04:15", "2026-11-29T04:15"),
        ("15 4 * * 7", "2026-11-22T04:15", "2026-11-29T04:15"),
        ("15 4 * * 1-5", "2026-11-23T04:15", "2026-11-24T04:15"),
        ("15 4 * * wed,sun", "2026-11-22T04:15", "2026-11-25T04:15"),
        ("0 3 1-7 * *", "2026-11-07T03:00", "2026-12-01T03:00"),
        ("0 0 29 2 *", "2024-02-29T00:00", "2028-02-29T00:00"),
    ],
)
def test_words_and_cron_say_when_a_job_was_due_last_and_is_next(words: str, last: str, coming: str) -> None:
    found = When(words)
    assert (found.last(NOW, BERLIN).name, found.next(NOW, BERLIN).name) == (last, coming)


@pytest.mark.parametrize("words", ["", "never", " Never "])
def test_a_job_can_be_never(words: str) -> None:
    assert when(words) is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("sometimes", "write never, nightly at 02:30"),
        ("0 3 * *", "five fields of cron"),
        ("0 0 30 2 *", "that day never comes"),
        ("every 7 hours", "7 hours do not part a day evenly"),
        ("every 0 minutes", "0 minutes do not part an hour evenly"),
        ("nightly at 25:00", "higher than the maximum value"),
        ("0 3 1 * 1", "a day of the month or a day of the week, not both"),
        ("0 3 * * 9", "is no day of the week"),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be_right(words: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        when(words)


def between(words: str, since: datetime, hours: int) -> list[str]:
    found = When(words).between(since, since + timedelta(hours=hours), BERLIN)
    return [f"{slot.name} {slot.at:%H:%M}" for slot in found]


def test_an_hour_that_a_day_leaves_out_comes_an_hour_later() -> None:
    assert between("nightly at 02:30", datetime(2026, 3, 28, 12, tzinfo=UTC), 24) == ["2026-03-29T02:30 01:30"]


def test_an_hour_that_comes_twice_counts_once() -> None:
    assert between("nightly at 02:30", datetime(2026, 10, 24, 12, tzinfo=UTC), 24) == ["2026-10-25T02:30 00:30"]


def test_every_hour_that_passes_counts_also_when_the_wall_says_it_twice() -> None:
    assert len(between("hourly", datetime(2026, 10, 24, 12, tzinfo=UTC), 24)) == 24
    assert len(between("hourly", datetime(2026, 3, 28, 12, tzinfo=UTC), 24)) == 24
