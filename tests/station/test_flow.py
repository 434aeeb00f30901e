from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.flow import Doorbell, batched, buffered, parallel


def until(condition: object, limit_s: float = 5.0) -> bool:
    """Waits for a condition, with a limit."""
    deadline = time.monotonic() + limit_s
    tick = threading.Event()
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        tick.wait(0.005)
    return True


def test_order_and_end_survive_the_threads() -> None:
    doubled = parallel(lambda x: x * 2, range(100), 4)
    assert list(buffered(doubled, 3)) == [x * 2 for x in range(100)]


def test_an_error_in_a_producer_is_raised_in_its_consumer() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        list(batched(parallel(lambda x: x, source(), 2), 4, 0.01))


def test_an_error_in_the_work_is_raised_in_the_consumer() -> None:
    with pytest.raises(ZeroDivisionError):
        list(buffered(parallel(lambda x: 1 // x, [1, 0, 1], 2)))


def test_a_slow_consumer_holds_the_producer_back() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(1000):
            made.append(i)
            yield i

    items = buffered(parallel(lambda x: x, source(), 2), 2)
    next(items)
    assert not until(lambda: len(made) >= 20, 0.3)


def test_batches_are_full_and_the_last_one_holds_the_rest() -> None:
    assert [len(b) for b in batched(range(10), 4, 5)] == [4, 4, 2]


def test_a_batch_counts_weights() -> None:
    assert [sum(b) for b in batched([3, 3, 3, 1], 4, 1, size=lambda x: x)] == [6, 4]


def test_an_item_does_not_wait_for_the_next_longer_than_the_linger() -> None:
    gate = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        gate.wait(10)
        yield 2

    batches = batched(parallel(lambda x: x, source(), 4), 8, 0.01)
    assert next(batches) == [1]
    gate.set()
    assert list(batches) == [[2]]


def test_what_is_in_flight_is_drained_and_every_thread_ends() -> None:
    before, stop = threading.active_count(), threading.Event()

    def source() -> Iterator[int]:
        yield from itertools.takewhile(lambda _: not stop.is_set(), itertools.count())

    got: list[int] = []
    for batch in batched(parallel(lambda x: x, source(), 4), 8, 0.01):
        got += batch
        if len(got) > 100:
            stop.set()
    assert got == list(range(len(got)))
    assert until(lambda: threading.active_count() == before)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=40), st.integers(1, 8), st.integers(1, 4))
def test_nothing_is_lost_doubled_or_reordered(weights: list[int], limit: int, workers: int) -> None:
    items = list(enumerate(weights))
    batches = list(batched(parallel(lambda x: x, items, workers), limit, 1.0, size=lambda x: x[1]))
    assert [item for batch in batches for item in batch] == items
    assert all(sum(w for _, w in batch[:-1]) < limit for batch in batches)


def test_a_ring_before_the_wait_is_not_missed() -> None:
    bell = Doorbell()
    bell.ring()
    assert bell.wait(0)
    assert not bell.wait(0)


def test_who_waits_gets_the_first_error_of_those_who_ring() -> None:
    bell = Doorbell()
    bell.fail(ValueError("first"))
    bell.fail(ValueError("second"))
    assert bell.stopped
    with pytest.raises(ValueError, match="first"):
        bell.check()
