"""How long each camera looked, by what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
from sqlite_utils import Database

from station import effort
from station.columns import NONE, Faces, Frames
from station.effort import Effort
from station.seen import Window, local_days
from station.silence import Span


def efforts(db: Database, frames: Frames, faces: Faces, window: Window, names: Mapping[str, str]) -> Iterator[Effort]:
    """Of the cameras that worked in the window; `names`: what people call them."""
    told = frames.at_s != NONE
    days = np.full(len(told), NONE)
    days[told] = local_days(frames.at_s[told], window.zone)
    shown = np.bincount(np.searchsorted(frames.id, faces.frame), minlength=len(told))[: len(told)]
    down = effort.days_down(_runs(db), window.first, window.last)
    for place, camera in enumerate(frames.cameras):
        its = (frames.camera == place) & told & (days <= window.last)
        by_air = bool(its.any() and frames.topic[its].all())
        pictured = np.unique(days[its]).astype(np.int32)
        worked, silent = effort.worked(pictured, window.first, window.last, down if by_air else ())
        if len(worked):
            here = its & (days >= window.first)
            yield Effort(camera, worked, int(here.sum()), int(shown[here].sum()), silent, names.get(camera, ""))


def _runs(db: Database) -> list[Span]:
    """Of the daemon."""
    rows = db.execute("SELECT started_at, coalesce(ended_at, alive_at) FROM runs WHERE alive_at IS NOT NULL").fetchall()
    return [Span(datetime.fromisoformat(began), datetime.fromisoformat(ended)) for began, ended in rows]
