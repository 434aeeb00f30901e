"""The model that reads the faces, and the one that follows it while the station runs.

Between two batches another takes its place.  Pictures that were looked at before were cut out for the model of then:
where the new one wants them cut alike it reads them, otherwise the old one does, which lives as long as they do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from station.ages import Ages
from station.domain import Duplicate, Frame, Outcome, Portraits, Rejection

Recognise = Callable[[Sequence[Outcome]], list[Outcome]]
"""Gives the faces of outcomes their individuals, where they are known; in the order in which they are recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A loaded bundle, and who names the faces by what it reads."""

    bundle: Path
    ages: Ages
    recognise: Recognise

    def can_read_for(self, other: Reader) -> bool:
        """Whether crops for the other are cut as this one wants them."""
        mine, its = self.ages.card, other.ages.card
        return (mine.input_px, mine.crop_margin) == (its.input_px, its.crop_margin)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was seen of a frame, and the reader that its faces were cut out for."""

    item: Portraits | Duplicate | Rejection
    by: Reader

    @property
    def frame(self) -> Frame:
        """That was looked at."""
        return self.item.frame

    @property
    def faces(self) -> int:
        """How many it has."""
        return len(self.item.faces) if isinstance(self.item, Portraits) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Outcomes of one reader, whose faces have no names yet."""

    by: Reader
    outcomes: list[Outcome]


class Succession:
    """Who reads now.  `follow` may be called from any thread."""

    def __init__(self, first: Reader) -> None:
        self.serving = first
        self.behind = threading.Event()
        """Something was recorded that another reader than the one in service has read."""

    def follow(self, reader: Reader) -> None:
        """The next batch is its."""
        self.serving = reader
        self.behind.set()

    def read(self, batch: Sequence[Looked]) -> list[Read]:
        """The batch in its order, each part of it read by whom its faces were cut out for."""
        now = self.serving
        parts = groupby(batch, key=lambda looked: now if now.can_read_for(looked.by) else looked.by)
        return [Read(by, by.ages.read([looked.item for looked in part])) for by, part in parts]

    def recorded(self, parts: Sequence[Read]) -> None:
        """These are in the ledger."""
        if any(part.by is not self.serving for part in parts):
            self.behind.set()
