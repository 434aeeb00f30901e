"""The words of the station's health: one report, as it stands in the JSON at `/healthz`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should act on; `about` stays the same while it lasts."""

    about: str
    what: str
    remedy: str = ""
    """Empty: `what` says it, and the part of the station that found it has logged it."""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits, and for how long the oldest has."""

    waiting: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares, 0 to 1; None where there is nothing yet."""

    interval: float | None
    """Of the estimates of the model in service, those whose interval is known: it had enough calibration animals."""
    time: float | None
    """Of the observed frames, those with a believable capture time: the others are left out of ages by date."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How one camera does."""

    camera: str
    last_heard: str | None
    """When its newest picture arrived; None: never."""
    last_frame: str | None
    """When its newest picture was taken."""
    allowed_silence_h: float | None
    """By its rhythm or the configuration; None: it has no rhythm yet."""
    silent_since: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Messages from the broker that were not taken."""

    reason: str
    camera: str
    """Empty: its name was no camera's."""
    messages: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Of many values: their number, mean, and the bound at or below which 95% of them are."""

    count: int
    mean: float
    below_95: float | None


@dataclass(frozen=True, slots=True)
class Running:
    """What only the running daemon knows, since its start."""

    model: str
    device: str
    device_memory_bytes: Mapping[str, int]
    stages_s: Mapping[str, Spread]
    batch_faces: Spread
    unsent: int
    """Estimates that went unsent because the broker was away for too long."""


@dataclass(frozen=True, slots=True)
class Health:
    """The whole report.  Its fields are those of the JSON at `/healthz`."""

    station: str
    database: str
    at: str
    state: str
    """`running`; `stopped` on purpose; `down`: without a word; `never`: no daemon has run on this database."""
    problems: tuple[Problem, ...]
    queues: Mapping[str, Queue]
    images: Mapping[str, int]
    """By outcome; `waiting` for those without one."""
    rejections: Mapping[str, int]
    """By reason."""
    refused: tuple[Refused, ...]
    estimates: int
    """Of the model in service, one a face; a new one begins at none and looks at the faces of before in spare time."""
    images_per_s: float
    """Over the last five minutes."""
    coverage: Coverage
    outbox: Queue
    broker: str
    """`none` where no broker is configured, `unknown` where the daemon is not asked."""
    cameras: tuple[Camera, ...]
    free_mb: Mapping[str, float]
    running: Running | None

    def json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))
