"""A command as a child process that everybody else goes before, and that ends when its parent does.

It gets less of the processor and the disk, or only what nobody else wants; it is the first to go when memory runs out,
and gets what is left of an NVIDIA card that is shared by MPS.  Where a program of util-linux is missing, or may not do
it, the child goes without.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import IO

_WITH_ITS_PARENT = ("setpriv", ("--pdeathsig", "KILL"))
_FIRST_TO_GO = ("choom", ("-n", "1000", "--"))
LAST = (
    _WITH_ITS_PARENT,
    ("chrt", ("--idle", "0")),
    ("nice", ("-n", "19")),
    ("ionice", ("-c", "3")),
    _FIRST_TO_GO,
)
"""Gets only what nobody else wants, and may take days."""
BEHIND = (_WITH_ITS_PARENT, ("nice", ("-n", "10")), ("ionice", ("-c", "2", "-n", "7")), _FIRST_TO_GO)
"""Gets less than others, and comes to an end while they work too."""
Rank = tuple[tuple[str, tuple[str, ...]], ...]
_CARD = {"CUDA_MPS_CLIENT_PRIORITY": "1"}
"""Below others: of the Multi-Process Service, NVIDIA; without it a card shares its time evenly."""
TERM_S = 3.0
"""From asking to killing."""
_LOOK_S = 0.05
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    status: int
    """As subprocess has it; negative: by a signal."""
    told: str
    """The last line that it printed."""
    complained: str
    """The last lines that it wrote to standard error."""
    stopped: str
    """Why it was asked to end; empty: it was not."""
    seconds: float


def ranked(command: Sequence[str], rank: Rank) -> list[str]:
    """The command, to be run after others."""
    first = [word for name, words in rank if _can(name, words) for word in (name, *words)]
    return [*first, *command]


@cache
def _can(name: str, words: tuple[str, ...]) -> bool:
    """Whether a program is there and may do it: a service may be forbidden to."""
    if not shutil.which(name):
        return False
    return subprocess.run([name, *words, "true"], capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], why_stop: Callable[[], str], keep_open: Sequence[int] = (), rank: Rank = LAST) -> Ended:
    """Runs it to its end, or until there is a reason to stop; `keep_open`: descriptors that it holds too.

    Raises `OSError` where it cannot be started.
    """
    began = time.monotonic()
    with subprocess.Popen(
        ranked(command, rank), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", env=os.environ | _CARD | {"PYTHONUNBUFFERED": "1"}, pass_fds=tuple(keep_open),
        process_group=0,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        told, complained = _Tail(process.stdout), _Tail(process.stderr)
        stopped = _watched(process, why_stop)
        for tail in (told, complained):
            tail.join(TERM_S)
    return Ended(process.returncode, told.last(1), complained.last(3), stopped, time.monotonic() - began)


def _watched(process: subprocess.Popen[str], why_stop: Callable[[], str]) -> str:
    stopped = ""
    try:
        while process.poll() is None and not stopped:
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                stopped = why_stop()
    finally:
        if process.poll() is None:
            _end(process)
    return stopped


def _end(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(TERM_S)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


class _Tail:
    """The last lines of a stream, read in a thread of its own so that nobody waits for a full pipe."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self._thread = threading.Thread(target=self._read, args=(stream,), name="job output", daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        try:
            for line in stream:
                self._lines.append(line.rstrip())
        except ValueError:  # closed: a grandchild held it open for too long
            return

    def join(self, limit_s: float) -> None:
        """Waits for the end of the stream."""
        self._thread.join(limit_s)

    def last(self, number: int) -> str:
        """So many of its last lines, as one."""
        lines = [line.strip() for line in list(self._lines) if line.strip()]
        return " ".join(lines[-number:])
