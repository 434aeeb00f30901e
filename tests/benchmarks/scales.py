"""What a conformal score is best divided by: the width of a 90% interval and whom it holds, on simulated animals.

python -m tests.benchmarks.scales 30

Four worlds: the error grows with age and the model knows it, or does not; it is the same for all and the model knows
it, or its certainty is noise.  Only what is proportional to the standard deviation can be shipped as one number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from training.calibrate import Unseen, moments, quantile, temperature
from training.folds import Numbers
from training.labels import Bins

BINS = Bins(np.arange(76.0), 2.0)
AGES = ((0, 15), (15, 30), (30, 70))
WORLDS = ("grows, known", "grows, unknown", "constant, known", "constant, noise")
SCALES: dict[str, Callable[[Numbers], Numbers]] = {"sd": np.asarray, "root of sd": np.sqrt, "none": np.ones_like}


def world(kind: str, animals: int, chance: np.random.Generator) -> Unseen:
    """Animals with 2 to 13 pictures; eight tenths of the error are shared, its own part has heavy tails."""
    names = np.repeat(np.arange(animals), chance.integers(2, 14, animals))
    first = chance.uniform(0, 40, animals)[names]
    ages = np.minimum(first + chance.exponential(8, len(names)), 68)
    size = 1 + 0.1 * ages if kind.startswith("grows") else np.full(len(ages), 3.0)
    wrong = size * (0.8 * chance.normal(size=animals)[names] + 0.6 * chance.standard_t(5, len(ages)))
    noise = 2 * np.exp(chance.normal(0, 0.5, len(ages)))
    belief = (
        size if kind.endswith("known") and "un" not in kind else noise if "noise" in kind else np.full_like(size, 2.5)
    )
    prior = np.log(BINS.labels(ages).mean(axis=0) + 1e-6)
    evidence = -0.5 * ((BINS.years - (ages + wrong)[:, None]) / belief[:, None]) ** 2
    return Unseen(evidence + prior, np.tile(prior, (len(ages), 1)), ages, names)


def measured(kind: str, scale: Callable[[Numbers], Numbers], seed: int) -> list[float]:
    """Coverage, mean width, and coverage by age, of 150 animals calibrated on 60 others."""
    chance = np.random.default_rng(seed)
    known, new = world(kind, 60, chance), world(kind, 150, chance)
    heat = temperature(known, BINS)
    mean, sd = moments(known, heat, BINS)
    reach = quantile(np.abs(known.ages_years - mean) / scale(sd), known.individuals) or np.nan
    mean, sd = moments(new, heat, BINS)
    half = reach * scale(sd)
    inside = np.abs(new.ages_years - mean) <= half
    width = mean + half - np.maximum(0, mean - half)
    by_age = [inside[(low <= new.ages_years) & (new.ages_years < high)].mean() for low, high in AGES]
    return [inside.mean(), width.mean(), *by_age]


def main(repeats: int) -> None:
    """Prints a line for each world and scale."""
    for kind in WORLDS:
        for name, scale in SCALES.items():
            covered, width, *ages = np.mean([measured(kind, scale, seed) for seed in range(repeats)], axis=0)
            held = ", ".join(f"{share:.0%}" for share in ages)
            print(f"{kind:16} {name:10} holds {covered:.1%}, {width:4.1f} years wide; by age {held}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
