"""Intervals of life-stage counts, held against the truth of simulated seasons (`tests.benchmarks.coverage`: more)."""

from __future__ import annotations

from tests.seasons import simulated


def test_nine_of_ten_intervals_hold_the_true_number_of_animals_seen() -> None:
    held, narrow = [], []
    for seed in range(30):
        season = simulated(seed)
        for line in season.census.counts:
            held.append(line.animals.low <= season.truth[line.stage] <= line.animals.high)
            narrow.append(line.animals.high - line.animals.low < season.census.total.likely)
    assert 0.85 <= sum(held) / len(held) <= 0.99
    assert all(narrow)
