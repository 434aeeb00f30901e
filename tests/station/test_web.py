"""The real daemon, asked as Prometheus, a person and Home Assistant ask it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from station import settings
from station.checkup import Live, checkup
from station.domain import Lane
from station.meter import Meter
from station.metrics import exposition
from station.store import Candidate, Store
from station.vitals import EstimateCount, FrameCount
from tests.conftest import picture
from tests.station.test_commands import station
from tests.station.test_flow import until
from tests.station.test_line import rows

ROOT = Path(__file__).parents[2]
TOML = """
[station]
id = "hut"
bundle = "{bundle}"
[line]
linger_s = 0.02
[mqtt]
host = "127.0.0.1"
port = 1
homeassistant = true
[health]
listen = "127.0.0.1:{port}"
every_s = 1
[cameras.ridge]
folder = "pictures"
settle_s = 0.1
"""


class Box:
    """A folder with a configuration, and a daemon on it that may run."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.config, self.database = folder / "station.toml", folder / "station.db"
        self.pictures, self.log = folder / "pictures", folder / "log"
        self.pictures.mkdir()
        self.config.write_text(TOML.format(bundle=bundle, port=self.port))
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "station", "run", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, stderr=log)
        assert until(lambda: self.get("/healthz")[0], 90), self.log.read_text()

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.daemon:
            self.daemon.send_signal(how)
            self.daemon.wait(30)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def healthz(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.get("/healthz")[1])
        return report

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        assert found, line
        return float(found[1])

    def messages(self) -> dict[str, Any]:
        waiting = rows(self.database, "SELECT topic, payload FROM outbox ORDER BY id")
        return {topic: json.loads(payload) for topic, payload in waiting}


@pytest.fixture
def box(tmp_path: Path, bundle: Path) -> Iterator[Box]:
    box = Box(tmp_path, bundle)
    yield box
    if box.daemon:
        box.daemon.kill()
        box.daemon.wait()


def test_a_daemon_tells_how_it_does_while_it_works_and_its_database_after(box: Box) -> None:
    box.start()
    for number in range(5):
        (box.pictures / f"{number}.jpg").write_bytes(picture(40 * number, seed=number))
    (box.pictures / "empty.jpg").touch()
    assert until(lambda: box.healthz()["images"] == {"observed": 5, "rejected": 1}, 30)
    status, _ = box.get("/healthz")
    report = box.healthz()
    assert (status, report["state"], report["problems"], report["estimates"]) == (200, "running", [], 5)
    assert report["running"]["stages_s"]["look"]["count"] == 6
    assert report["running"]["batch_faces"]["mean"] * report["running"]["batch_faces"]["count"] == 5
    assert box.metric('station_frames{camera="ridge",outcome="observed",reason=""}') == 5
    assert box.metric('station_frames{camera="ridge",outcome="rejected",reason="empty"}') == 1
    assert box.metric('station_stage_seconds_count{stage="record"}') >= 1
    assert box.metric("station_images_per_second") == pytest.approx(6 / 300, abs=1e-3)
    assert box.metric("process_resident_memory_bytes") > 1e6
    assert box.get("/")[0] == box.get("/etc/passwd")[0] == 404
    told = station("health", "--config", box.config)
    for words in ("hut, running", "5 observed", "1 empty file", "tiny-1 on cpu", "camera ridge"):
        assert words in told
    assert json.loads(station("health", "--config", box.config, "--format", "json"))["running"]
    box.stop()
    after = json.loads(station("health", "--config", box.config, "--format", "json"))
    assert (after["state"], after["images"], after["running"]) == ("stopped", report["images"], None)


def silent_for(box: Box, days: float) -> None:
    """A camera that was heard daily, and a station that was up all the time until a moment ago."""
    now = datetime.now(UTC)
    with Store(box.database, now - timedelta(days=60)) as store:
        for day in range(20):
            at = now - timedelta(days=days + 20 - day)
            store.admit([Candidate("ridge", f"{box.pictures}/gone{day}.jpg", 1, 1, None, Lane.LIVE)], at)
        store.alive(now)


