"""How long each camera looked, by what the ledger says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
from sqlite_utils import Database

from station import effort
from station.columns import BY_AIR, TIMELESS, Faces, Frames, Integers
from station.domain import Flaw
from station.effort import Effort
from station.seen import Window, local_days
from station.silence import Span

_DAYS = 4_000_000
"""More than any ordinal of a day."""


def efforts(db: Database, frames: Frames, faces: Faces, window: Window, names: Mapping[str, str]) -> Iterator[Effort]:
    """Of the cameras that worked in the window; `names`: what people call them."""
    told = np.flatnonzero(~frames.having(TIMELESS))
    days = local_days(frames.at_s[told], window.zone)
    told, days = told[days <= window.last], days[days <= window.last]
    camera, inside = frames.camera[told], days >= window.first
    shown = np.bincount(np.searchsorted(frames.id, _of_the_species(faces)), minlength=len(frames.id) + 1)[told]
    images = np.bincount(camera[inside], minlength=len(frames.cameras))
    detections = np.bincount(camera[inside], shown[inside], minlength=len(frames.cameras))
    by_air = np.bincount(camera, ~frames.having(BY_AIR)[told], minlength=len(frames.cameras)) == 0
    down = effort.days_down(_runs(db), window.first, window.last)
    of, day = np.divmod(np.unique(camera * _DAYS + days), _DAYS)
    for place, name in enumerate(frames.cameras):
        pictured = day[slice(*np.searchsorted(of, (place, place + 1)))].astype(np.int32)
        nights, silent = effort.worked(pictured, window.first, window.last, down if by_air[place] else ())
        if len(nights):
            yield Effort(name, nights, int(images[place]), int(detections[place]), silent, names.get(name, ""))


def _of_the_species(faces: Faces) -> Integers:
    """The frames of the faces, but for those that are of something else."""
    foreign = faces.reasons.index(Flaw.OTHER_SPECIES) if Flaw.OTHER_SPECIES in faces.reasons else len(faces.reasons)
    return np.asarray(faces.frame[faces.unusable != foreign], np.int64)


def _runs(db: Database) -> list[Span]:
    """Of the daemon."""
    rows = db.execute("SELECT started_at, coalesce(ended_at, alive_at) FROM runs WHERE alive_at IS NOT NULL").fetchall()
    return [Span(datetime.fromisoformat(began), datetime.fromisoformat(ended)) for began, ended in rows]
