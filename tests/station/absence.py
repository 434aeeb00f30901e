"""Pictures come by folder, one for every second of capture time, while the broker is away; then it comes back."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.box import HEARD, Box
from tests.conftest import picture
from tests.mosquitto import Peer, running
from tests.station.test_flow import until

ANIMALS = ("bao", "lian", "mei", "tian")
FIRST = datetime(2026, 5, 1, 10, tzinfo=UTC)
CAMERA = '[cameras.ridge]\nfolder = "pictures"\npattern = "{individual}"\nsettle_s = 0.0\n'


def absence(folder: Path, bundle: Path, count: int, limit_s: float) -> str:
    """Runs it, asserts that all was told once and in order, and says how it went."""
    for animal in ANIMALS:
        (folder / "pictures" / animal).mkdir(parents=True)
    with running(folder / "mosquitto") as broker, Box(folder, bundle, broker.port, CAMERA) as box:
        subscriber = Peer(broker.port, "ranger", *HEARD)  # the broker keeps for it what it does not hear at once
        broker.stop()
        box.start()
        assert until(lambda: "cannot be reached" in box.log and "watching ridge" in box.log, 60), box.log
        begun = time.monotonic()
        for number in range(count):
            arrive(folder / "pictures", number)
        waiting = "outbox WHERE retained = 0"
        assert until(lambda: box.count(waiting) == count, limit_s), (box.count(waiting), box.log[-3000:])
        back = time.monotonic()
        broker.start()
        assert until(lambda: box.count("outbox") == 0, limit_s), (box.count("outbox"), box.log[-3000:])
        told = time.monotonic()
        assert box.kill(signal.SIGTERM) == 0, box.log[-3000:]
        assert until(lambda: subscriber.on("station/hut/status")[-1:] == ["stopped"], limit_s)
        check(subscriber, count)
        subscriber.close()
    return (
        f"{count} pictures in {back - begun:.0f} s without a broker, told {told - back:.0f} s after it came, "
        "each once and in order"
    )


def arrive(pictures: Path, number: int) -> None:
    """As a card reader or an FTP server puts a file there: under another name, then renamed."""
    taken = FIRST + timedelta(seconds=number)
    content = picture(number % 250, f"{taken:%Y:%m:%d %H:%M:%S}", seed=number, width=64, height=64)
    folder = pictures / ANIMALS[number % len(ANIMALS)]
    part = folder / f".{number}"
    part.write_bytes(content)
    part.rename(folder / f"IMG_{number:05}.JPG")


def check(subscriber: Peer, count: int) -> None:
    """Every estimate once, no gap in the numbers, each animal's in the order of its pictures; its state the newest."""
    estimates = subscriber.told("station/hut/estimates")
    assert [message["seq"] for message in estimates] == list(range(1, count + 1))
    of: dict[str, list[Any]] = defaultdict(list)
    for message in estimates:
        of[message["individual"]].append(message)
    for number, animal in enumerate(ANIMALS):
        mine = range(number, count, len(ANIMALS))
        expected = [(FIRST + timedelta(seconds=second)).isoformat() for second in mine]
        assert [message["captured_at"] for message in of[animal]] == expected
        assert subscriber.told(f"station/hut/individuals/{animal}")[-1]["id"] == of[animal][-1]["id"]
