"""A camera gone mad: many thousand messages a second, of which some are pictures, some are not, some are nobody's."""

from __future__ import annotations

import threading
import time

from tests.box import IMAGE, Box
from tests.conftest import picture
from tests.mosquitto import Peer
from tests.station.test_flow import until

OF_TEN = {"observed": 1, "rejected": 5, "refused": 4}
BOUND_MB = 100
"""What the station may take beyond its rest, however much comes."""


def message(number: int) -> tuple[str, bytes]:
    """Topic and payload, of which no two are alike."""
    place = number % 10
    if place < OF_TEN["observed"]:
        return IMAGE.format("ridge"), picture(number % 250, seed=number, width=16, height=16)
    return IMAGE.format("ridge" if place <= OF_TEN["rejected"] else "mad camera"), f"nonsense {number}".encode()


def flood(box: Box, count: int, per_second: int, limit_s: float) -> str:
    """Publishes `count` messages, a multiple of ten, and asserts that each has its outcome and memory is bounded."""
    first, *others = [message(number) for number in range(count)]
    camera, tick = Peer(box.port, "mad"), threading.Event()
    camera.publish(*first)
    assert until(lambda: outcomes(box)["observed"] == 1, 60), box.log
    before, begun = box.peak_mb(), time.monotonic()
    for number, (topic, payload) in enumerate(others):
        if number % 100 == 0:
            tick.wait(begun + number / per_second - time.monotonic())
        camera.publish(topic, payload)
    assert until(lambda: camera.confirmations == count, limit_s), camera.confirmations
    sent = time.monotonic()
    expected = {outcome: count // 10 * tenths for outcome, tenths in OF_TEN.items()}
    assert until(lambda: sum(outcomes(box).values()) >= count, limit_s), (outcomes(box), box.log[-3000:])
    done, peak = time.monotonic(), box.peak_mb()
    assert outcomes(box) == expected
    assert peak < before + BOUND_MB, (before, peak)
    assert "is lost" not in box.log
    camera.close()
    return (
        f"{count} messages at {count / (sent - begun):.0f} a second, all with their outcome {done - begun:.0f} s after "
        f"the first: {expected}; the station's memory at most {peak - before:.0f} MB above the {before:.0f} before"
    )


def outcomes(box: Box) -> dict[str, int]:
    [(refused,)] = box.ask("SELECT coalesce(sum(messages), 0) FROM refusals")
    frames = box.ask("SELECT outcome, n FROM frame_counts WHERE outcome != 'waiting'")
    by_outcome = {outcome: sum(n for its, n in frames if its == outcome) for outcome in ("observed", "rejected")}
    return {**by_outcome, "refused": refused}
