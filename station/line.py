"""The Line: what happens to a frame, in order.  Daemon and scan use it alike.

    ledger -> look (threads) -> batch -> ages (two batches at a time) -> recognise -> ledger

In between there is only memory, which may be lost at any moment: the ledger holds both ends.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from station.bundles import Card
from station.domain import Duplicate, Facts, Frame, Outcome, Portraits, Reason, Rejection
from station.faces import Finder, Judge, as_found
from station.flow import Doorbell, batched, parallel
from station.meter import Meter
from station.pictures import BadPicture, Picture
from station.store import Store
from station.succession import Looked, Succession
from station.times import CameraClock, Clock, captured


@dataclass(frozen=True, slots=True)
class Camera:
    """How one camera's frames are looked at."""

    finder: Finder
    clock: CameraClock
    judge: Judge = as_found


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is done at once."""

    workers: int
    batch_faces: int
    linger_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond which a file is not decoded."""

    file_bytes: int
    pixels: int


class Look:
    """From a frame to its portraits: read, identify, date, find faces, crop.  Called from many threads."""

    def __init__(
        self, store: Store, cameras: Callable[[Frame], Camera], succession: Succession, limits: Limits, clock: Clock
    ) -> None:
        self._store = store
        self._cameras = cameras
        self._succession = succession
        self._limits = limits
        self._clock = clock

    def __call__(self, frame: Frame) -> Looked:
        """What can be said of a frame before the age model sees it."""
        by = self._succession.serving
        return Looked(self._seen(frame, by.ages.card), by)

    def _seen(self, frame: Frame, card: Card) -> Portraits | Duplicate | Rejection:
        digest = None
        try:
            data = self._bytes(frame)
            digest = hashlib.sha256(data).hexdigest()
            if self._store.original_of(digest) is not None:
                return Duplicate(frame, digest)
            return self._portraits(frame, data, digest, card)
        except BadPicture as error:
            return Rejection(frame, error.reason, error.detail, digest, error.consulted)

    def _bytes(self, frame: Frame) -> bytes:
        try:
            with Path(frame.path).open("rb") as file:
                before = os.fstat(file.fileno())
                if before.st_size > self._limits.file_bytes:
                    raise BadPicture(
                        Reason.TOO_LARGE,
                        f"{before.st_size} bytes are more than the limit of {self._limits.file_bytes / 1e6:g} MB",
                    )
                data = file.read()
                after = os.fstat(file.fileno())
        except FileNotFoundError:
            raise BadPicture(Reason.VANISHED, "the file was gone when its turn came") from None
        except OSError as error:
            raise BadPicture(Reason.UNREADABLE, f"the file cannot be read: {error.strerror}") from None
        if {(s.st_size, s.st_mtime_ns) for s in (before, after)} != {(frame.size_bytes, frame.modified_ns)}:
            raise BadPicture(
                Reason.CHANGED,
                "the file changed after it was admitted; as it is now it is a frame of its own",
            )
        return data

    def _portraits(self, frame: Frame, data: bytes, digest: str, card: Card) -> Portraits:
        camera = self._cameras(frame)
        picture = Picture(data, self._limits.pixels)
        exif = picture.exif
        taken = captured(exif.taken, exif.offset, frame.modified_ns, camera.clock, self._clock(), frame.given_at)
        facts = Facts(digest, picture.width, picture.height, taken, exif.make, exif.model)
        found = camera.finder.find(frame, picture)
        boxes = [face.box for face in found.faces]
        crops = picture.crops(boxes, card.input_px, card.crop_margin)
        faces = camera.judge(picture, found.faces, crops, card.crop_margin)
        good = [at for at, face in enumerate(faces) if face.flaw is None]
        unusable = tuple(face for face in faces if face.flaw)
        return Portraits(frame, facts, tuple(faces[at] for at in good), crops[good], found.people, unusable)


def line(
    store: Store,
    bell: Doorbell,
    look: Look,
    succession: Succession,
    pace: Pace,
    clock: Clock,
    meter: Meter,
) -> Iterator[list[Outcome]]:
    """Takes frames from the ledger and records their outcomes, which it yields, a batch at a time.

    Ends when the bell is stopped, or closed and the ledger empty.  Raises what any stage raised.
    """
    frames = store.pending(bell)
    portraits = parallel(meter.looking(look), frames, pace.workers, name="look")
    batches = batched(portraits, pace.batch_faces, pace.linger_s, size=_faces)
    for parts in parallel(meter.reading(succession.read), batches, 2, "ages", depth=1):
        with meter.stage("record"):
            outcomes = [outcome for part in parts for outcome in part.by.recognise(part.outcomes)]
            store.record(outcomes, clock())
            succession.recorded(parts)
        bell.ring()  # a frame that must be alone may wait for this
        yield outcomes


def _faces(looked: Looked) -> int:
    return max(1, looked.faces)
