"""What a self-check measures: real work of the station, in small pieces, between which others may have their turn."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from station import history
from station.ages import Ages
from station.domain import WHOLE, Lane
from station.fitness import Rate
from station.pictures import Picture, save_jpeg
from station.simulate import portrait, reserve
from station.store import Candidate, Store

RUNS, RUN_S = 5, 0.3
"""So many runs, each of about so many seconds."""
SMALL_BATCH = 4
"""Faces in a batch that a live picture may have to wait for."""
_PICTURES, _DRAWN_PX, _ENLARGED, _REPEATED = 4, 400, 4, 2
_CROP_PX = 224
_SCRATCH, _DATABASE = ".selfcheck-", "scratch.db"

Unit = Callable[[], int]
"""A piece of work; how many it did."""
Yield = Callable[[], None]
"""Called before every piece: waits for as long as somebody else goes first."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a rate is taken."""

    give_way: Yield = lambda: None
    run_s: float = RUN_S
    clock: Callable[[], float] = time.perf_counter

    def rate(self, unit: Unit) -> Rate:
        """The median of some runs of equally many pieces, after one that does not count."""
        self._took(unit)
        _, took = self._took(unit)
        pieces = int(min(1000, max(1, self.run_s / max(took, 1e-9))))
        rates = []
        for _ in range(RUNS):
            done, spent = 0, 0.0
            for _ in range(pieces):
                number, seconds = self._took(unit)
                done, spent = done + number, spent + seconds
            rates.append(done / spent)
        return Rate(median(rates), min(rates), max(rates), len(rates))

    def _took(self, unit: Unit) -> tuple[int, float]:
        self.give_way()
        began = self.clock()
        return unit(), self.clock() - began


def model(ages: Ages, faces: int) -> Unit:
    """A batch of golden inputs through the age model, as the Line runs it."""
    batch = ages.golden.batch(faces)

    def unit() -> int:
        ages.run(batch)
        return faces

    return unit


@contextmanager
def decoding(workers: int) -> Iterator[Unit]:
    """JPEG bytes to a crop, on as many threads as the Line has: the same drawn pictures for every bundle."""
    pictures = _drawn() * _REPEATED

    def crop(data: bytes) -> None:
        Picture(data).crops([WHOLE], _CROP_PX)

    with ThreadPoolExecutor(workers, thread_name_prefix="selfcheck") as pool:

        def unit() -> int:
            return sum(1 for _ in pool.map(crop, pictures))

        yield unit


def _drawn() -> list[bytes]:
    today, rng = date(2026, 1, 1), np.random.default_rng(0)
    drawn = (portrait(a, today, rng, night=False, size_px=_DRAWN_PX) for a in reserve(0, _PICTURES, today).animals)
    return [save_jpeg(picture.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1)) for picture in drawn]


@contextmanager
def committing(database: Path, durable: bool, now: datetime) -> Iterator[Unit]:
    """A frame admitted, in a transaction of its own, to a database of its own on the same disk."""
    _sweep(database.parent)
    with (
        TemporaryDirectory(prefix=_SCRATCH, dir=database.parent) as scratch,
        Store(Path(scratch) / _DATABASE, now, durable=durable) as store,
    ):
        numbers = count()

        def unit() -> int:
            number = next(numbers)
            return store.admit([Candidate("selfcheck", f"/{number}.jpg", 1, number, None, Lane.BACKLOG)], now)

        yield unit


def _sweep(folder: Path) -> None:
    """What a power cut left of a self-check is nobody's."""
    for left in folder.glob(f"{_SCRATCH}*"):
        if history.user_of(left / _DATABASE) is None:
            shutil.rmtree(left, ignore_errors=True)
