"""Splits in which no individual stands on both sides.  Every split of this package is made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.manifest import ManifestError

Indices = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.float64]
Names = npt.NDArray[Any]
_AGE_BINS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers to fit on and to test on; no individual has rows in both."""

    train: Indices
    test: Indices


def subject_exclusive(
    individuals: Sequence[str] | npt.NDArray[Any], ages_years: Numbers, count: int = 5, seed: int = 0
) -> tuple[Split, ...]:
    """`count` splits, or as many as there are individuals; every row is tested exactly once, every test part has rows.

    Individuals are dealt greedily, the most one-sided first, to the fold where they keep the shares of the age
    classes (fifths of all rows) most even: the algorithm of scikit-learn's `StratifiedGroupKFold`.  The same
    arguments give the same splits.  Raises `ManifestError` for fewer than two individuals.
    """
    names, owner = np.unique(np.asarray(individuals), return_inverse=True)
    if len(names) < 2:
        raise ManifestError(
            f"the manifest names {len(names)} individual{'s'[: len(names) != 1]}: at least 2 are needed, "
            "because a model is only ever tested on animals it was not fitted on"
        )
    counts = _counts(owner, len(names), ages_years)
    fold = _dealt(counts, min(max(2, count), len(names)), np.random.default_rng(seed))[owner]
    rows = np.arange(len(fold))
    return tuple(Split(rows[fold != k], rows[fold == k]) for k in range(fold.max() + 1))


def at_random(faces: int, count: int, seed: int = 0) -> tuple[Split, ...]:
    """Splits that deal faces, not individuals: wrong on purpose, to show how much that flatters."""
    fold = np.random.default_rng(seed).permutation(faces) % count
    rows = np.arange(faces)
    return tuple(Split(rows[fold != k], rows[fold == k]) for k in range(count))


def numbered(splits: Sequence[Split], faces: int) -> Indices:
    """The number of the split in which each face is tested, N."""
    fold = np.zeros(faces, np.intp)
    for number, split in enumerate(splits):
        fold[split.test] = number
    return fold


def _counts(owner: Indices, individuals: int, ages_years: Numbers) -> Numbers:
    """Rows of each individual in each age class that occurs, individuals x classes."""
    edges = np.quantile(ages_years, np.linspace(0, 1, _AGE_BINS + 1)[1:-1])
    _, age_class = np.unique(np.searchsorted(edges, ages_years), return_inverse=True)
    counts = np.zeros((individuals, int(age_class.max()) + 1))
    np.add.at(counts, (owner, age_class), 1)
    return counts


def _dealt(counts: Numbers, folds: int, rng: np.random.Generator) -> Indices:
    """The fold of each individual."""
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    held = np.zeros((folds, counts.shape[1]))
    fold = np.zeros(len(counts), np.intp)
    for place, individual in enumerate(order):
        empty = np.flatnonzero(held.sum(axis=1) == 0)
        must_fill = len(empty) >= len(order) - place  # else a fold would stay without rows
        candidates = empty if must_fill else np.arange(folds)
        best = min(candidates, key=lambda k: (_unevenness(held, int(k), counts, individual), held[k].sum()))
        held[best] += counts[individual]
        fold[individual] = best
    return fold


def _unevenness(held: Numbers, fold: int, counts: Numbers, individual: int) -> float:
    """How unevenly the age classes would lie over the folds, rounded so that near ties count as ties."""
    held = held.copy()
    held[fold] += counts[individual]
    return round(float((held / counts.sum(axis=0)).std(axis=0).mean()), 9)
