"""Pictures in and messages out over a real broker, with the daemon as a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import picture
from tests.mosquitto import Mosquitto, Peer, running
from tests.station.test_flow import until
from tests.station.test_line import rows

HEARD = tuple(
    f"station/hut/{name}" for name in ("status", "estimates", "individuals/+", "camera/+/status", "health", "replay")
)
IMAGE = "station/hut/camera/{}/image"
CONFIG = """
[station]
id = "hut"
database = "station.db"
bundle = "{bundle}"
[line]
linger_s = 0.02
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_s = 5
{more}
"""


class Box:
    """A station as a process that can be started, stopped and killed."""

    def __init__(self, folder: Path, bundle: Path, port: int, more: str = "") -> None:
        self.folder = folder
        self.database = folder / "station.db"
        (folder / "station.toml").write_text(CONFIG.format(bundle=bundle, port=port, more=more))
        self._begun = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "station", "run", "--config", str(self.folder / "station.toml")]
        self._begun = len(self.log) if (self.folder / "log.txt").exists() else 0
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def is_up(self) -> bool:
        """Waits until the last start has led to a connection."""
        return until(lambda: "connected to the broker" in self.log[self._begun :], 60)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(60)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        return rows(self.database, sql)

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def box(tmp_path: Path, bundle: Path, broker: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Box]:
    box = Box(tmp_path, bundle, broker.port, getattr(request, "param", ""))
    box.start()
    yield box
    if box.process and box.process.poll() is None:
        box.kill()


@pytest.fixture
def peer(broker: Mosquitto, box: Box) -> Iterator[Peer]:
    """Hears all that the station tells, from its first `online`."""
    peer = Peer(broker.port, "ranger", *HEARD)
    assert until(lambda: "online" in peer.on("station/hut/status"), 60), box.log
    yield peer
    peer.close()


def test_a_picture_that_comes_as_a_message_is_told_as_an_age(box: Box, peer: Peer) -> None:
    sent = {"captured_at": "2026-05-01T10:00:00+08:00", "filename": "../../IMG_1.JPG", "individual": "bao"}
    peer.publish(IMAGE.format("ridge"), picture(51), sent)
    assert until(lambda: peer.told("station/hut/camera/ridge/status"), 60), box.log
    [estimate] = peer.told("station/hut/estimates")
    assert (estimate["individual"], estimate["camera"], estimate["file"]) == ("bao", "ridge", "IMG_1.JPG")
    assert (estimate["captured_at"], estimate["captured_source"]) == ("2026-05-01T02:00:00+00:00", "message")
    assert estimate["age_years"] == pytest.approx(2.0, abs=0.15)
    assert (estimate["seq"], estimate["id"]) == (1, "hut-1")
    [individual] = peer.told("station/hut/individuals/bao")
    assert (individual["age_years"], individual["last_seen"]) == (estimate["age_years"], estimate["captured_at"])
    [spooled] = (box.folder / "spool" / "ridge").iterdir()
    assert spooled.read_bytes() == picture(51)
    assert box.kill(signal.SIGTERM) == 0, box.log
    assert until(lambda: peer.on("station/hut/status")[-1] == "stopped")
    assert peer.on("station/hut/status") in (["online", "stopped"], ["stopped", "online", "stopped"])
    assert box.ask("SELECT count(*) FROM outbox") == [(0,)]
    why = subprocess.run(
        [sys.executable, "-m", "station", "why", "../../IMG_1.JPG", "--db", str(box.database)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "station/hut/camera/ridge/image" in why.stdout, why.stderr


def test_nothing_is_lost_or_doubled_while_station_broker_and_connection_die(tmp_path: Path, bundle: Path) -> None:
    from tests.station.chaos import chaos  # noqa: PLC0415  it needs what stands above

    with running(tmp_path / "mosquitto") as broker:
        print(chaos(tmp_path, bundle, broker, count=150, seconds=30))
