"""`station models` as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.__main__ import main
from station.bundles import CARD
from tests.station.test_flow import until
from tests.station.test_line import rows
from tests.tiny import tiny_bundle

CONFIG = """
[station]
database = "station.db"
bundle = "models/current"
[line]
program = "exported"
[health]
listen = "127.0.0.1:{port}"
[cameras.ridge]
folder = "pictures"
"""
PORT = 20000 + os.getpid() % 20000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for version in ("first", "second"):
        tiny_bundle(folder / version, version=version)
    return folder


@pytest.fixture
def box(tmp_path: Path, made: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for bundle in made.iterdir():
        (tmp_path / "models" / bundle.name).mkdir(parents=True)
        for file in bundle.iterdir():
            (tmp_path / "models" / bundle.name / file.name).hardlink_to(file)
    (tmp_path / "models" / "current").symlink_to("first")
    (tmp_path / "station.toml").write_text(CONFIG.format(port=PORT))
    return tmp_path


@pytest.fixture
def running(box: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (box / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")], stderr=log
        )
    assert until(lambda: "watching ridge" in (box / "log").read_text(), 60)
    yield process
    process.terminate()
    process.wait(30)


@pytest.fixture
def station(box: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The command in this process; what it says, after its status."""

    def said(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["models", *arguments, "--config", str(box / "station.toml")])
        assert ended.value.code == status
        told = capsys.readouterr()
        return told.out + told.err

    return said


def test_one_command_forward_and_one_back_while_the_station_runs(box: Path, running: subprocess.Popen[bytes]) -> None:
    assert "the running station reads with it" in station("promote", "second", "--why", "the survey")
    assert "second is in service, first was until now" in (box / "log").read_text()
    assert "first is in service, and the running station" in station("rollback")
    assert running.poll() is None
    kinds = rows(box / "station.db", "SELECT kind, version, by FROM promotions")
    assert kinds == [("found", "first", "person"), ("promotion", "second", "person"), ("rollback", "first", "person")]


def test_the_list_tells_figures_and_why_and_what_the_gate_said(box: Path, station: Callable[..., str]) -> None:
    (box / "models" / "second" / "gate.json").write_text(
        json.dumps({"passed": False, "verdict": "second is refused and first stays: cubs: 0.4 years worse"})
    )
    (box / "models" / "torn").mkdir()
    (box / "models" / "torn" / CARD).write_text("{")
    station("pin", "--why", "until May")
    told = station()
    assert "pinned since" in told
    assert "until May" in told
    listed = {row["bundle"]: row for row in json.loads(station("--format", "json"))}
    assert listed["first"]["in_service"]
    assert listed["first"]["error_years"] == 1.0
    assert "cubs: 0.4 years worse" in listed["second"]["gate"]
    assert "missing" in listed["torn"]["problem"]


def test_what_cannot_be_is_one_sentence(station: Callable[..., str]) -> None:
    assert "there is no model to go back to" in station("rollback", status=2)
    assert "nowhere is not a bundle" in station("promote", "nowhere", status=2)
    assert "first is in service already" in station("promote", "first", status=2)
