"""Whether a job is due: with a real ledger, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from station import history, jobbook
from station.due import AGAIN, AGAIN_AT_MOST, MOST_INTERRUPTED, Due, Ending, Patience, Run, due
from station.store import Store
from station.when import When

NIGHTLY = When("nightly at 02:30")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SINCE = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHT = datetime(2026, 6, 5, 2, 30, tzinfo=UTC)
SLOT = "2026-06-05T02:30"
PATIENCE = Patience(2, timedelta(minutes=10))


def run(ending: Ending | None, at: datetime = NIGHT, message: str = "") -> Run:
    return Run(SLOT, at, at + timedelta(minutes=1) if ending else None, ending, message)


def found(*runs: Run, now: datetime = NIGHT + HOUR, since: datetime = SINCE) -> Due:
    return due(NIGHTLY, UTC, since, runs, now, PATIENCE)


def test_what_was_missed_is_due_at_once_and_only_the_newest_time() -> None:
    assert (found().slot.name, found().at) == (SLOT, NIGHT + HOUR)


def test_what_was_done_is_due_the_next_time() -> None:
    assert found(run(Ending.DONE)).at == NIGHT + DAY


def test_times_before_it_was_planned_are_not_made_up_for() -> None:
    assert found(since=NIGHT + timedelta(minutes=1)).at == NIGHT + DAY


def test_a_box_that_has_lost_the_time_begins_nothing() -> None:
    lost = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert found(now=lost, since=datetime(2019, 1, 1, tzinfo=UTC)).at > lost


def test_what_failed_is_tried_again_after_a_pause_that_doubles() -> None:
    assert found(run(Ending.FAILED)).at == NIGHT + HOUR
    again = found(run(Ending.FAILED), run(Ending.FAILED), now=NIGHT + timedelta(minutes=2))
    assert again.at == NIGHT + timedelta(minutes=21)


def test_what_failed_too_often_is_given_up_until_the_next_time_and_says_why() -> None:
    given_up = found(*[run(Ending.FAILED, message="no room")] * 3)
    assert (given_up.at, given_up.gave_up) == (NIGHT + DAY, "no room")


def test_what_a_power_cut_ended_is_begun_again_at_once() -> None:
    assert found(run(Ending.INTERRUPTED), now=NIGHT + timedelta(seconds=70)).at == NIGHT + timedelta(seconds=70)


def test_what_brings_the_box_down_is_not_begun_for_ever() -> None:
    given_up = found(*[run(Ending.INTERRUPTED)] * MOST_INTERRUPTED)
    assert given_up.at == NIGHT + DAY and "again and again" in given_up.gave_up


@pytest.mark.parametrize("times", [1, 50])
def test_what_was_stopped_goes_on_however_often_it_was(times: int) -> None:
    assert found(*[run(Ending.STOPPED)] * times).at == NIGHT + HOUR


def test_what_stood_back_is_tried_again_a_little_later() -> None:
    now = NIGHT + timedelta(minutes=2)
    assert found(run(Ending.PUT_OFF), now=now).at == NIGHT + timedelta(minutes=1) + AGAIN


def test_what_stands_back_again_and_again_is_tried_ever_more_seldom() -> None:
    now = NIGHT + timedelta(minutes=2)
    ended = NIGHT + timedelta(minutes=1)
    assert found(*[run(Ending.PUT_OFF)] * 3, now=now).at == ended + 4 * AGAIN
    assert found(*[run(Ending.PUT_OFF)] * 200, now=now).at == ended + AGAIN_AT_MOST


def test_a_pause_ends_although_the_clock_was_set_back_meanwhile() -> None:
    failed = run(Ending.FAILED, NIGHT + timedelta(hours=9))
    assert found(failed).at == NIGHT + HOUR + timedelta(minutes=10)


class Box:
    """Looks at its ledger as the daemon does, and does at once what is due."""

    def __init__(self, file: Path, words: str, zone: tzinfo, now: datetime) -> None:
        self.file, self.words, self.zone, self.did = file, words, zone, []  # type: tuple[Path, str, tzinfo, list[str]]
        with Store(file, now):
            pass
        jobbook.planned(file, {"census": words}, now)

    def look(self, now: datetime) -> None:
        with history.reading(self.file) as db:
            ahead = jobbook.is_ahead(db, now)
        if ahead:
            jobbook.planned(self.file, {"census": self.words}, now)
        with history.reading(self.file) as db:
            runs, since = jobbook.newest(db, "census"), jobbook.sinces(db)["census"]
        next_ = due(When(self.words), self.zone, since, runs, now, PATIENCE)
        if next_.at <= now:
            self.did.append(next_.slot.name)
            jobbook.end(self.file, jobbook.begin(self.file, "census", next_.slot.name, now), Ending.DONE, "", 1.0, now)

    def live(self, since: datetime, hours: float, every: timedelta = HOUR / 2) -> datetime:
        now = since
        while now < since + timedelta(hours=hours):
            self.look(now)
            now += every
        return now


def days(first: int, last: int) -> list[str]:
    return [f"2026-06-{day:02}T02:30" for day in range(first, last + 1)]


def test_every_night_once(file: Path) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE)
    box.live(SINCE, 96)
    assert box.did == days(2, 5)


def test_after_days_without_power_it_runs_once(file: Path) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE)
    box.live(SINCE, 24)
    box.live(SINCE + 4 * DAY, 24)
    assert box.did == [*days(2, 2), *days(5, 6)]


@pytest.mark.parametrize("back_h", [0.25, 1, 5, 15])
def test_a_clock_that_is_set_back_repeats_no_night_and_loses_none(file: Path, back_h: float) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE)
    now = box.live(SINCE, 15)
    box.live(now - timedelta(hours=back_h), 48 + back_h)
    assert box.did == days(2, 4)


@pytest.mark.parametrize("forward_h", [1, 12])
def test_a_clock_that_is_set_forward_loses_no_night_and_repeats_none(file: Path, forward_h: int) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE)
    now = box.live(SINCE, 14)
    box.live(now + timedelta(hours=forward_h), 48)
    assert box.did == days(2, 4)


def test_a_clock_that_was_years_ahead_for_a_while_loses_no_night(file: Path) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE)
    now = box.live(SINCE, 16)
    box.live(now + 3653 * DAY, 2)
    box.live(now, 48)
    assert box.did == ["2026-06-02T02:30", "2036-06-02T02:30", *days(3, 4)]


def test_a_plan_that_was_made_by_a_clock_ahead_begins_now(file: Path) -> None:
    box = Box(file, "nightly at 02:30", UTC, SINCE + 3653 * DAY)
    box.live(SINCE, 48)
    assert box.did == days(2, 3)


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)])
@pytest.mark.parametrize("words", ["nightly at 02:30", "nightly at 02:00", "nightly at 03:00"])
def test_across_a_daylight_saving_change_every_night_once(file: Path, change: datetime, words: str) -> None:
    box = Box(file, words, ZoneInfo("Europe/Berlin"), change - 36 * HOUR)
    box.live(change - 36 * HOUR, 72)
    assert len(box.did) == len(set(box.did)) == 3


def test_across_a_daylight_saving_change_every_hour_once(file: Path) -> None:
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    box = Box(file, "hourly", ZoneInfo("Europe/Berlin"), change - 4 * HOUR)
    box.live(change - 4 * HOUR, 8, HOUR / 4)
    assert len(box.did) == len(set(box.did)) == 8


def test_another_plan_begins_when_it_is_made(file: Path) -> None:
    Box(file, "nightly at 02:30", UTC, SINCE)
    kept = jobbook.planned(file, {"census": "nightly at 02:30"}, SINCE + DAY)
    changed = jobbook.planned(file, {"census": "nightly at 03:30"}, SINCE + DAY)
    assert (kept["census"], changed["census"]) == (SINCE, SINCE + DAY)


def test_a_run_that_nobody_ended_is_interrupted_when_the_next_begins(file: Path) -> None:
    Box(file, "nightly at 02:30", UTC, SINCE)
    jobbook.begin(file, "census", SLOT, NIGHT)
    jobbook.begin(file, "census", SLOT, NIGHT + HOUR)
    with history.reading(file) as db:
        assert [one.ending for one in jobbook.newest(db, "census")] == [Ending.INTERRUPTED, None]
