"""Whether the census's intervals hold: `python -m tests.benchmarks.coverage [SEASONS] [FIRST SEED]` prints JSON.

Each season is another reserve, with other cameras, another model and other mistakes about who is who.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from tests.seasons import simulated


def measure(seasons: int, first: int) -> dict[str, object]:
    """Shares of intervals that hold the truth, lie above it, or below; mean error and width in animals."""
    rows: dict[str, list[tuple[int, int, int, int]]] = {}
    for seed in range(first, first + seasons):
        season = simulated(seed)
        for line in season.census.counts:
            told = line.animals
            rows.setdefault(line.stage, []).append((season.truth[line.stage], told.low, told.likely, told.high))
        total = season.census.total
        rows.setdefault("total", []).append((sum(season.truth.values()), total.low, total.likely, total.high))
    stages = [row for name, some in rows.items() if name != "total" for row in some]
    return {
        "seasons": seasons,
        "life_stages": _summary(stages),
        **{name: _summary(some) for name, some in rows.items()},
    }


def _summary(rows: list[tuple[int, int, int, int]]) -> dict[str, float]:
    truth, low, likely, high = np.array(rows).T
    found = {
        "covered": ((low <= truth) & (truth <= high)).mean(),
        "too_high": (truth < low).mean(),
        "too_low": (truth > high).mean(),
        "bias": (likely - truth).mean(),
        "width": (high - low).mean(),
        "truth": truth.mean(),
    }
    return {name: round(float(value), 3) for name, value in found.items()}


if __name__ == "__main__":
    begun = time.perf_counter()
    seasons, first = (int(text) for text in (sys.argv[1:] + ["200", "0"][len(sys.argv) - 1 :])[:2])
    print(json.dumps({**measure(seasons, first), "seconds": round(time.perf_counter() - begun, 1)}, indent=1))
