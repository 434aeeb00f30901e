"""Self-checks of a real bundle, a real disk and, beside it, a real station."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station import history, logbook, settings
from station.ages import Ages
from station.domain import Lane
from station.fitness import COMMITS, DECODE, MODEL, SMALL, Rate, Selfcheck, judge
from station.logbook import Traffic
from station.probes import Pace, committing, decoding, model
from station.schema import StoreError, lock
from station.selfcheck import GiveWay, LiveFirst, selfcheck
from station.settings import Settings
from station.store import Store
from tests.conftest import picture
from tests.frames import candidate, observed, take
from tests.station.test_commands import station
from tests.station.test_flow import until
from tests.tiny import tiny_bundle

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
RUN_S = 0.005
CONFIG = """
[station]
database = "station.db"
bundle = "{bundle}"
[line]
linger_s = 0.02
[health]
listen = ""
free_mb = 1
[cameras.ridge]
folder = "ridge"
settle_s = 0
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("station.fitness.CROWDED", 2.0)  # whatever else runs on this box


@pytest.fixture
def box(tmp_path: Path, bundle: Path) -> Path:
    (tmp_path / "ridge").mkdir()
    (tmp_path / "station.toml").write_text(CONFIG.format(bundle=bundle))
    with Store(tmp_path / "station.db", NOW - timedelta(days=2)) as store:
        store.end_run(NOW - timedelta(days=2))
    return tmp_path


@pytest.fixture
def read(box: Path) -> Settings:
    return settings.load(box / "station.toml")


def checked(read: Settings, now: datetime = NOW, record_baseline: bool = False) -> Selfcheck:
    return selfcheck(read, now, record_baseline, RUN_S)


def known(read: Settings, check: Selfcheck, factor: float) -> None:
    """As if the box had once been so many times as fast."""
    faster = {
        name: Rate(rate.per_s * factor, rate.slowest, rate.fastest, rate.runs)
        for name, rate in check.measured.rates.items()
    }
    logbook.record(read.station.database, judge(replace(check.measured, rates=faster), None))


def test_a_box_measures_its_bundle_its_pictures_and_its_disk(read: Settings) -> None:
    check = checked(read)
    assert check.ok and check.becomes_baseline
    assert set(check.measured.rates) == {MODEL, SMALL, DECODE, COMMITS}
    assert all(0 < rate.slowest <= rate.per_s <= rate.fastest for rate in check.measured.rates.values())
    assert check.measured.golden_off_years is not None and check.measured.golden_off_years < 0.05
    assert {"python", "torch", "numpy"} <= set(check.measured.identity.libraries)


def test_nothing_is_left_on_the_disk_but_the_record(read: Settings) -> None:
    checked(read)
    assert {file.name for file in read.station.database.parent.glob("*") if file.is_dir()} <= {
        "ridge",
        "cache",
        "bundles",
    }


def test_the_next_one_is_compared_with_the_first(read: Settings) -> None:
    first = checked(read)
    check = checked(read, NOW + timedelta(hours=1))
    assert check.baseline_at == first.measured.at
    assert set(check.shares) == {MODEL, SMALL, DECODE, COMMITS}
    assert not check.becomes_baseline


def test_a_box_that_was_faster_once_is_not_fine(read: Settings) -> None:
    known(read, checked(read), 1000)
    check = checked(read)
    assert not check.ok
    assert set(check.worse) == {MODEL, SMALL, DECODE, COMMITS}


def test_a_bundle_that_fails_its_golden_check_is_recorded_as_wrong(read: Settings, tmp_path: Path) -> None:
    bad = tiny_bundle(tmp_path / "bundles" / "bad", golden_is_wrong=True)
    check = checked(read.model_copy(update={"station": read.station.model_copy(update={"bundle": bad})}))
    assert not check.ok and "fails its golden check" in check.wrong[0]
    assert set(check.measured.rates) == {DECODE, COMMITS}
    assert [past["ok"] for past in logbook.past(read.station.database, 10)] == [False]


def test_the_clock_is_held_against_what_was_written_down(read: Settings) -> None:
    checked(read, NOW)
    check = checked(read, NOW - timedelta(days=1))
    assert check.measured.clock.behind_s == 86400
    assert any("set back" in remark for remark in check.remarks)


def test_the_newest_come_last_and_no_more_than_asked_for(read: Settings) -> None:
    check = checked(read)
    for hour in range(3):
        at = (NOW + timedelta(hours=hour)).isoformat()
        logbook.record(read.station.database, replace(check, measured=replace(check.measured, at=at)))
    assert [past["measured"]["at"][11:13] for past in logbook.past(read.station.database, 2)] == ["13", "14"]


def test_beside_a_station_only_small_batches_are_run_and_no_baseline_is_made(read: Settings, box: Path) -> None:
    known(read, checked(read), 0.001)
    with closing(lock(read.station.database)):
        check = checked(read)
    assert check.ok
    assert set(check.measured.rates) == {SMALL, DECODE, COMMITS}
    assert check.measured.beside and not check.becomes_baseline


