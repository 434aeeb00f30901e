"""The main job, with real files, a real database and a real (tiny) program."""

from __future__ import annotations

import csv
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from station import daemon, history, settings
from station.ages import Ages
from station.domain import Observed, Outcome, Portraits
from station.systemd import Service
from station.times import zone
from tests.conftest import picture
from tests.station.test_flow import until


def configured(tmp_path: Path, bundle: Path, **camera: Any) -> settings.Settings:
    folder = tmp_path / "pictures"
    folder.mkdir(exist_ok=True)
    return settings.of(
        {
            "station": {"database": tmp_path / "station.db", "bundle": bundle, "timezone": "+08:00"},
            "line": {"linger_s": 0.02},
            "cameras": {"ridge": {"folder": folder, "settle_s": 0.1} | camera},
        }
    )


def now() -> datetime:
    return datetime.now(UTC)


def scan(read: settings.Settings) -> list[Outcome]:
    with daemon.composed(read, now) as station:
        return [outcome for outcomes in station.scan() for outcome in outcomes]


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_pictures_in_a_folder_become_timestamped_ages_per_individual(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle, pattern="{individual}")
    bao = tmp_path / "pictures" / "bao"
    bao.mkdir()
    (bao / "IMG_0001.JPG").write_bytes(picture(51, "2026:05:01 10:00:00"))
    scan(read)
    with history.reading(tmp_path / "station.db") as db:
        [row] = history.estimates(db)
    assert (row["individual"], row["camera"], row["life_stage"]) == ("bao", "ridge", "subadult")
    assert row["captured_at"] == "2026-05-01T02:00:00+00:00"
    assert row["age_years"] == pytest.approx(2.0, abs=0.15)
    assert row["low_years"] < row["age_years"] < row["high_years"]


def test_a_second_scan_does_nothing_and_opens_nothing(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle)
    file = tmp_path / "pictures" / "a.jpg"
    file.write_bytes(picture(100))
    assert len(scan(read)) == 1
    os.utime(file, ns=(0, file.stat().st_mtime_ns))  # the access time tells whether it was read
    assert scan(read) == []
    assert file.stat().st_atime_ns == 0


