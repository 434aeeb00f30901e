"""How fast a network is where pictures come as files: from JPEG bytes to features, decoded and cut as in service."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import torch

from station.domain import Pixels, StationError
from station.flow import buffered, parallel
from station.pictures import BadPicture, save_jpeg
from station.simulate import portrait, reserve
from training import crops, faces
from training.manifest import PixelBox, Row
from training.results import Speed
from training.throughput import Clock, Form, Precision, Preset, halving, timed

_DRAWN, _DRAWN_PX = 16, 480
_MOST_BYTES = 2e9
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """Pictures as bytes, gone through again and again."""

    files: tuple[tuple[bytes, PixelBox | None], ...]
    margin: float
    says: str
    """Whose pictures they are, in words."""

    def crop(self, number: int, input_px: int) -> Pixels:
        """uint8 3 x S x S, of the picture whose turn it is."""
        data, box = self.files[number % len(self.files)]
        return crops.cut_out(data, box, input_px, self.margin)

    def batches(self, numbers: Iterable[int], batch: int, input_px: int, workers: int) -> Iterator[Pixels]:
        """uint8 B x 3 x S x S, the last perhaps with fewer."""
        read = parallel(lambda number: self.crop(number, input_px), numbers, workers, "pictures")
        while together := list(itertools.islice(read, batch)):
            yield np.stack(together)


def drawn() -> Album:
    """Faces of a simulated reserve, by day and by night."""
    today = date(2026, 1, 1)
    rng = np.random.default_rng(0)
    animals = reserve(0, _DRAWN, today).animals
    pictures = (
        portrait(animal, today, rng, night=number % 2 == 1, size_px=_DRAWN_PX) for number, animal in enumerate(animals)
    )
    files = tuple((save_jpeg(picture), None) for picture in pictures)
    return Album(files, 0.0, f"{_DRAWN} drawn faces of {_DRAWN_PX} x {_DRAWN_PX} pixels")


def photographed(rows: Sequence[Row], most: int, say: Callable[[str], None]) -> Album:
    """The pictures of a manifest, the first `most` and at most 2 GB of them; what cannot be used is told to `say`."""
    margin = faces.usual_margin(rows)
    files: list[tuple[bytes, PixelBox | None]] = []
    held = 0
    for row in rows[:most]:
        try:
            data = row.path.read_bytes()
            crops.cut_out(data, row.box, 1, margin)
        except (BadPicture, OSError) as error:
            say(f"left out {row.path} (line {row.line}): {error}")
            continue
        files.append((data, row.box))
        held += len(data)
        if held > _MOST_BYTES:
            break
    if not files:
        raise StationError("none of the manifest's pictures can be used: correct them, or leave --manifest out")
    return Album(tuple(files), margin, f"{len(files)} of the manifest's {len(rows)} pictures")


@dataclass(frozen=True, slots=True)
class Feeding:
    """What is fed, and by how many threads."""

    album: Album
    expanded_to: int
    workers: int


def measure(
    form: Form,
    feeding: Feeding,
    preset: Preset,
    precision: Precision = Precision.FLOAT32,
    clock: Clock = time.perf_counter,
    say: Callable[[str], None] = lambda _: None,
) -> Speed:
    """Images a second from JPEG bytes to features in the processor's memory, decoding and network side by side."""

    def attempt(batch: int) -> Speed:
        stop = threading.Event()
        numbers = itertools.takewhile(lambda _: not stop.is_set(), itertools.cycle(range(feeding.expanded_to)))
        batches = feeding.album.batches(numbers, batch, form.network.input_px, feeding.workers)
        ahead = buffered(batches, _BATCHES_AHEAD, "batches")

        def seconds(batches: int) -> float:
            start = clock()
            for pictures in itertools.islice(ahead, batches):
                _features(form, pictures, precision)
            return clock() - start

        try:
            return timed(replace(preset, batch=batch), seconds, form, precision)
        finally:
            stop.set()
            deque(ahead, maxlen=0)  # what was begun ends before anything else is measured

    return halving(
        preset.batch, attempt, lambda batch: say(f"{form.network.name}, from JPEG: {batch} pictures a batch")
    )


def _features(form: Form, crops: Pixels, precision: Precision) -> torch.Tensor:
    pictures = torch.from_numpy(crops)
    if form.device.type == "cuda":
        pictures = pictures.pin_memory().to(form.device, non_blocking=True)
    return form.features(pictures.contiguous(memory_format=torch.channels_last), precision).cpu()
