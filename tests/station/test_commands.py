"""The commands as a person calls them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.domain import Reason
from station.store import Store
from tests.conftest import picture
from tests.station.test_flow import until
from tests.station.test_line import rows


def station(*arguments: object, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "station", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "card" / "bao"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"IMG_{number}.JPG").write_bytes(picture(80 * number, f"2026:05:0{number + 1} 10:00:00", seed=number))
    (folder / "copy.JPG").write_bytes((folder / "IMG_0.JPG").read_bytes())
    (folder / "cut.JPG").write_bytes((folder / "IMG_0.JPG").read_bytes()[:2000])
    (folder / "notes.txt").write_text("rain all week")
    return tmp_path


def scan(folder: Path, bundle: Path, status: int = 0) -> str:
    return station(
        "scan", folder / "card", "--recursive", "--camera", "ridge", "--pattern", "{individual}",
        "--model", bundle, "--db", folder / "s.db", "--timezone", "+08:00", status=status,
    )  # fmt: skip


def summary(told: str) -> dict[str, int]:
    lines = [line.split() for line in told.splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}


def test_a_scan_tells_what_it_did_and_a_second_one_does_nothing(folder: Path, bundle: Path) -> None:
    told = scan(folder, bundle)
    assert summary(told) | {"images": 5, "faces": 3, "estimates": 3, "duplicates": 1, "broken": 1} == summary(told)
    assert "cut short" in told
    assert "1 .txt" in told
    assert "nothing new" in scan(folder, bundle)


def test_estimates_are_listed_as_table_csv_and_json_with_the_same_content(folder: Path, bundle: Path) -> None:
    scan(folder, bundle)
    listed = ("estimates", "--db", folder / "s.db", "--individual", "bao", "--since", "2026-05-02")
    table = station(*listed)
    rows = list(csv.DictReader(io.StringIO(station(*listed, "--format", "csv"))))
    objects = json.loads(station(*listed, "--format", "json"))
    assert len(rows) == len(objects) == 2
    assert [row["age_years"] for row in rows] == [str(o["age_years"]) for o in objects]
    assert "2026-05-02 02:00:00" in table
    assert "2026-05-01" not in table
    assert station("estimates", "--db", folder / "s.db", "--camera", "none", "--format", "json").split() == ["[", "]"]


def test_why_tells_the_life_of_a_picture(folder: Path, bundle: Path) -> None:
    scan(folder, bundle)
    seen = station("why", folder / "card/bao/IMG_0.JPG", "--db", folder / "s.db")
    for words in ("observed at", "2026-05-01T02:00:00+00:00", "bao", "90% interval", "copied to"):
        assert words in seen
    assert "cut short" in station("why", "cut.JPG", "--db", folder / "s.db")
    assert "the same content as" in station("why", "copy.JPG", "--db", folder / "s.db")
    assert "never admitted" in station("why", "other.JPG", "--db", folder / "s.db", status=2)


def test_a_rejected_picture_can_be_retried(folder: Path, bundle: Path) -> None:
    scan(folder, bundle)
    assert "1 pictures wait again" in station("retry", "--db", folder / "s.db", "--reason", "truncated")
    assert summary(scan(folder, bundle))["images"] == 1


def has_begun(database: Path) -> bool:
    try:
        return rows(database, "SELECT 1 FROM frames WHERE outcome IS NOT NULL LIMIT 1") != []
    except sqlite3.OperationalError:  # it is only being made
        return False


def test_ctrl_c_stops_a_scan_safely_and_the_same_command_goes_on(folder: Path, bundle: Path) -> None:
    for number in range(1500):
        (folder / "card" / f"{number}.jpg").write_bytes(picture(number % 250, seed=number + 9, width=64, height=64))
    command = [sys.executable, "-m", "station", "scan", str(folder / "card"), "-r", "--camera", "ridge"]
    command += ["--model", str(bundle), "--db", str(folder / "s.db")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert until(lambda: has_begun(folder / "s.db"), 60)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "the same command goes on" in told
    first = summary(told)["images"]
    assert first < 1505
    assert summary(station(*command[3:]))["images"] == 1505 - first


def test_what_a_person_must_mend_is_one_message_and_status_2(folder: Path, bundle: Path, tmp_path: Path) -> None:
    assert "is not a bundle" in scan(folder, tmp_path / "nowhere", status=2)
    assert "there is no database" in station("estimates", "--db", tmp_path / "none.db", status=2)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[line]\nworkers = 'many'\n")
    told = station("run", "--config", wrong, status=2)
    assert "line.workers = 'many'" in told
    assert "Traceback" not in told


def test_check_finds_everything_at_once_each_with_its_remedy(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "pictures").mkdir()
    good = f'[station]\nbundle = "{bundle}"\n[cameras.ridge]\nfolder = "pictures"\n'
    (tmp_path / "good.toml").write_text(good)
    told = station("check", "--config", tmp_path / "good.toml")
    assert "golden outputs reproduced" in told
    assert "not there yet, will be made" in told
    assert "wrong" not in told
    bad = '[station]\nbundle = "none"\ndatabase = "pictures"\n[cameras.ridge]\nfolder = "gone"\n'
    bad += '[mqtt]\nhost = "hut"\npassword_file = "none"\n'
    (tmp_path / "bad.toml").write_text(bad)
    told = station("check", "--config", tmp_path / "bad.toml", status=1)
    for words in ("no such folder; make it, mount it", "is not a bundle", "cannot be used", "mqtt.password_file"):
        assert words in told
    if os.geteuid():
        (tmp_path / "pictures").chmod(0)
        assert "give the user of the station read access" in station(
            "check", "--config", tmp_path / "good.toml", status=1
        )


def configured(folder: Path, bundle: Path, database: str) -> Path:
    file = folder / "station.toml"
    file.write_text(f'[station]\nbundle = "{bundle}"\ndatabase = "{database}"\n')
    return file


def test_check_makes_no_files_and_says_how_many_pictures_wait(folder: Path, bundle: Path) -> None:
    config = configured(folder, bundle, "s.db")
    before = set(folder.iterdir())
    assert "will be made" in station("check", "--config", config)
    assert set(folder.iterdir()) == before
    scan(folder, bundle)
    station("retry", "--db", folder / "s.db")
    content, runs = (folder / "s.db").read_bytes(), rows(folder / "s.db", "SELECT count(*) FROM runs")
    assert "1 pictures waiting" in station("check", "--config", config)
    assert (folder / "s.db").read_bytes() == content
    assert rows(folder / "s.db", "SELECT count(*) FROM runs") == runs


def test_check_wants_the_free_space_that_health_wants(tmp_path: Path, bundle: Path) -> None:
    config = configured(tmp_path, bundle, "s.db")
    assert "MB are free for the database" in station("check", "--config", config)
    config.write_text(f'{config.read_text()}\n[health]\nfree_mb = 1e12\n[mqtt]\nhost = "hut"\n')
    told = " ".join(station("check", "--config", config, status=1).split())
    for place in ("database", "spool"):
        assert f"MB are free for the {place}: make room" in told


def test_check_says_that_the_daemon_runs(tmp_path: Path, bundle: Path) -> None:
    config = configured(tmp_path, bundle, "s.db")
    with Store(tmp_path / "s.db", datetime.now(UTC)):
        told = station("check", "--config", config)
    assert f"in use by process {os.getpid()} (the daemon runs)" in told
    assert "(the daemon runs)" not in station("check", "--config", config)


def test_check_says_that_a_database_cannot_be_made(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "notes.txt").touch()
    told = station("check", "--config", configured(tmp_path, bundle, "notes.txt/s.db"), status=1)
    assert "cannot be made" in told
    assert "notes.txt is not a folder" in told


def test_a_mistyped_database_is_not_made(tmp_path: Path) -> None:
    assert "there is no database" in station("retry", "--db", tmp_path / "typo.db", status=2)
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_reason_is_answered_with_those_there_are(tmp_path: Path) -> None:
    told = station("retry", "--db", tmp_path / "s.db", "--reason", "truncted", status=2)
    assert all(reason.value in told for reason in Reason)


def test_a_wrong_camera_name_is_one_line(tmp_path: Path) -> None:
    told = station("scan", tmp_path, "--camera", "my cam", "--model", "m", "--db", tmp_path / "s.db", status=2)
    assert told == "station: --camera 'my cam': letters, digits, - and _ only\n"


def test_the_demo_does_not_touch_a_folder_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    assert "choose another --folder" in station("demo", "--folder", tmp_path, status=2)
    assert (tmp_path / "thesis.txt").is_file()
