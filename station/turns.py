"""Whose turn it is on the device: first come, first served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A fair lock: who measures the device between live batches holds each of them up by one of its own at most."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given = self._served = 0

    def waiting(self) -> int:
        """How many wait for whoever has it."""
        with self._changed:
            return max(0, self._given - self._served - 1)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for its turn and holds it for the block."""
        with self._changed:
            mine = self._given
            self._given += 1
            self._changed.wait_for(lambda: self._served == mine)
        try:
            yield
        finally:
            with self._changed:
                self._served += 1
                self._changed.notify_all()
