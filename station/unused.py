"""What could not be used, by reason, so that absence is not read as zero."""

from __future__ import annotations

from datetime import date, datetime, time

import numpy as np
import numpy.typing as npt
from sqlite_utils import Database

from station.columns import IMPOSSIBLE, NONE, PEOPLE, TIMELESS, Estimates, Faces, Frames
from station.seen import Window, local_days
from station.times import iso


def unused(
    db: Database, frames: Frames, faces: Faces, estimates: Estimates, window: Window, until: datetime | None
) -> dict[str, int]:
    """Faces and pictures of the window; what has no time counts to the day it was looked at.

    As known at the moment `until`; None: now.
    """
    found = _faces(frames, faces, estimates, _inside(frames, window)) if len(frames.id) else {}
    return {reason: n for reason, n in (found | _rejected(db, window, until)).items() if n}


def _inside(frames: Frames, window: Window) -> npt.NDArray[np.bool_]:
    days = local_days(frames.at_s, window.zone)
    return (days >= window.first) & (days <= window.last)


def _faces(frames: Frames, faces: Faces, estimates: Estimates, inside: npt.NDArray[np.bool_]) -> dict[str, int]:
    place = np.minimum(np.searchsorted(frames.id, faces.frame), len(frames.id) - 1)
    here = inside[place] & (frames.id[place] == faces.frame)
    timed, impossible = ~frames.having(TIMELESS)[place], frames.having(IMPOSSIBLE)[place]
    good, named = here & (faces.unusable == NONE), faces.individual != NONE
    aged = np.isin(faces.id, estimates.face)
    found = {f"faces: {reason}": here & (faces.unusable == n) for n, reason in enumerate(faces.reasons)} | {
        "faces whose picture has an impossible time": good & ~timed & impossible,
        "faces whose picture has no time": good & ~timed & ~impossible,
        "faces that nobody could name": good & timed & ~named,
        "faces without an age": good & timed & named & ~aged,
        "pictures with people, in which no face is looked for": inside & frames.having(PEOPLE),
    }
    return {reason: int(rows.sum()) for reason, rows in found.items()}


def _rejected(db: Database, window: Window, until: datetime | None) -> dict[str, int]:
    """Pictures that could not be read, to the day they were looked at."""
    begin, end = (
        datetime.combine(date.fromordinal(day), time(), window.zone) for day in (window.first, window.last + 1)
    )
    rows = db.execute(
        """SELECT reason, count(*) FROM frames WHERE outcome = 'rejected' AND done_at >= ? AND done_at < ?
        GROUP BY reason ORDER BY reason""",
        [iso(begin), iso(min(end, until) if until else end)],
    ).fetchall()
    return {f"pictures that could not be read: {reason.replace('_', ' ')}": n for reason, n in rows}
