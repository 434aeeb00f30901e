"""When a job is due, in plain words or as a cron expression, in the station's own time.

A job at an hour of the day is known by what a clock on the wall says: where that hour comes twice it is due once, and
where a daylight-saving change leaves it out, an hour later.  A job of every hour, or of minutes within it, counts the
hours that pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from apscheduler.triggers.cron import CronTrigger

NEVER = ("", "never")
REMEDY = (
    "write never, nightly at 02:30, weekly on Sunday at 03:00, monthly on 1 at 03:00, every 6 hours, every 30 minutes, "
    "or five fields of cron: minute, hour, day of month, month, day of week"
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_AT = r"at (?P<hour>\d{1,2}):(?P<minute>\d{2})"
_WORDS = {
    rf"(nightly|daily|every (day|night)) {_AT}": "{minute} {hour} * * *",
    rf"(weekly on|every) (?P<day>{'|'.join(_DAYS)}) {_AT}": "{minute} {hour} * * {day}",
    rf"monthly (on (the )?(?P<date>\d{{1,2}})(st|nd|rd|th)? )?{_AT}": "{minute} {hour} {date} * *",
    r"hourly|every hour": "0 * * * *",
    r"every (?P<hours>\d+) hours": "0 */{hours} * * *",
    r"every (?P<minutes>\d+) minutes": "*/{minutes} * * * *",
}
_PARTS_OF = {"hours": 24, "minutes": 60}
_BACK = tuple(timedelta(hours=hours) for hours in (2, 48, 24 * 40, 24 * 400, 24 * 366 * 9))
"""How far the last time is looked for, the nearest first: the 29th of February can be eight years ago."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which a job is due."""

    name: str
    """By which the ledger knows it."""
    at: datetime


class When:
    """Times of a job, without end.  Raises `ValueError` where the words are none, with what would be right."""

    def __init__(self, words: str) -> None:
        fields = _fields(" ".join(words.lower().split()))
        minute, hour, day, month, weekday = fields
        self.hourly = hour == "*"
        try:
            self._trigger = CronTrigger(
                minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{error}; {REMEDY}") from error
        if not any(self._walls(datetime(2026, 1, 1), datetime(2035, 1, 1))):  # noqa: DTZ001  on a wall
            raise ValueError(f"that day never comes; {REMEDY}")

    def last(self, now: datetime, zone: tzinfo) -> Slot:
        """The newest that is not after `now`."""
        for back in _BACK:
            found = None
            for slot in self.between(now - back, now, zone):
                found = slot
            if found:
                return found
        raise AssertionError("it comes at least every eight years")

    def next(self, now: datetime, zone: tzinfo) -> Slot:
        """The first after `now`."""
        return next(slot for slot in self._slots(now, now + _BACK[-1], zone) if slot.at > now)

    def between(self, since: datetime, until: datetime, zone: tzinfo) -> Iterator[Slot]:
        """All after `since` that are not after `until`."""
        return (slot for slot in self._slots(since, until, zone) if since < slot.at <= until)

    def _slots(self, since: datetime, until: datetime, zone: tzinfo) -> Iterator[Slot]:
        """With some more on both sides."""
        own = timezone(until.astimezone(zone).utcoffset() or timedelta()) if self.hourly else zone
        first, last = (at.astimezone(own).replace(tzinfo=None) for at in (since - _A_DAY, until + _A_DAY))
        for wall in self._walls(first, last):
            at = wall.replace(tzinfo=own).astimezone(UTC)
            yield Slot((at if self.hourly else wall).isoformat(timespec="minutes"), at)

    def _walls(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """What the clock on the wall says: to the trigger it is all one long summer."""
        now, end = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
        while (found := self._trigger.get_next_fire_time(None, now)) and found <= end:
            yield found.replace(tzinfo=None)
            now = found + timedelta(minutes=1)


def when(words: str) -> When | None:
    """None: never.  Raises `ValueError`."""
    return None if words.strip().lower() in NEVER else When(words)


def _fields(words: str) -> list[str]:
    for pattern, cron in _WORDS.items():
        if found := re.fullmatch(pattern, words):
            parts = {name: part for name, part in found.groupdict().items() if part}
            for name in parts.keys() & _PARTS_OF.keys():
                if int(parts[name]) == 0 or _PARTS_OF[name] % int(parts[name]):
                    raise ValueError(
                        f"{parts[name]} {name} do not part {'a day' if name == 'hours' else 'an hour'} evenly; {REMEDY}"
                    )
            return cron.format(**{"date": "1"} | parts).split()
    fields = words.split()
    if len(fields) != 5 or re.search(r"[^\d*/,\-a-z]", "".join(fields)):
        raise ValueError(REMEDY)
    if "*" not in (fields[2], fields[4]):
        raise ValueError(f"give a day of the month or a day of the week, not both; {REMEDY}")
    return fields


def _weekdays(field: str) -> str:
    """As cron has them, where 0 and 7 are Sunday: to the trigger 0 is Monday."""
    names = re.sub("|".join(_DAYS), lambda found: found[0][:3], field)
    days, step = names.partition("/")[::2]
    if not re.search(r"\d", days):
        return names
    chosen: set[int] = set()
    for part in days.split(","):
        low, _, high = part.partition("-")
        if not low.isdigit() or not (high or low).isdigit() or int(high or low) > 7:
            raise ValueError(f"{field!r} is no day of the week: 0 to 7, or sun to sat")
        chosen |= set(range(int(low), int(high or low) + 1))
    kept = sorted(chosen)[:: int(step) if step.isdigit() else 1]
    return ",".join(dict.fromkeys(_DAYS[day % 7][:3] for day in kept))