def test_every_file_is_accounted_for_and_no_bad_one_stops_the_rest(tmp_path: Path, bundle: Path, data: Path) -> None:
    read = configured(tmp_path, bundle)
    folder = tmp_path / "pictures"
    good = (data / "panda_faces/images/1_1492.jpg").read_bytes()
    bad = {
        "empty": b"",
        "not_an_image": b"Dear ranger, I am a text file. " * 20,
        "truncated": good[: len(good) // 2],
        "corrupt": bytes(5000),
    }
    for reason, content in bad.items():
        (folder / f"{reason}.jpg").write_bytes(content)
    for number in range(40):
        (folder / f"good{number:02}.jpg").write_bytes(picture(5 * number, seed=number))
    (folder / "copy.jpg").write_bytes((folder / "good00.jpg").read_bytes())
    (folder / "unreadable.jpg").symlink_to(tmp_path / "nothing")
    scan(read)
    outcomes = dict(rows(tmp_path / "station.db", "SELECT outcome, count(*) FROM frames GROUP BY 1"))
    assert outcomes == {"observed": 40, "duplicate": 1, "rejected": 4}
    reasons = rows(tmp_path / "station.db", "SELECT path, reason, detail FROM frames WHERE outcome = 'rejected'")
    assert all(Path(path).stem == reason and detail for path, reason, detail in reasons)


def test_a_broken_picture_is_looked_at_again_when_it_changes(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle)
    file = tmp_path / "pictures" / "a.jpg"
    file.write_bytes(picture(100)[:900])
    scan(read)
    file.write_bytes(picture(100))
    scan(read)
    assert rows(tmp_path / "station.db", "SELECT outcome FROM frames ORDER BY id") == [("rejected",), ("observed",)]


def test_faces_come_from_the_megadetector_file_and_people_are_never_cropped(
    tmp_path: Path, bundle: Path, data: Path
) -> None:
    read = configured(tmp_path, bundle, faces={"finder": "megadetector"})
    shutil.copytree(data / "camera_traps" / "field", tmp_path / "pictures", dirs_exist_ok=True)
    outcomes = scan(read)
    people = [o for o in outcomes if "human" in o.frame.path]
    assert len(outcomes) == 27
    assert sum(len(o.observations) for o in outcomes if isinstance(o, Observed)) == 29
    assert [o.observations for o in people if isinstance(o, Observed)] == [()]


def test_real_camera_pictures_give_the_times_in_their_names(tmp_path: Path, bundle: Path, data: Path) -> None:
    """The Cuddeback pictures carry local time in their names."""
    read = configured(tmp_path, bundle)
    camera = read.cameras["ridge"].model_copy(update={"folder": data / "camera_traps"})
    scan(read.model_copy(update={"cameras": {"ridge": camera}}))
    times = dict(rows(tmp_path / "station.db", "SELECT path, captured_at FROM frames"))
    named = {p: t for p, t in times.items() if "__2009-" in p}
    assert len(times) == 118
    assert len(named) > 60
    for path, time in named.items():
        local = datetime.strptime(path.split("__", 1)[1][:20], "%Y-%m-%d__%H-%M-%S")  # noqa: DTZ007
        assert datetime.fromisoformat(time) == local.replace(tzinfo=zone("+08:00"))


def test_a_real_burst_has_the_times_of_its_packages_table(tmp_path: Path, bundle: Path, data: Path) -> None:
    """The table's times carry the offset that its makers gave the camera, +01:00; the pictures carry none."""
    package = data / "camera_traps" / "camtrap_dp_example"
    read = configured(tmp_path, bundle, timezone="+01:00")
    camera = read.cameras["ridge"].model_copy(update={"folder": package / "media"})
    scan(read.model_copy(update={"cameras": {"ridge": camera}}))
    with (package / "media.csv").open(encoding="utf-8") as table:
        said = {row["fileName"]: row["timestamp"] for row in csv.DictReader(table)}
    seen = rows(tmp_path / "station.db", "SELECT path, captured_at, captured_as_recorded, captured_source FROM frames")
    assert len(seen) == 10
    for path, instant, written, source in seen:
        stated = datetime.fromisoformat(said[Path(path).name])
        assert datetime.fromisoformat(instant) == stated
        assert written == f"{stated:%Y:%m:%d %H:%M:%S}"
        assert source == "exif"


def test_every_panda_face_is_estimated_once_and_a_second_scan_finds_nothing_new(
    tmp_path: Path, bundle: Path, data: Path
) -> None:
    read = configured(tmp_path, bundle)
    camera = read.cameras["ridge"].model_copy(update={"folder": data / "panda_faces"})
    read = read.model_copy(update={"cameras": {"ridge": camera}})
    first = scan(read)
    counts = "SELECT (SELECT count(*) FROM frames), (SELECT count(*) FROM faces), (SELECT count(*) FROM estimates)"
    assert len(first) == 214
    assert rows(tmp_path / "station.db", counts) == [(214, 214, 214)]
    assert scan(read) == []
    assert rows(tmp_path / "station.db", counts) == [(214, 214, 214)]


def test_the_end_of_the_device_ends_the_scan_with_its_error_and_counts_as_a_crash(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle)
    (tmp_path / "pictures" / "a.jpg").write_bytes(picture(100))

    class Dying(Ages):
        def read(self, batch: Any) -> list[Outcome]:
            raise RuntimeError("the device is gone")

    def scan_and_die() -> None:
        with daemon.composed(read, now) as station:
            station.ages.__class__ = Dying
            list(station.scan())

    with pytest.raises(RuntimeError, match="device is gone"):
        scan_and_die()
    assert rows(tmp_path / "station.db", "SELECT attempts, outcome FROM frames") == [(1, None)]
    assert rows(tmp_path / "station.db", "SELECT ended_at FROM runs") == [(None,)]


def test_a_scan_leaves_the_waiting_frames_of_other_folders_alone(tmp_path: Path, bundle: Path) -> None:
    """They would get this folder's time zone and finder."""
    first = configured(tmp_path, bundle)
    (tmp_path / "pictures" / "a.jpg").write_bytes(picture(100))
    with daemon.composed(first, now) as station:
        station.lister(station.folders["ridge"]).list_all()
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.jpg").write_bytes(picture(50, seed=5))
    camera = first.cameras["ridge"].model_copy(update={"folder": other})
    assert [o.frame.path for o in scan(first.model_copy(update={"cameras": {"creek": camera}}))] == [
        str(other / "b.jpg")
    ]
    assert len(scan(first)) == 1


def test_a_fault_of_the_device_also_ends_those_who_watch(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle)
    (tmp_path / "pictures" / "a.jpg").write_bytes(picture(100))

    class Dying(Ages):
        def read(self, batch: Any) -> list[Outcome]:
            raise RuntimeError("the device is gone")

    def serve_and_die() -> None:
        with daemon.composed(read, now) as station:
            station.ages.__class__ = Dying
            daemon._serve(station, None, Service.of({}))

    with pytest.raises(RuntimeError, match="device is gone"):
        serve_and_die()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch")]


CAMERA = """
[station]
database = "station.db"
bundle = "{bundle}"
[line]
batch_faces = 8
linger_s = 0.02
program = "exported"
[health]
listen = ""
[cameras.ridge]
folder = "pictures"
settle_s = 1.0
"""


@pytest.fixture
def box(tmp_path: Path, bundle: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "station.toml").write_text(CAMERA.format(bundle=bundle))
    return tmp_path


def started(box: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def observed(box: Path) -> int:
    try:
        return int(rows(box / "station.db", "SELECT count(*) FROM frames WHERE outcome IS NOT NULL")[0][0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def running(box: Path) -> Iterator[subprocess.Popen[str]]:
    process = started(box)
    yield process
    process.kill()
    process.communicate()


def test_the_daemon_takes_what_arrives_and_stops_cleanly_on_sigterm(box: Path, running: subprocess.Popen[str]) -> None:
    (box / "pictures" / "a.jpg").write_bytes(picture(100))
    assert until(lambda: observed(box) == 1, 60)
    with (box / "pictures" / "slow.jpg").open("wb") as file:
        content = picture(150)
        for start in range(0, len(content), 2000):
            file.write(content[start : start + 2000])
            file.flush()
            assert not until(lambda: observed(box) > 1, 0.15)
    assert until(lambda: observed(box) == 2, 20)
    running.send_signal(signal.SIGTERM)
    _, log = running.communicate(timeout=30)
    assert running.returncode == 0, log
    assert "what was not finished waits in the ledger" in log
    assert rows(box / "station.db", "SELECT count(*) FROM runs WHERE ended_at IS NULL") == [(0,)]
    assert rows(box / "station.db", "SELECT outcome FROM frames") == [("observed",)] * 2


SEEN = """SELECT frames.path, outcome, reason, digest, captured_at, number, x, y, estimates.model, age_years, sd_years
FROM frames LEFT JOIN faces ON faces.frame = frames.id LEFT JOIN estimates ON estimates.face = faces.id
ORDER BY frames.path, number"""


def seen(database: Path) -> tuple[list[tuple[object, ...]], list[float]]:
    """What is told of each picture; ages and standard deviations."""
    found = rows(database, SEEN)
    return [row[:-2] for row in found], [math.nan if figure is None else figure for row in found for figure in row[-2:]]


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_any_instant_loses_nothing_and_doubles_nothing(box: Path, seed: int) -> None:
    """Killed again and again, at random instants and just after some progress, it ends like an undisturbed run."""
    chance, count = random.Random(seed), 2000
    for number in range(count):
        content = picture(number % 250, seed=number, width=48, height=48)
        (box / "pictures" / f"{number:04}.jpg").write_bytes(content if number % 50 else content[:700])
    undisturbed = box / "undisturbed"
    undisturbed.mkdir()
    there = f'"{box / "pictures"}"'
    (undisturbed / "station.toml").write_text((box / "station.toml").read_text().replace('"pictures"', there))
    scan_of(undisturbed)
    in_the_middle = 0
    for kill in range(6):
        process, before = started(box), observed(box)
        if kill % 2:
            assert until(lambda start=before: observed(box) > start, 60)
            until(lambda: False, chance.uniform(0, 0.3))
        else:
            until(lambda: False, chance.uniform(0, 4))
        process.kill()
        process.communicate()
        in_the_middle += 0 < observed(box) < count
    assert in_the_middle >= 2
    scan_of(box)
    told, figures = seen(box / "station.db")
    as_told, as_estimated = seen(undisturbed / "station.db")
    assert told == as_told
    assert figures == pytest.approx(as_estimated, abs=1e-4, nan_ok=True)  # batches of other sizes
    assert rows(box / "station.db", "PRAGMA integrity_check") == [("ok",)]


def scan_of(box: Path) -> None:
    read = settings.load(box / "station.toml")
    with daemon.composed(read, now) as station:
        for _ in station.scan():
            pass


def test_portraits_are_made_for_the_bundle_in_service(tmp_path: Path, bundle: Path) -> None:
    read = configured(tmp_path, bundle)
    (tmp_path / "pictures" / "a.jpg").write_bytes(picture(100))
    with daemon.composed(read, now) as station:
        station.lister(station.folders["ridge"]).list_all()
        look = station.look(next(station.store.pending(station.bell))).item
    assert isinstance(look, Portraits)
    assert look.crops.shape == (1, 3, 32, 32)
