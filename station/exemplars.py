"""Which of an individual's faces others are compared with: few, spread over time, people's word first.  Pure rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from station.individuals import Birth, combined

MOST = 20
"""Faces of one individual in the gallery."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One face of an individual; `key` is its own, of the picture's content and the face's number."""

    key: int
    taken_s: float | None
    """Since 1970; None: unknown, or the clock was wrong."""
    said: bool
    """A person named it."""
    birth: Birth | None


class Shelf:
    """The exemplars of one individual.  Offered the same faces in the same order it holds the same ones."""

    def __init__(self, exemplars: Iterable[Exemplar] = (), most: int = MOST) -> None:
        self._most = most
        self._held: list[Exemplar] = []
        for exemplar in exemplars:
            self.offer(exemplar)

    def offer(self, exemplar: Exemplar) -> int | None:
        """Takes it in; the key of the one that has to go for it, which may be its own."""
        self._held = sorted([*self._held, exemplar], key=lambda one: (one.taken_s or 0.0, one.key))
        if len(self._held) <= self._most:
            return None
        gone = self._held.pop(self._least())
        return gone.key

    def _least(self) -> int:
        """The place of the one that is missed least: that nobody named, and whose neighbours in time are nearest."""
        times = [one.taken_s or 0.0 for one in self._held]
        gaps = [float("inf"), *(later - earlier for earlier, later in pairwise(times)), float("inf")]
        around = [before + after for before, after in pairwise(gaps)]
        return min(range(len(times)), key=lambda place: (self._held[place].said, around[place], -place))

    @property
    def keys(self) -> list[int]:
        """Of those it holds, in the order of time."""
        return [one.key for one in self._held]

    @property
    def full(self) -> bool:
        """Another one would drive one out."""
        return len(self._held) >= self._most

    @property
    def birth(self) -> Birth | None:
        """As their ages tell; None: they tell nothing."""
        births = [one.birth for one in self._held if one.birth]
        return combined(births) if births else None