def test_a_silent_camera_is_told_everywhere_from_the_start_until_it_is_heard(box: Box) -> None:
    silent_for(box, 5)
    assert "camera ridge is silent since" in station("health", "--config", box.config, status=1)
    box.start()
    status, body = box.get("/healthz")
    [problem] = json.loads(body)["problems"]
    assert (status, problem["about"]) == (503, "camera ridge")
    assert box.metric('station_camera_silent{camera="ridge"}') == 1
    assert until(lambda: "station/hut/camera/ridge/status" in box.messages(), 10)
    told = box.messages()
    camera = told["station/hut/camera/ridge/status"]
    assert camera["silent_since"] == camera["last_heard"]
    assert "camera ridge is silent" in told["station/hut/health"]["problems"][0]
    (box.pictures / "a.jpg").write_bytes(picture(100))
    assert until(lambda: box.get("/healthz")[0] == 200, 20)
    assert until(lambda: box.messages()["station/hut/camera/ridge/status"]["silent_since"] is None, 10)
    assert box.metric('station_camera_silent{camera="ridge"}') == 0
    assert until(lambda: "no longer: camera ridge" in box.log.read_text(), 20)
    box.stop()
    log = box.log.read_text()
    assert log.count("WARNING camera ridge is silent since") == 1
    assert log.count("no longer: camera ridge is silent since") == 1


def test_a_camera_was_not_silent_while_the_station_was_down(box: Box) -> None:
    now = datetime.now(UTC)
    with Store(box.database, now - timedelta(days=60)) as store:
        for day in range(20):
            store.admit(
                [Candidate("ridge", f"{box.pictures}/gone{day}.jpg", 1, 1, None, Lane.LIVE)],
                now - timedelta(days=50 - day),
            )
        store.alive(now - timedelta(days=31))
    box.start()
    assert box.healthz()["problems"] == []


def test_home_assistant_finds_what_is_there_once_and_what_comes_later(box: Box) -> None:
    box.start()
    configs = "SELECT count(*), min(id) FROM outbox WHERE topic LIKE 'homeassistant/%'"
    assert until(lambda: rows(box.database, configs)[0][0] == 4, 20)
    (box.pictures / "a.jpg").write_bytes(picture(100))
    assert until(lambda: rows(box.database, configs)[0][0] == 6, 20)
    assert rows(box.database, configs)[0][1] == rows(box.database, "SELECT min(id) FROM outbox")[0][0]
    assert "homeassistant/binary_sensor/hut/camera_ridge_silent/config" in box.messages()


def test_a_port_that_is_taken_costs_no_picture(box: Box) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", box.port))
        other.listen()
        with box.log.open("ab") as log:
            command = [sys.executable, "-m", "station", "run", "--config", str(box.config)]
            box.daemon = subprocess.Popen(command, stderr=log)
        (box.pictures / "a.jpg").write_bytes(picture(100))
        assert until(lambda: " years, sd " in box.log.read_text(), 90)
    assert f"health.listen = 127.0.0.1:{box.port}" in box.log.read_text()


def test_a_client_that_says_nonsense_or_goes_away_ends_nothing(box: Box) -> None:
    box.start()
    for said in (b"\x00\xff" * 100, b"GET /metrics HTTP/1.0\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"G" * 100_000):
        with socket.create_connection(("127.0.0.1", box.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # goes away with a reset
            client.sendall(said)
    assert box.get("/healthz")[0] == 200
    assert box.daemon
    assert box.daemon.poll() is None


def exported(tmp_path: Path) -> str:
    """Everything that can be exported, at once."""
    file = tmp_path / "station.db"
    Store(file, datetime.now(UTC)).__exit__(None, None, None)
    read = settings.of({"station": {"database": file}, "mqtt": {"host": "hut", "spool": tmp_path}})
    live = Live(lambda: "tiny-1", "cuda", Meter(), lambda: {"allocated": 1, "total": 2}, lambda: "connected")
    found = checkup(read, datetime.now(UTC), live)
    seen, empty = ("observed", "", "believable", 3), ("rejected", "empty", "", 1)
    frames = (FrameCount("ridge", 0, *seen), FrameCount("ridge", 0, *empty))
    return exposition(replace(found, frames=frames, estimates=(EstimateCount("tiny-1", True, 3),)), live).decode()


@pytest.mark.parametrize("file", ["deploy/prometheus.yml", "deploy/alerts.yml", "deploy/grafana-dashboard.json"])
def test_what_prometheus_and_grafana_are_told_to_read_is_exported(tmp_path: Path, file: str) -> None:
    names = set(re.findall(r"^# TYPE (\S+)", exported(tmp_path), re.MULTILINE))
    names |= {f"{name}{part}" for name in names for part in ("_bucket", "_sum", "_count")}
    used = set(re.findall(r"\b(?:station|process)_[a-z_]+", (ROOT / file).read_text()))
    assert used <= names
    if file != "deploy/prometheus.yml":
        assert len(used) >= 8
