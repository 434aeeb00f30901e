"""Pictures over a broker while the station is killed, the broker is killed, and the connection is frozen.

A real station, a real Mosquitto, real signals.  Cameras keep what the broker did not confirm, and after the
broker died send again what they sent just before: a broker that is killed forgets what it had not written yet.
The subscriber asks for a replay where it sees a gap, for the same reason.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.box import HEARD, IMAGE, Box
from tests.mosquitto import Mosquitto, Peer
from tests.station.test_flow import until

OBSERVED = "frames WHERE outcome = 'observed'"
CAMERAS = ("ridge", "creek", "den")
UNWRITTEN, AHEAD = 60, 20
"""How many pictures back a camera begins again after the broker died; how many it sends ahead."""
BACKLOG = 200
"""How many pictures may wait at the broker, which writes all of them again and again."""


class Cameras:
    """Publish pictures 0 to count - 1, a few ahead of the broker's confirmations."""

    def __init__(self, peer: Peer, photograph: Callable[[int], bytes], count: int, per_second: float, box: Box) -> None:
        self._peer = peer
        self._photograph = photograph
        self._count = count
        self._pause_s = 1 / per_second
        self._box = box
        self._next = 0
        self._tick = threading.Event()
        self._sent: deque[int] = deque()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin_again(self) -> None:
        self._next = max(0, self._next - UNWRITTEN)

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._next < self._count:
            number = self._next
            self._next += 1
            name = f"IMG_{number:04}.JPG"
            topic = IMAGE.format(CAMERAS[number % 3])
            self._sent.append(self._peer.publish(topic, self._photograph(number), {"filename": name}))
            assert until(lambda: self._unconfirmed() < AHEAD, 60)
            if number % AHEAD == 0:
                assert until(lambda number=number: number - self._box.count(OBSERVED) < BACKLOG, 600)
            self._tick.wait(self._pause_s)
        assert until(lambda: self._unconfirmed() == 0, 60)

    def _unconfirmed(self) -> int:
        while self._sent and self._sent[0] in self._peer.confirmed:
            self._sent.popleft()
        return len(self._sent)


def told(subscriber: Peer) -> list[dict[str, Any]]:
    """Estimates, live and replayed."""
    both = subscriber.told("station/hut/estimates") + subscriber.told("station/hut/replay")
    return [message for message in both if "seq" in message]


def gaps(subscriber: Peer, newest: int) -> list[int]:
    return sorted(set(range(1, newest + 1)) - {message["seq"] for message in told(subscriber)})


def chaos(
    folder: Path,
    bundle: Path,
    broker: Mosquitto,
    photograph: Callable[[int], bytes],
    count: int,
    seconds: float,
    seed: int = 1,
) -> str:
    """Runs it, asserts that nothing was lost or doubled, and says what happened."""
    begun = time.monotonic()
    subscriber, publisher = Peer(broker.port, "subscriber", *HEARD), Peer(broker.port, "gateway")
    with Box(folder, bundle, broker.port) as box:
        box.start()
        assert until(lambda: "online" in subscriber.on("station/hut/status"), 120), box.log
        cameras = Cameras(publisher, photograph, count, count / seconds, box)
        blows = storm(box, broker, cameras, random.Random(seed))
        replayed = calm(box, subscriber, count)
        ended = box.kill(signal.SIGTERM)
        assert ended == 0, (ended, box.log[-500:])
        check(box, subscriber, count)
    repeats = len(told(subscriber)) - count
    subscriber.close()
    publisher.close()
    return (
        f"{count} pictures in {time.monotonic() - begun:.0f} s: {dict(blows)}; {repeats} messages told twice, "
        f"{replayed} lost by the killed broker and replayed"
    )


def storm(box: Box, broker: Mosquitto, cameras: Cameras, chance: random.Random) -> Counter[str]:
    """Blow after blow for as long as the cameras publish; how many of each."""
    blows: Counter[str] = Counter()
    while not cameras.done:
        until(lambda: cameras.done, chance.uniform(0.2, 3.0))
        blow = chance.choice(["station", "station", "station", "broker", "frozen broker", "frozen station"])
        blows[blow] += 1
        if blow == "station":
            box.kill()
            until(lambda: False, chance.uniform(0, 1))
            box.start()
            if chance.random() < 0.7:  # else the next blow falls while it starts
                box.is_up()
            until(lambda: cameras.done, chance.uniform(0, 3))
        elif blow == "broker":
            broker.stop(chance.choice([signal.SIGKILL, signal.SIGTERM]))
            until(lambda: False, chance.uniform(0, 2))
            broker.start()
            cameras.begin_again()
        else:
            frozen = box.process.send_signal if blow == "frozen station" and box.process else broker.send
            frozen(signal.SIGSTOP)
            until(lambda: False, chance.uniform(0.5, 3))
            frozen(signal.SIGCONT)
    return blows


def calm(box: Box, subscriber: Peer, count: int) -> int:
    """Waits until all is done and told, and asks again for what the subscriber misses; how many that were."""
    assert until(lambda: box.count(OBSERVED) == count, 300), (box.count(OBSERVED), box.log[-3000:])
    assert until(lambda: box.ask("SELECT count(*) FROM outbox") == [(0,)], 60)
    until(lambda: not gaps(subscriber, count), 3)
    missing = gaps(subscriber, count)
    for seq in missing:
        subscriber.publish("station/hut/cmd/replay", json.dumps({"from_seq": seq, "to_seq": seq}))
    assert until(lambda: not gaps(subscriber, count), 30), (gaps(subscriber, count), missing)
    assert box.is_up()
    return len(missing)


def check(box: Box, subscriber: Peer, count: int) -> None:
    """Exactly so many images and estimates, numbered without a gap; repeats are equal."""
    assert box.ask("SELECT count(DISTINCT digest), count(*) FROM frames WHERE outcome = 'observed'") == [(count, count)]
    assert box.ask("SELECT count(*) FROM frames WHERE outcome IS NULL OR outcome = 'rejected'") == [(0,)]
    assert box.ask("SELECT count(*), min(id), max(id) FROM estimates") == [(count, 1, count)]
    assert box.ask("PRAGMA integrity_check") == [("ok",)]
    ids: dict[str, Any] = {}
    for message in told(subscriber):
        assert ids.setdefault(message["id"], message) == message
    assert sorted(message["seq"] for message in ids.values()) == list(range(1, count + 1))
    stored: dict[Any, Any] = dict(box.ask("SELECT id, age_years FROM estimates"))
    assert {message["seq"]: message["age_years"] for message in ids.values()} == stored
    spooled = [file for file in (box.folder / "spool").rglob("*") if file.is_file()]
    assert len(spooled) == count
