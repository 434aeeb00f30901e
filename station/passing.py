"""Whether an error says that a bundle is bad, or only that it could not be taken up just now."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from station.domain import StationError
from station.golden import NoMemory
from station.schema import StoreError
from station.shortage import FullError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0
TROUBLE = (StationError, RuntimeError, OSError, sqlite3.OperationalError, MemoryError)
"""What the taking up of a bundle may raise; RuntimeError: what torch says."""
_BLOCK = 1 << 20
_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EBUSY", "EINTR", "ESTALE", "ETIMEDOUT",
        "ENODEV", "ENXIO", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO",
    )
    if hasattr(errno, name)
)  # fmt: skip


def passes(error: BaseException, bundle: Path) -> bool:
    """Whether the database, the disk, or memory was the trouble.  What cannot be read now may be sound."""
    return any(_is_passing(one) for one in (*_chain(error), _reading(bundle)) if one)


def pause_s(failures: int) -> float:
    """Until the next attempt, after so many in a row that failed."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 20)))


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _PASSING
    return isinstance(error, sqlite3.OperationalError | StoreError | FullError | NoMemory | MemoryError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def _reading(bundle: Path) -> OSError | None:
    """What stands against reading a bundle's files now: torch tells no more than that it failed."""
    try:
        for file in bundle.iterdir():
            with file.open("rb") as opened:
                while opened.read(_BLOCK):
                    pass
    except OSError as error:
        return error
    return None
