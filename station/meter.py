"""How long the stages of the Line take, measured while it runs, at some microseconds a frame.

Four stages: *look* (read, identify, find faces, crop; a frame), *wait* (from there until its batch begins; a
frame), *device* (the age model; a batch), *record* (the ledger; a batch).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeVar

from station.domain import Frame

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FACES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)
STAGES = ("look", "wait", "device", "record")

T = TypeVar("T")


class Looked(Protocol):
    """What was seen of a frame."""

    @property
    def frame(self) -> Frame:
        """That was looked at."""
        ...

    @property
    def faces(self) -> int:
        """How many it has."""
        ...


L = TypeVar("L", bound=Looked)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a value was at most each of `bounds`; the last of `counts` is what was above them all."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def below(self, share: float) -> float | None:
        """The bound at or below which at least this share of the values lies; None: without values, or above all."""
        so_far = 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            so_far += count
            if so_far and so_far >= share * self.count:
                return bound
        return None


class _Tally:
    """A histogram that grows; called from many threads."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        at = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[at] += 1
            self._total += value

    def read(self) -> Histogram:
        with self._lock:
            return Histogram(self._bounds, tuple(self._counts), self._total)


class Meter:
    """What one Line has measured since it began."""

    def __init__(self) -> None:
        self._stages = {stage: _Tally(SECONDS) for stage in STAGES}
        self._batches = _Tally(FACES)
        self._looked: dict[int, float] = {}

    def stages(self) -> dict[str, Histogram]:
        """Seconds by stage."""
        return {stage: tally.read() for stage, tally in self._stages.items()}

    def batches(self) -> Histogram:
        """Faces in a batch."""
        return self._batches.read()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures a block that ends well."""
        began = monotonic()
        yield
        self._stages[name].add(monotonic() - began)

    def looking(self, look: Callable[[Frame], T]) -> Callable[[Frame], T]:
        """The same, measured; notes when each frame begins to wait."""

        def measured(frame: Frame) -> T:
            with self.stage("look"):
                item = look(frame)
            self._looked[frame.id] = monotonic()
            return item

        return measured

    def reading(self, read: Callable[[Sequence[L]], T]) -> Callable[[Sequence[L]], T]:
        """The same, measured; notes how long each frame waited, and how many faces the batch has."""

        def measured(batch: Sequence[L]) -> T:
            began = monotonic()
            for item in batch:
                self._stages["wait"].add(began - self._looked.pop(item.frame.id, began))
            self._batches.add(sum(item.faces for item in batch))
            with self.stage("device"):
                return read(batch)

        return measured
