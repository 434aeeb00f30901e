"""Iterators that cross threads, and the bell that wakes the first of them.

A pipeline is a chain of iterators.  Each function here takes an iterable and gives one back, with a thread and
a bounded queue between the two, so that

* work is pulled: a slow consumer slows its producer, and memory stays bounded;
* the end of the input is the end of the output: nothing in flight is dropped;
* an exception in a producer is raised in its consumer.

Nothing here knows what the items are.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class _End(Exception):
    """The producer has nothing more."""


class _Last:
    """Stands in the queue after the last item."""


class Buffer(Generic[A]):
    """Runs an iterable in a thread of its own, at most `depth` items ahead."""

    def __init__(self, source: Iterable[A], depth: int, name: str) -> None:
        self._items: queue.Queue[A | _Last] = queue.Queue(depth)
        self._end: BaseException = _End()
        self._closed = False
        threading.Thread(target=self._fill, args=(source,), name=name, daemon=True).start()

    def _fill(self, source: Iterable[A]) -> None:
        try:
            for item in source:
                self._items.put(item)
                if self._closed:
                    return
        except BaseException as error:  # noqa: BLE001  carried across, never swallowed
            self._end = error
        self._items.put(_Last())

    def get(self, timeout: float | None = None) -> A:
        """The next item.  Raises `queue.Empty` on timeout, `_End` or the producer's error at the end."""
        item = self._items.get(timeout=timeout)
        if isinstance(item, _Last):
            self._items.put(item)  # the end stays the end
            raise self._end
        return item

    def close(self) -> None:
        """Lets the producer go: the item it is holding is its last."""
        self._closed = True
        while True:
            try:
                self._items.get_nowait()
            except queue.Empty:
                return

    def __iter__(self) -> Iterator[A]:
        try:
            while True:
                yield self.get()
        except _End:
            return
        finally:
            self.close()


def buffered(source: Iterable[A], depth: int = 1, name: str = "buffered") -> Iterator[A]:
    """The same items, produced in another thread."""
    return iter(Buffer(source, depth, name))


def parallel(
    work: Callable[[A], B], source: Iterable[A], workers: int, name: str = "parallel", depth: int = 0
) -> Iterator[B]:
    """`map(work, source)` on a pool of threads, in order, `depth` items ahead, by default twice as many as threads."""
    with ThreadPoolExecutor(workers, thread_name_prefix=name) as pool:
        for future in buffered((pool.submit(work, item) for item in source), depth or 2 * workers, name):
            yield future.result()


def batched(
    source: Iterable[A],
    limit: int,
    linger_s: float,
    size: Callable[[A], int] = lambda _: 1,
    name: str = "batched",
) -> Iterator[list[A]]:
    """Items that arrived together: a batch closes when its sizes reach `limit` or it is `linger_s` old."""
    buffer = Buffer(source, depth=limit, name=name)
    try:
        while True:
            batch = [buffer.get()]
            weight, deadline = size(batch[0]), time.monotonic() + linger_s
            try:
                while weight < limit:
                    batch.append(buffer.get(timeout=max(1e-6, deadline - time.monotonic())))
                    weight += size(batch[-1])
            except (queue.Empty, _End):
                pass
            yield batch
    except _End:
        return
    finally:
        buffer.close()


class Doorbell:
    """Rung when there is new work; tells who waits that there will be no more, and why.

    `close`: nobody rings any more, what is there is to be finished.  `stop`: what is in hand is finished, the
    rest waits for the next run.  `fail`: the same, and the one who waits gets the error.  Safe in a signal
    handler: its lock is re-entrant.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung = False
        self._error: BaseException | None = None
        self.closed = False
        self.stopped = False

    def ring(self) -> None:
        """Something is there."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody will ring any more."""
        self.closed = True
        self.ring()

    def stop(self) -> None:
        """Finish what is in hand, begin nothing."""
        self.stopped = True
        self.close()

    def fail(self, error: BaseException) -> None:
        """Stop, with the error that made it necessary; the first one is kept."""
        self._error = self._error or error
        self.stop()

    def check(self) -> None:
        """Raises what `fail` was given."""
        if self._error is not None:
            raise self._error

    def wait(self, timeout: float | None = None) -> bool:
        """Until the bell is rung, or was since the last wait; False on timeout."""
        with self._changed:
            rung = self._changed.wait_for(lambda: self._rung, timeout)
            self._rung = False
            return rung
