"""One animal of the census's list: when and where it was seen, and when it was born."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from station.birth import BirthDate


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """The usable faces of one animal by time, as columns, for there may be a million; at least one."""

    at_s: npt.NDArray[np.int64]
    """Seconds since 1970 (UTC), rising."""
    day: npt.NDArray[np.int32]
    """The day in the station's zone (`date.toordinal`)."""
    camera: npt.NDArray[np.int32]
    """Place in `cameras`."""
    event: npt.NDArray[np.int64]
    """The independent sighting it belongs to: equal for pictures of one camera less than half an hour apart."""
    face: npt.NDArray[np.int64]
    """Its number in the ledger."""
    cameras: Sequence[str]

    def __len__(self) -> int:
        return len(self.at_s)

    def between(self, first: int, last: int) -> Sightings:
        """Those on the days from `first` to `last`."""
        rows = slice(int(np.searchsorted(self.day, first)), int(np.searchsorted(self.day, last, side="right")))
        return replace(
            self, at_s=self.at_s[rows], day=self.day[rows], camera=self.camera[rows], event=self.event[rows],
            face=self.face[rows],
        )  # fmt: skip

    @property
    def places(self) -> tuple[str, ...]:
        """The cameras that saw it, the most frequent first."""
        which, often = np.unique(self.camera, return_counts=True)
        return tuple(self.cameras[place] for place in which[np.argsort(-often, kind="stable")])


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a birth date on a day: the median and the 90% interval."""

    on: date
    low: date
    born: date
    high: date


@dataclass(frozen=True, slots=True, eq=False)
class Animal:
    """One animal of the list, with all its sightings up to the day of the census."""

    id: str
    sightings: Sightings
    birth: BirthDate
    name: str = ""
    sex: str = ""
    """f, m or unknown."""
    provisional: bool = False
    """Only the machine tells it from others."""
    confidence: float = 1.0
    """The probability that all its pictures show one animal, and that it is no other one of the list."""
    died_on: date | None = None
    told_stage: str | None = None
    """The life stage by the mean of the model's estimates alone; None: no picture of it has an age."""
    word: str = ""
    """What people said of its birth, for comparison with last time."""
    models: Mapping[str, int] | None = None
    """How many of its ages each version told."""
    history: Sequence[Known] = ()
    """What was known of its birth date in the course of time."""
