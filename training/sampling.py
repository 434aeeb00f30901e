"""Which faces an epoch shows, and how often: as they are, or balanced over ages and individuals."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from training.folds import Indices, Names, Numbers

AGE_CLASSES = 10
_ROUNDS = 200


def weights(
    ages_years: Numbers, individuals: Names, by_age: float, by_individual: float, classes: int = AGE_CLASSES
) -> Numbers | None:
    """The share of an epoch that each of N faces is to have; None where all are to have the same.

    Exponents, 0 to 1: at 0 age classes (of equal width, those that occur) or individuals weigh what they weigh, at 1
    all of them the same, between them weight ** (1 - exponent).  Where both are asked for, shares are fitted in turns
    until both hold (Deming and Stephan 1940); where the two contradict each other, as when every animal has one age,
    each gives way by half.
    """
    if by_age == by_individual == 0:
        return None
    edges = np.linspace(ages_years.min(), ages_years.max(), classes + 1)[1:-1]
    _, age_class = np.unique(np.searchsorted(edges, ages_years, side="right"), return_inverse=True)
    _, owner = np.unique(individuals, return_inverse=True)
    age_shares = _less_uneven(age_class, owner, by_individual) ** (1 - by_age)
    owner_shares = _less_uneven(owner, age_class, by_age) ** (1 - by_individual)
    before = after = np.ones(len(ages_years))
    for _ in range(_ROUNDS):
        before = _fitted(after, age_class, age_shares)
        after = _fitted(before, owner, owner_shares)
    between = np.sqrt(before * after)
    return np.asarray(between / between.sum(), np.float64)


def _less_uneven(group: Indices, other: Indices, exponent: float) -> Numbers:
    """What each of a grouping's groups weighs when only the other grouping is balanced."""
    weights = np.bincount(other).astype(np.float64)[other] ** -float(exponent)
    return np.asarray(np.bincount(group, weights), np.float64)


def _fitted(weights: Numbers, group: Indices, shares: Numbers) -> Numbers:
    """In the same proportions within each group, and in those of `shares` between groups."""
    factors = shares / shares.sum() / np.bincount(group, weights)
    return np.asarray(weights * factors[group], np.float64)


def order(weights: Numbers | None, count: int, batch: int, chance: torch.Generator) -> Tensor:
    """Row numbers for one epoch over `count` faces: int64, a whole number of batches, at least `count`.

    Without weights every face comes once, and faces from the beginning fill up the last batch; with weights each
    comes as often as its share says, rounded up or down by chance (systematic sampling).
    """
    total = -(-count // batch) * batch
    if weights is None:
        once = torch.randperm(count, generator=chance)
        return once.repeat(-(-total // count))[:total]
    begin = torch.rand((), generator=chance, dtype=torch.float64).item()
    places = (np.arange(total) + begin) / total
    ends = np.cumsum(weights)
    rows = np.searchsorted(ends / ends[-1], places, side="right").clip(max=count - 1)
    return torch.from_numpy(rows)[torch.randperm(total, generator=chance)]
