from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from station.domain import TimeSource
from station.times import CameraClock, captured, zone

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FILE_NS = int(datetime(2026, 5, 2, 3, 4, 5, tzinfo=UTC).timestamp() * 1e9)
CHINA = CameraClock(zone("+08:00"))


@pytest.mark.parametrize(
    ("taken", "offset", "utc", "source"),
    [
        ("2026:05:01 10:00:00", "+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC), TimeSource.EXIF_OFFSET),
        ("2026:05:01 10:00:00", None, datetime(2026, 5, 1, 2, tzinfo=UTC), TimeSource.EXIF),
        ("2026:05:01 10:00:00", "nonsense", datetime(2026, 5, 1, 2, tzinfo=UTC), TimeSource.EXIF),
        ("2026-05-01T10:00:00", None, datetime(2026, 5, 1, 2, tzinfo=UTC), TimeSource.EXIF),
        (None, None, None, TimeSource.NONE),
        ("    :  :     :  :  ", None, None, TimeSource.NONE),
        ("0000:00:00 00:00:00", None, None, TimeSource.NONE),
    ],
)
def test_the_offset_comes_first_then_the_cameras_zone(
    taken: str | None, offset: str | None, utc: datetime | None, source: TimeSource
) -> None:
    time = captured(taken, offset, FILE_NS, CHINA, NOW)
    assert (time.utc, time.source, time.impossible) == (utc, source, False)


@pytest.mark.parametrize(
    "taken", ["1999:12:31 10:00:00", "2026:06:02 10:00:00", "2026:13:01 10:00:00", "0001:01:01 00:00:00"]
)
def test_an_impossible_clock_is_kept_as_written_and_flagged(taken: str) -> None:
    time = captured(taken, None, FILE_NS, CHINA, NOW)
    assert time.impossible
    assert time.as_recorded == taken


def test_a_box_that_lost_its_own_clock_calls_no_picture_impossible() -> None:
    lost = datetime(1970, 1, 1, tzinfo=UTC)
    assert not captured("2026:05:01 10:00:00", None, FILE_NS, CHINA, lost).impossible
    assert captured("1999:05:01 10:00:00", None, FILE_NS, CHINA, lost).impossible


def test_the_files_time_counts_only_where_it_is_allowed() -> None:
    allowed = CameraClock(zone("+08:00"), shift=timedelta(hours=1), file_time=True)
    assert captured(None, None, FILE_NS, allowed, NOW).utc == datetime(2026, 5, 2, 3, 4, 5, tzinfo=UTC)
    assert captured(None, None, FILE_NS, allowed, NOW).source is TimeSource.FILE
    assert captured(None, None, FILE_NS, CHINA, NOW).utc is None


def test_a_clock_that_is_a_year_behind_is_corrected_and_the_raw_time_kept() -> None:
    behind = CameraClock(zone("+08:00"), shift=timedelta(days=365))
    time = captured("2025:05:01 10:00:00", None, FILE_NS, behind, NOW)
    assert time.utc == datetime(2026, 5, 1, 2, tzinfo=UTC)
    assert time.as_recorded == "2025:05:01 10:00:00"


def test_a_zone_with_daylight_saving_is_read_at_the_pictures_date() -> None:
    berlin = CameraClock(zone("Europe/Berlin"))
    assert captured("2026:01:01 10:00:00", None, 0, berlin, NOW).utc == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert captured("2026:05:01 10:00:00", None, 0, berlin, NOW).utc == datetime(2026, 5, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["China", "+8", "", "../etc"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time zone"):
        zone(text)


@pytest.mark.parametrize(
    ("given", "utc"),
    [
        ("2026-05-01T10:00:00+02:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01 10:00", datetime(2026, 5, 1, 2, tzinfo=UTC)),
    ],
)
def test_the_time_that_came_with_the_message_goes_first(given: str, utc: datetime) -> None:
    shifted = CameraClock(CHINA.zone, shift=timedelta(days=1))
    time = captured("2026:05:20 10:00:00", None, FILE_NS, shifted, NOW, given)
    assert (time.utc, time.as_recorded, time.source, time.impossible) == (utc, given, TimeSource.MESSAGE, False)


@pytest.mark.parametrize("given", ["", "yesterday", "0001-01-01T00:00:00+09:00"])
def test_what_is_no_time_in_a_message_counts_as_none(given: str) -> None:
    assert captured("2026:05:01 10:00:00", None, FILE_NS, CHINA, NOW, given).source is TimeSource.EXIF


def test_an_impossible_time_in_a_message_is_flagged() -> None:
    assert captured(None, None, FILE_NS, CHINA, NOW, "1970-01-01T00:00:00Z").impossible
