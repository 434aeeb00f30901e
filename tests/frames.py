"""Frames on their way through a real ledger, for tests of what stands on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from station.domain import (
    WHOLE,
    CaptureTime,
    Estimate,
    Face,
    Facts,
    Frame,
    Lane,
    Observation,
    Observed,
    Reading,
    TimeSource,
)
from station.flow import Doorbell
from station.store import Candidate, Store

TAKEN = datetime(2026, 6, 1, tzinfo=UTC)


def candidate(number: int, lane: Lane = Lane.BACKLOG, **changes: Any) -> Candidate:
    return Candidate("ridge", f"/p/{number}.jpg", 10, 20, None, lane)._replace(**changes)


def observed(frame: Frame, digest: str = "", *ages: float) -> Observed:
    facts = Facts(digest or f"d{frame.id}", 8, 6, CaptureTime(TAKEN, "x", TimeSource.EXIF))
    estimates = [Estimate(age, 1.0, None, None, "adult", "tiny-1") for age in ages]
    return Observed(
        frame, facts, tuple(Observation(Face(WHOLE), Reading(e, np.zeros(2, np.float32))) for e in estimates)
    )


def take(store: Store, count: int) -> list[Frame]:
    frames = store.pending(Doorbell())
    return [next(frames) for _ in range(count)]
