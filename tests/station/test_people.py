"""What people say while the daemon runs: a real daemon, a real broker, the real commands."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import HEARD, IMAGE, Box
from tests.conftest import picture
from tests.mosquitto import Peer, running
from tests.station.test_commands import station
from tests.station.test_flow import until

BAO, XIN = "station/hut/individuals/bao", "station/hut/individuals/xin"


@pytest.fixture
def box(tmp_path: Path, bundle: Path) -> Iterator[Box]:
    with running(tmp_path / "mosquitto") as broker, Box(tmp_path, bundle, broker.port, "homeassistant = true\n") as box:
        config = tmp_path / "station.toml"
        config.write_text(config.read_text().replace("free_mb = 1", "free_mb = 1\nevery_s = 1"))
        box.start()
        yield box


@pytest.fixture
def peer(box: Box) -> Iterator[Peer]:
    peer = Peer(box.port, "ranger", *HEARD, "homeassistant/#")
    assert until(lambda: "online" in peer.on("station/hut/status"), 60), box.log
    yield peer
    peer.close()


def send(peer: Peer, number: int, individual: str) -> None:
    sent = {"captured_at": f"2026-05-01T{number // 60:02}:{number % 60:02}:00+08:00", "individual": individual}
    peer.publish(IMAGE.format("ridge"), picture(50 + number, seed=number), sent)


def newest(peer: Peer, topic: str) -> str:
    """As the broker keeps it."""
    return [message.payload.decode() for message in list(peer.messages) if message.topic == topic][-1]


def sensors(peer: Peer, individual: str) -> list[bytes]:
    return [bytes(m.payload) for m in list(peer.messages) if f"individual_{individual}_age" in m.topic]


def test_a_merge_is_told_by_the_running_daemon_and_the_merged_individual_is_forgotten(box: Box, peer: Peer) -> None:
    send(peer, 1, "bao")
    send(peer, 2, "xin")
    assert until(lambda: BAO in topics(peer) and XIN in topics(peer), 60), box.log
    assert until(lambda: len(sensors(peer, "bao")) == 1, 60), box.log
    station("individuals", "merge", "bao", "xin", "--db", box.database)
    assert until(lambda: newest(peer, BAO) == "", 60), box.log
    assert until(lambda: sensors(peer, "bao")[-1] == b"", 60), box.log
    send(peer, 3, "bao")  # its folder's or camera's name for it stays
    assert until(lambda: box.count("faces WHERE individual = 'xin'") == 3, 60), box.log
    assert newest(peer, BAO) == ""
    assert until(lambda: json.loads(newest(peer, XIN))["last_seen"].startswith("2026-04-30T16:03"), 60)
    station("individuals", "undo", 1, "--db", box.database)
    assert until(lambda: bool(newest(peer, BAO)) and json.loads(newest(peer, BAO))["individual"] == "bao", 60), box.log
    assert until(lambda: sensors(peer, "bao")[-1] != b"", 60), box.log
    assert box.kill(signal.SIGTERM) == 0, box.log


def test_words_and_pictures_at_once_lose_neither_and_bring_nobody_down(box: Box, peer: Peer) -> None:
    """Both write all the time; each waits for the other."""
    send(peer, 0, "bao")
    assert until(lambda: box.count("faces") == 1, 60), box.log

    def pictures() -> None:
        for number in range(1, 120):
            send(peer, number, "bao" if number % 2 else "xin")

    sending = threading.Thread(target=pictures)
    sending.start()
    for number in range(6):
        station("individuals", "set", "bao", "--born", f"20{10 + number}-01-01", "--db", box.database)
    sending.join()
    assert until(lambda: box.count("faces") == 120, 120), box.log
    assert box.count("words WHERE verb = 'set' AND undone_at IS NULL") == 6
    assert box.ask("SELECT born_on FROM individuals WHERE id = 'bao'") == [("2015-01-01",)]
    assert box.kill(signal.SIGTERM) == 0, box.log


def topics(peer: Peer) -> set[str]:
    return {message.topic for message in list(peer.messages)}
