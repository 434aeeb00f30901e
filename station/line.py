"""The Line: what happens to a frame, in order.  Daemon and scan use it alike.

    ledger -> look (threads) -> batch -> ages (one thread, the device) -> recognise -> ledger

In between there is only memory, which may be lost at any moment: the ledger holds both ends.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from station.ages import Ages
from station.domain import Duplicate, Facts, Frame, Outcome, Portraits, Reason, Rejection
from station.faces import Finder, Judge, as_found
from station.flow import Doorbell, batched, buffered, parallel
from station.meter import Meter
from station.pictures import BadPicture, Picture
from station.store import Store
from station.times import CameraClock, Clock, captured

_GIVES_WAY = 5
"""By how much lookers are nicer than the model; Linux counts niceness by thread."""


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
        self, store: Store, cameras: Callable[[Frame], Camera], ages: Ages, limits: Limits, clock: Clock
    ) -> None:
        self._store = store
        self._cameras = cameras
        self._card = ages.card
        self._limits = limits
        self._clock = clock

    def __call__(self, frame: Frame) -> Portraits | Duplicate | Rejection:
        """What can be said of a frame before the age model sees it."""
        digest = None
        try:
            data = self._bytes(frame)
            digest = hashlib.sha256(data).hexdigest()
            if self._store.original_of(digest) is not None:
                return Duplicate(frame, digest)
            return self._portraits(frame, data, digest)
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

    def _portraits(self, frame: Frame, data: bytes, digest: str) -> Portraits:
        camera = self._cameras(frame)
        picture = Picture(data, self._limits.pixels)
        exif = picture.exif
        taken = captured(exif.taken, exif.offset, frame.modified_ns, camera.clock, self._clock(), frame.given_at)
        facts = Facts(digest, picture.width, picture.height, taken, exif.make, exif.model)
        found = camera.finder.find(frame, picture)
        boxes = [face.box for face in found.faces]
        crops = picture.crops(boxes, self._card.input_px, self._card.crop_margin)
        faces = camera.judge(picture, found.faces, crops, self._card.crop_margin)
        good = [at for at, face in enumerate(faces) if face.flaw is None]
        unusable = tuple(face for face in faces if face.flaw)
        return Portraits(frame, facts, tuple(faces[at] for at in good), crops[good], found.people, unusable)


Recognise = Callable[[Sequence[Outcome]], list[Outcome]]
"""Gives the faces of outcomes their individuals, where they are known; in the order in which they are recorded."""


def line(
    store: Store,
    bell: Doorbell,
    look: Look,
    ages: Ages,
    recognise: Recognise,
    pace: Pace,
    clock: Clock,
    meter: Meter,
) -> Iterator[list[Outcome]]:
    """Takes frames from the ledger and records their outcomes, which it yields, a batch at a time.

    Ends when the bell is stopped, or closed and the ledger empty.  Raises what any stage raised.
    """
    frames = store.pending(bell)
    portraits = parallel(meter.looking(look), frames, pace.workers, name="look", begin=_give_way)
    batches = batched(portraits, pace.batch_faces, pace.linger_s, size=_faces)
    for readings in buffered(map(meter.reading(ages.read), batches), 2, name="ages"):
        with meter.stage("record"):
            outcomes = recognise(readings)
            store.record(outcomes, clock())
        bell.ring()  # a frame that must be alone may wait for this
        yield outcomes


def _give_way() -> None:
    """Where the model runs on the same cores, its threads go first: they wait for each other, and lookers do not."""
    with suppress(PermissionError):  # a stricter sandbox than ours: then they are equals
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _GIVES_WAY)


def _faces(item: Portraits | Duplicate | Rejection) -> int:
    return max(1, len(item.faces)) if isinstance(item, Portraits) else 1
