"""Whose turn it is on the device: first come, first served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    beside: bool


class Turns:
    """A fair lock: who measures the device between live batches holds each of them up by one of its own at most."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: list[_Turn] = []
        """Who has it and, behind them, who waits."""

    def waiting(self) -> int:
        """How many wait for whoever has it."""
        with self._changed:
            return sum(not self._may(turn) for turn in self._line)

    @contextmanager
    def turn(self, beside: bool = False) -> Iterator[None]:
        """Waits for its turn and holds it for the block: alone, or `beside` others who came to hold it so."""
        mine = _Turn(beside)
        with self._changed:
            self._line.append(mine)
            self._changed.wait_for(lambda: self._may(mine))
        try:
            yield
        finally:
            with self._changed:
                self._line.remove(mine)
                self._changed.notify_all()

    def _may(self, turn: _Turn) -> bool:
        return all(turn.beside and other.beside for other in takewhile(lambda other: other is not turn, self._line))
