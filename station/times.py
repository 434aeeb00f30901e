"""When a picture was taken.  Cameras have no idea of time zones: pure rules make the best of what they write.

The order: the time that came with the message; EXIF DateTimeOriginal with OffsetTimeOriginal; EXIF
DateTimeOriginal in the camera's zone; the file's own time, where the camera's settings allow it.  The camera's
clock correction is added to what the camera wrote, not to the message's or the file's time, which other clocks
wrote.  A missing time is never invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from station.domain import CaptureTime, TimeSource

Clock = Callable[[], datetime]
"""The time, with a zone: handed in from above, so that nothing below asks for it."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""A box whose clock is before this has lost the time, and cannot say what lies in the future."""
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_TAKEN = re.compile(r"(\d{4})[:-](\d{2})[:-](\d{2})[ T](\d{2}):(\d{2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class CameraClock:
    """How a camera's clock is to be read."""

    zone: tzinfo
    shift: timedelta = timedelta(0)
    """Added to what the camera wrote."""
    file_time: bool = False
    """Whether the file's modification time may stand in for a missing EXIF time."""


def iso(moment: datetime) -> str:
    """A moment as it is stored: ISO 8601 in UTC, with its offset."""
    return moment.astimezone(UTC).isoformat()


def zone(text: str) -> tzinfo:
    """A zone by name (`Asia/Shanghai`) or as a fixed offset (`+08:00`); raises `ValueError`."""
    if found := _OFFSET.fullmatch(text):
        return _fixed(found)
    try:
        return ZoneInfo(text)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{text!r} is neither a time zone's name nor an offset such as +08:00") from error


def _fixed(found: re.Match[str]) -> tzinfo:
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-away if found[1] == "-" else away)


def captured(
    taken: str | None,
    offset: str | None,
    modified_ns: int,
    clock: CameraClock,
    now: datetime,
    given: str | None = None,
) -> CaptureTime:
    """The capture time as the sender has `given` it, else from EXIF's `taken` and `offset`, else from the file's.

    A time before 2000, or more than a minute after `now`, is kept and flagged impossible.
    """
    sent = _given(given, clock.zone)
    if sent is not None:
        return CaptureTime(sent, given, TimeSource.MESSAGE, not _possible(sent, now))
    local = _local(taken)
    if local is not None:
        found = _OFFSET.fullmatch(offset or "")
        source = TimeSource.EXIF_OFFSET if found else TimeSource.EXIF
        utc = _utc(local, _fixed(found) if found else clock.zone, clock.shift)
        return CaptureTime(utc, taken, source, utc is None or not _possible(utc, now))
    if taken is not None and any(c in "123456789" for c in taken):
        return CaptureTime(None, taken, TimeSource.EXIF, impossible=True)  # a 13th month and the like
    if clock.file_time:
        utc = datetime.fromtimestamp(modified_ns / 1e9, UTC).replace(microsecond=0)
        return CaptureTime(utc, None, TimeSource.FILE, not _possible(utc, now))
    return CaptureTime(None, None, TimeSource.NONE)


def _given(text: str | None, zone: tzinfo) -> datetime | None:
    """ISO 8601, in the camera's zone unless it has an offset; what is no time counts as none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
        return moment and (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _possible(utc: datetime, now: datetime) -> bool:
    return utc >= EARLIEST and (now < BUILT or utc <= now + timedelta(minutes=1))


def _utc(local: datetime, zone: tzinfo, shift: timedelta) -> datetime | None:
    try:
        return (local.replace(tzinfo=zone) + shift).astimezone(UTC)
    except OverflowError:  # year 1 or 9999
        return None


def _local(taken: str | None) -> datetime | None:
    found = _TAKEN.match(taken or "")
    try:
        return datetime(*(int(part) for part in found.groups())) if found else None  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
