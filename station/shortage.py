"""When the disk is full: nothing is lost, nothing is half written, and everything goes on when there is space."""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from station.domain import StationError
from station.flow import Doorbell

log = logging.getLogger(__name__)

RETRY_S = 2.0
Shortage = Callable[[Exception | None], None]
"""Told that the disk is full: comes back when it is time to try again, or raises.  None: there is space again."""
P = ParamSpec("P")
T = TypeVar("T")


class FullError(StationError):
    """The disk is full."""


class Problems:
    """What is wrong at the moment and mends itself or is mended by a person: one sentence a part."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: dict[str, str] = {}

    def tell(self, part: str, sentence: str | None) -> None:
        """What is wrong with a part; None: nothing any more.  Logs changes."""
        with self._lock:
            before = self._current.pop(part, None)
            if sentence is not None:
                self._current[part] = sentence
        if sentence != before:
            log.log(logging.ERROR if sentence else logging.INFO, "%s", sentence or f"{part}: all is well again")

    def waiting_for_space(self) -> bool:
        """Whether the database's disk is full just now."""
        with self._lock:
            return "disk" in self._current

    def current(self) -> tuple[str, ...]:
        """In the order of their parts' names."""
        with self._lock:
            return tuple(self._current[part] for part in sorted(self._current))


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no space."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_shortage(error: Exception | None) -> None:
    """Does not wait."""
    if error is not None:
        raise FullError("the disk with the database is full: make room") from error


class Waiting:
    """A `Shortage` that waits for space, as long as the station is not to stop."""

    def __init__(self, bell: Doorbell, problems: Problems) -> None:
        self._bell = bell
        self._problems = problems
        self._pause = threading.Event()

    def __call__(self, error: Exception | None) -> None:
        """Waits a little."""
        if error is None:
            self._problems.tell("disk", None)
            return
        self._problems.tell("disk", "the disk with the database is full: nothing is taken until there is space")
        for _ in range(int(RETRY_S / 0.1)):
            if self._bell.stopped:
                no_shortage(error)
            self._pause.wait(0.1)


def patient(write: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that writes in one transaction, tried again where the disk was full; its object has a `shortage`."""

    @wraps(write)
    def again(self: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        short = False
        while True:
            try:
                done = write(self, *args, **kwargs)
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
                short = True
                self.shortage(error)
            else:
                if short:
                    self.shortage(None)
                return done

    return cast(Callable[Concatenate[Any, P], T], again)
