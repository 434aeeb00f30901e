"""Signals, heard in a thread of their own.

Python calls handlers in the main thread, and one that is about to wait for a lock when the signal comes waits on, until
something else wakes it: on a quiet night, nothing does.  What the interpreter writes into a pipe is read at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


@contextmanager
def heard(numbers: Collection[int], hear: Callable[[int], None]) -> Iterator[None]:
    """Calls `hear` with each of these signals that comes.  To be used in the main thread."""
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    thread = threading.Thread(target=_listen, args=(ear, numbers, hear), name="signals", daemon=True)
    thread.start()
    former = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(mouth)
        thread.join()


def _listen(ear: int, numbers: Collection[int], hear: Callable[[int], None]) -> None:
    with open(ear, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] in numbers:
                hear(number[0])


def end_at_once(number: int) -> None:
    """As the shell tells it: 128 and the signal's number."""
    os._exit(128 + number)