def test_beside_a_station_the_model_runs_in_the_form_that_was_found_before(
    read: Settings, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.prepare.FAST_ENOUGH", math.inf)
    checked(read)
    [kept] = (box / "cache").rglob("choice.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"form": "channels-last"}))
    with closing(lock(read.station.database)):
        assert checked(read).measured.form == "channels-last"


def test_beside_a_station_no_form_is_looked_for(read: Settings, box: Path) -> None:
    with closing(lock(read.station.database)):
        assert checked(read).measured.form == "as exported"
    assert not (box / "cache").exists()


def test_beside_a_station_no_baseline_can_be_asked_for(read: Settings) -> None:
    with closing(lock(read.station.database)), pytest.raises(StoreError, match="stop the station"):
        checked(read, record_baseline=True)


def test_live_pictures_go_first_and_then_it_goes_on(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", NOW) as store:
        store.admit([candidate(1, Lane.LIVE)], NOW)
        with history.reading(tmp_path / "s.db") as db:
            way = GiveWay(Traffic(db, ()), patience_s=0)
            with pytest.raises(LiveFirst):
                way()
            store.record([observed(frame, "d") for frame in take(store, 1)], NOW)
            way()


def test_frames_of_the_backlog_are_waited_for_by_nobody(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", NOW) as store:
        store.admit([candidate(1, Lane.BACKLOG)], NOW)
        with history.reading(tmp_path / "s.db") as db:
            assert not Traffic(db, ()).live()


def test_live_frames_that_nobody_takes_are_not_waited_for(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db", NOW) as store:
        store.admit([candidate(1, Lane.LIVE)], NOW)
        with history.reading(tmp_path / "s.db") as db:
            assert not Traffic(db, (Path("/elsewhere"),)).live()


def test_a_rate_is_the_median_of_runs_without_the_waiting() -> None:
    ticks = iter([0, 1, 1, 2, *(tick for run in (2, 1, 4, 1, 1) for tick in (0, run))])
    waits: list[int] = []
    pace = Pace(lambda: waits.append(1), run_s=1, clock=lambda: float(next(ticks)))
    assert pace.rate(lambda: 4) == Rate(4.0, 1.0, 4.0, 5)
    assert len(waits) == 7


def test_every_probe_does_real_work(bundle: Path, tmp_path: Path) -> None:
    assert model(Ages(bundle, "cpu"), 3)() == 3
    with decoding(2) as unit:
        assert unit() == 8
    with committing(tmp_path / "station.db", True, NOW) as unit:
        assert unit() == unit() == 1
    assert list(tmp_path.glob(".selfcheck-*")) == []


def test_what_a_power_cut_left_of_one_is_cleared_and_what_another_uses_is_not(tmp_path: Path) -> None:
    (tmp_path / ".selfcheck-left").mkdir()
    (tmp_path / ".selfcheck-left" / "scratch.db").write_bytes(b"half")
    with committing(tmp_path / "station.db", False, NOW), committing(tmp_path / "station.db", False, NOW) as unit:
        assert len(list(tmp_path.glob(".selfcheck-*"))) == 2
        assert unit() == 1
    assert list(tmp_path.glob(".selfcheck-*")) == []


@pytest.fixture
def running(box: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")]
    with (box / "log.txt").open("ab") as log, subprocess.Popen(command, stderr=log) as process:
        assert until(lambda: "watching" in (box / "log.txt").read_text(), 60)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_beside_a_running_station_it_measures_and_the_station_goes_on(
    box: Path, read: Settings, running: subprocess.Popen[bytes]
) -> None:
    (box / "ridge" / "a.jpg").write_bytes(picture(100))
    told = station("selfcheck", "--config", box / "station.toml")
    assert "measured beside a running station: no figures for a baseline" in told
    assert "set back" not in told
    (box / "ridge" / "b.jpg").write_bytes(picture(200, seed=1))
    with history.reading(read.station.database) as db:
        assert until(lambda: Traffic(db, ()).done() == 2, 30)
    assert running.poll() is None
    assert [past["measured"]["beside"] for past in logbook.past(read.station.database, 10)] == [True]


def test_the_command_ends_with_1_where_the_box_was_faster_once_and_lists_what_was(box: Path, read: Settings) -> None:
    known(read, checked(read), 1000)
    assert "not fine" in station("selfcheck", "--config", box / "station.toml", status=1)
    told = station("selfcheck", "--config", box / "station.toml", "--history").splitlines()
    assert len(told) == 4
    assert "baseline" in told[2] and "worse" in told[3]


def test_where_no_station_has_run_no_database_is_made(box: Path) -> None:
    (box / "station.db").unlink()
    assert "there is no database" in station("selfcheck", "--config", box / "station.toml", status=2)
    assert not (box / "station.db").exists()
