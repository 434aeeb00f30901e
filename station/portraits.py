"""The best face of each animal, cut from the original picture where that still exists.

A picture is opened only when its content is still what was looked at (cards are emptied, and file names repeat), and
never when people are in it.  Bounded: few animals, few tries each, small crops.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlite_utils import Database

from station.domain import Box
from station.pictures import BadPicture, Picture, save_jpeg

MOST = 24
"""Animals whose face is shown."""
SIDE_PX = 144
_TRIES = 4
_RECENT = 200
_MARGIN = 0.1
_LARGEST_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Likeness:
    """Where a face is to be found."""

    path: Path
    digest: str
    box: Box


def portraits(db: Database, animals: Iterable[tuple[str, Sequence[int]]]) -> dict[str, str]:
    """By individual, an address that holds the picture itself; `animals`: each with its faces, the newest last."""
    found: dict[str, str] = {}
    for individual, faces in animals:
        if len(found) == MOST:
            break
        if picture := next(_pictures(likenesses(db, faces)), None):
            found[individual] = "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")
    return found


def likenesses(db: Database, faces: Sequence[int]) -> list[Likeness]:
    """The best of the newest faces, best first: large, surely found, with a narrow age."""
    recent = ", ".join(str(int(face)) for face in faces[-_RECENT:])
    rows = db.execute(
        f"""SELECT path, digest, x, y, width, height FROM faces JOIN frames ON frames.id = faces.frame
        WHERE faces.id IN ({recent}) AND unusable IS NULL AND coalesce(people, 0) = 0
        AND digest IS NOT NULL AND unspooled_at IS NULL
        ORDER BY coalesce(confidence, 0.5) * min(1.0, max(width * width_px, height * height_px) / {2.0 * SIDE_PX}) DESC,
        faces.id DESC LIMIT {_TRIES}"""
    )
    return [Likeness(Path(path), digest, Box(*box)) for path, digest, *box in rows.fetchall()]


def _pictures(likenesses: Iterable[Likeness]) -> Iterator[bytes]:
    for one in likenesses:
        data = _unchanged(one)
        try:
            crop = Picture(data).crops([one.box], SIDE_PX, _MARGIN)[0] if data else None
        except BadPicture:
            crop = None
        if crop is not None:
            yield save_jpeg(np.ascontiguousarray(crop.transpose(1, 2, 0)))


def _unchanged(one: Likeness) -> bytes | None:
    """The file's content, if it is still the same."""
    try:
        if one.path.stat().st_size > _LARGEST_BYTES:
            return None
        data = one.path.read_bytes()
    except OSError:  # a card that was taken out
        return None
    return data if hashlib.sha256(data).hexdigest() == one.digest else None
