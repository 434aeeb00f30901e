"""How fast two bundles are here, in the form that each is served in: by turns, so that a busy box slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from station.ages import Ages

RUNS, RUN_S = 7, 0.3


def speeds(
    one: Ages,
    other: Ages,
    batch: int,
    cache: Path | None,
    prepared: bool,
    give_way: Callable[[], object] = lambda: None,
    run_s: float = RUN_S,
) -> tuple[float, float]:
    """Pictures a second of both; `prepared`: in the fastest form of each, which is kept in `cache`."""
    if prepared:
        for ages in (one, other):
            ages.prepare(cache)
    for ages in (one, other):
        _rate(ages, batch, 0.0)
    rates = [(_run(one, batch, give_way, run_s), _run(other, batch, give_way, run_s)) for _ in range(RUNS)]
    return median(first for first, _ in rates), median(second for _, second in rates)


def _run(ages: Ages, batch: int, give_way: Callable[[], object], run_s: float) -> float:
    give_way()
    return _rate(ages, batch, run_s)


def _rate(ages: Ages, batch: int, least_s: float) -> float:
    """Of whole batches, for at least so long."""
    pictures = ages.golden.batch(batch)
    begun, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - begun < least_s:
        ages.run(pictures)
        done += batch
    return done / (time.perf_counter() - begun)
