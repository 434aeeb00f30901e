"""Which pictures of an animal were taken at one go: by their times, or, where there are none, by their looks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from training import twins
from training.folds import Indices
from training.twins import Looks


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One face in one picture."""

    individual: str
    camera: str
    moment: datetime | None
    """With or without a zone; None: the time of day is not known."""
    age_years: float | None
    looks: Looks
    """Of this face alone."""


def bursts(shots: Sequence[Shot], within_s: float) -> Indices:
    """For each shot the number of the first of its burst.

    With a time: those of one individual and camera, each no later than `within_s` after the one before.  Without:
    those of one individual at one age that look the same.
    """
    burst = np.arange(len(shots))
    for rows in _together(shots, _clock):
        timed = sorted((moment, row) for row in rows if (moment := shots[row].moment))
        for (earlier, before), (later, row) in pairwise(timed):
            if (later - earlier).total_seconds() <= within_s:
                burst[row] = burst[before]
    for rows in _together(shots, lambda shot: None if shot.moment else (shot.individual, shot.age_years)):
        looks = twins.joined([shots[row].looks for row in rows])
        group = twins.groups(twins.pairs(looks, alike=twins.ALIKE_OF_ONE), len(rows))
        burst[rows] = np.array(rows)[group]
    return burst


def _clock(shot: Shot) -> Hashable | None:
    """Times with a zone and times without cannot be compared."""
    return (shot.individual, shot.camera, shot.moment.tzinfo is None) if shot.moment else None


def _together(shots: Sequence[Shot], key: Callable[[Shot], Hashable | None]) -> list[list[int]]:
    """The numbers of shots with the same key; without one they are in no group."""
    groups: dict[Hashable, list[int]] = {}
    for number, shot in enumerate(shots):
        if (found := key(shot)) is not None:
            groups.setdefault(found, []).append(number)
    return list(groups.values())
