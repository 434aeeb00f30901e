"""What the daemon does by the clock: real jobs, real children, a real ledger."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from station import history, jobbook, logbook, settings
from station.checkup import checkup
from station.due import BASELINE, Ending, Run
from station.errand import claimed
from station.fitness import Identity, judge
from station.flow import Doorbell
from station.jobs import Jobs, Running
from station.notices import Notices
from station.settings import Settings
from station.shortage import Problems
from tests.reserve import reserve
from tests.station.test_commands import station
from tests.station.test_fitness import WELL
from tests.station.test_flow import until

CONFIG = """
[station]
id = "hut"
database = "station.db"
bundle = "{bundle}"
[health]
listen = ""
every_s = 1
free_mb = 0
[schedule]
census = "{census}"
selfcheck = "never"
backup = "{backup}"
backup_into = "{backup_into}"
retries = 1
retry_after_min = 0.0001
after_start_s = 0
"""
SCHEMAS = Path(__file__).parents[2] / "config" / "schemas"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
IDENTITY = Identity("tiny-1", "cpu", None, {"torch": "2"})


def configured(folder: Path, bundle: Path, **words: str) -> Settings:
    usual = {"census": "never", "backup": "never", "backup_into": "backups"}
    (folder / "station.toml").write_text(CONFIG.format(bundle=bundle, **usual | words))
    return settings.load(folder / "station.toml")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    with reserve(tmp_path / "station.db") as said:
        said.often("bao", NOW - DAY, 5)
        said.often("mei", NOW - 3 * DAY, 5, age=2.0)
    return tmp_path


def planned(read: Settings, since: datetime) -> None:
    """As if the daemon had begun then, and had had no power since."""
    jobbook.planned(read.station.database, read.schedule.words(), since)


@contextmanager
def at_work(
    read: Settings, clock: Callable[[], datetime] = lambda: NOW, identity: Identity = IDENTITY
) -> Iterator[Running]:
    running = Running(lambda: identity, lambda: True, Doorbell(), Problems(), clock)
    config = read.station.database.with_name("station.toml")
    with Jobs(read, config, running, look_s=0.1):
        yield running
    running.bell.check()


def runs(read: Settings, job: str) -> list[Run]:
    with history.reading(read.station.database) as db:
        return jobbook.newest(db, job)


def endings(read: Settings, job: str) -> list[Ending | None]:
    return [run.ending for run in runs(read, job)]


def test_nights_that_were_missed_are_made_up_for_once(box: Path, bundle: Path) -> None:
    read = configured(box, bundle, census="nightly at 02:30")
    planned(read, NOW - 3 * DAY)
    with at_work(read):
        assert until(lambda: endings(read, "census") == [Ending.DONE], 60), endings(read, "census")
    assert sorted(night.name for night in (box / "census").iterdir()) == ["2026-06-27", "2026-06-28", "2026-06-29"]
    assert {"census.html", "census.json", "counts.csv"} <= {file.name for file in (box / "census/2026-06-29").iterdir()}
    assert runs(read, "census")[0].slot == "2026-06-30T02:30"
    with history.reading(read.station.database) as db:
        assert len(db.execute("SELECT DISTINCT day FROM censuses").fetchall()) == 3
        told = {message.topic: message for message in Notices("hut").newest(db)}
    said = json.loads(told["station/hut/census"].payload)
    jsonschema.validate(said, json.loads((SCHEMAS / "census.json").read_text()))
    assert told["station/hut/census"].retained and said["day"] == "2026-06-29" and said["total"]["animals"] == 2
    with at_work(read) as again:
        assert not until(lambda: len(runs(read, "census")) > 1 or again.bell.stopped, 1)


def test_a_job_that_fails_is_tried_again_and_then_told_until_it_goes_well(box: Path, bundle: Path) -> None:
    (box / "taken").write_text("a file where a folder should be")
    read = configured(box, bundle, backup="nightly at 02:30", backup_into="taken")
    planned(read, NOW - DAY)
    ticks = iter(range(10**6))
    with at_work(read, lambda: NOW + next(ticks) * timedelta(milliseconds=1)) as running:
        assert until(lambda: endings(read, "backup") == [Ending.FAILED] * 2, 60), runs(read, "backup")
        assert not until(lambda: len(runs(read, "backup")) > 2 or running.bell.stopped, 1)
    problem = next(str(each) for each in checkup(read, NOW + MINUTE).health.problems if each.about == "job backup")
    assert "the job backup failed 2 times" in problem and "schedule.backup_into names another" in problem
    configured(box, bundle, backup_into="backups")
    assert "backup: done after" in station("jobs", "run", "backup", "--config", box / "station.toml")
    assert not [each for each in checkup(read, NOW + MINUTE).health.problems if each.about == "job backup"]
    assert [file.suffix for file in (box / "backups").iterdir()] == [".gz"]


def test_a_job_that_must_wait_waits_and_says_why(box: Path, bundle: Path) -> None:
    read = configured(box, bundle, backup="nightly at 02:30")
    with (box / "station.toml").open("a") as file:
        file.write('[energy]\njobs = ["backup"]\npower_file = "volts"\npower_at_least = 11.8\n')
    (box / "volts").write_text("11.2")
    read = settings.load(box / "station.toml")
    planned(read, NOW - DAY)
    with at_work(read) as running:
        assert not until(lambda: bool(runs(read, "backup")) or running.bell.stopped, 1)
        (box / "volts").write_text("12.4")
        assert until(lambda: endings(read, "backup") == [Ending.DONE], 60)


def test_a_stop_ends_the_job_that_runs_and_the_next_start_begins_it_again(box: Path, bundle: Path) -> None:
    read = configured(box, bundle, backup="nightly at 02:30")
    planned(read, NOW - DAY)
    with at_work(read):
        assert until(lambda: endings(read, "backup") == [None], 30)
    assert endings(read, "backup") == [Ending.STOPPED]
    assert runs(read, "backup")[0].message == "the station stops"
    with at_work(read):
        assert until(lambda: endings(read, "backup") == [Ending.STOPPED, Ending.DONE], 60)


def test_what_is_run_by_hand_is_not_begun_beside_it(box: Path, bundle: Path) -> None:
    read = configured(box, bundle, backup="nightly at 02:30")
    planned(read, NOW - DAY)
    with claimed(read.station.database, "backup"), at_work(read) as running:
        assert not until(lambda: bool(runs(read, "backup")) or running.bell.stopped, 1)
        told = station("jobs", "run", "backup", "--config", box / "station.toml", status=2)
        assert "backup runs already, by process" in told


@pytest.mark.parametrize("cut_off", [False, True])
def test_what_cannot_be_begun_is_told_and_not_tried_without_a_pause(box: Path, bundle: Path, cut_off: bool) -> None:
    read = configured(box, bundle, backup="nightly at 02:30")
    planned(read, NOW - DAY)
    if cut_off:
        jobbook.begin(read.station.database, "backup", None, NOW - DAY)
    (box / "station.db.job-backup.lock").mkdir()  # as little to be written as another user's file
    looked = 0

    def clock() -> datetime:
        nonlocal looked
        looked += 1
        return NOW

    with at_work(read, clock) as running:
        assert until(lambda: any("backup cannot be begun" in told for told in running.problems.current()), 30)
        assert not until(lambda: looked > 60, 0.5)


def due(read: Settings, identity: Identity = IDENTITY, settled: bool = True) -> str | None:
    """What the self-check is for that comes next."""
    running = Running(lambda: identity, lambda: settled, Doorbell(), Problems(), lambda: NOW)
    planned(read, NOW - timedelta(hours=1))
    found = Jobs(read, Path("x"), running).due("selfcheck", NOW)
    return found.slot.name.split()[0] if found and found.at <= NOW else None


def weekly(box: Path, bundle: Path) -> Settings:
    read = configured(box, bundle)
    weekly = read.schedule.model_copy(update={"selfcheck": "weekly on Sunday at 03:00"})
    return read.model_copy(update={"schedule": weekly})


def test_a_box_without_a_baseline_gets_one_once_it_has_settled(box: Path, bundle: Path) -> None:
    read = weekly(box, bundle)
    assert due(read, settled=False) is None
    assert due(read) == BASELINE


def test_another_driver_or_bundle_gets_a_baseline_of_its_own(box: Path, bundle: Path) -> None:
    read = weekly(box, bundle)
    known = replace(WELL, identity=IDENTITY)
    logbook.record(read.station.database, judge(known, None))
    assert due(read) is None
    assert due(read, replace(IDENTITY, driver="570.1")) == due(read, replace(IDENTITY, bundle="two")) == BASELINE


@pytest.fixture
def daemon(box: Path, bundle: Path) -> Iterator[subprocess.Popen[bytes]]:
    read = configured(box, bundle, census="nightly at 02:30")
    planned(read, datetime.now(UTC) - DAY - MINUTE)
    command = [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")]
    with (box / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        yield process
        process.kill()


def test_the_daemon_runs_what_was_missed_and_stops_within_seconds(box: Path, daemon: subprocess.Popen[bytes]) -> None:
    def log() -> str:
        return (box / "log").read_text()

    assert until(lambda: "census, for" in log(), 90), log()
    assert "outcome=done" in log()
    told = station("jobs", "--config", box / "station.toml")
    assert "nightly at 02:30: next" in told and "done" in told
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
