"""A camera gone mad: many thousand messages a second, of which some are pictures, some are not, some are nobody's."""

from __future__ import annotations

import threading
import time
from typing import IO

from tests.box import IMAGE, Box
from tests.conftest import picture
from tests.mosquitto import Peer, lines
from tests.station.test_flow import until

CHUNK = 100
OF_A_CHUNK = {"observed": 10, "rejected": 50, "refused": 40}
BOUND_MB = 100
"""What the station may take beyond its rest, however much comes."""


def flood(box: Box, count: int, per_second: int, limit_s: float) -> str:
    """Publishes `count` messages, all different, and asserts that each has its outcome and memory is bounded."""
    pictures = [small(number) for number in range(count // CHUNK * OF_A_CHUNK["observed"])]
    camera, tick = Peer(box.port, "mad"), threading.Event()
    camera.publish(IMAGE.format("ridge"), small(len(pictures)))
    assert until(lambda: outcomes(box)["observed"] == 1, 60), box.log
    before, begun = box.peak_mb(), time.monotonic()
    with lines(box.port, IMAGE.format("ridge")) as nonsense, lines(box.port, IMAGE.format("mad camera")) as nobodys:
        for number in range(0, count, CHUNK):
            tick.wait(begun + number / per_second - time.monotonic())
            write(nonsense, number, OF_A_CHUNK["rejected"])
            write(nobodys, number, OF_A_CHUNK["refused"])
            for _ in range(OF_A_CHUNK["observed"]):
                camera.publish(IMAGE.format("ridge"), pictures.pop())
    assert until(lambda: camera.confirmations == 1 + count // CHUNK * OF_A_CHUNK["observed"], limit_s)
    sent = time.monotonic()
    assert until(lambda: sum(outcomes(box).values()) > count, limit_s), (outcomes(box), box.log[-3000:])
    done, peak = time.monotonic(), box.peak_mb()
    expected = {outcome: count // CHUNK * each for outcome, each in OF_A_CHUNK.items()}
    assert outcomes(box) == expected | {"observed": 1 + expected["observed"]}
    assert peak < before + BOUND_MB, (before, peak)
    assert "is lost" not in box.log
    camera.close()
    return (
        f"{count} messages at {count / (sent - begun):.0f} a second, all with their outcome {done - begun:.0f} s after "
        f"the first: {expected}; the station's memory at most {peak - before:.0f} MB above the {before:.0f} before"
    )


def small(number: int) -> bytes:
    return picture(number % 250, seed=number, width=16, height=16)


def write(client: IO[bytes], first: int, count: int) -> None:
    client.writelines(b"nonsense %d\n" % number for number in range(first, first + count))
    client.flush()


def outcomes(box: Box) -> dict[str, int]:
    [(refused,)] = box.ask("SELECT coalesce(sum(messages), 0) FROM refusals")
    frames = box.ask("SELECT outcome, n FROM frame_counts WHERE outcome != 'waiting'")
    by_outcome = {outcome: sum(n for its, n in frames if its == outcome) for outcome in ("observed", "rejected")}
    return {**by_outcome, "refused": refused}
