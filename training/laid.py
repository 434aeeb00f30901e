"""A data set of a study, ready: faces, folds, near-duplicates."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training import fit, folds
from training.bench import Bench, Say
from training.crew import ALONE
from training.faces import Faces
from training.folds import Indices, Split
from training.labels import Bins
from training.manifest import Manifest, Row
from training.plan import Plan
from training.results import DataSet
from training.twins import twins


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """One data set, ready."""

    described: DataSet
    manifests: Sequence[Manifest]
    bench: Bench
    splits: Sequence[Split]
    random: Sequence[Split]


def laid_out(
    plan: Plan,
    name: str,
    manifests: Sequence[Manifest],
    rows: Sequence[Row],
    cache: Path,
    device: torch.device,
    say: Say,
) -> Laid:
    """The same faces and folds for every network."""
    assert plan.source.input_px is not None
    known, seed = plan.source.faces(rows, plan.source.input_px, say, cache), plan.schedule.seed
    splits = folds.subject_exclusive(known.individuals, known.ages_years, plan.folds, seed)
    random = folds.at_random(len(known.ages_years), len(splits), seed)[: plan.random_folds]
    fold = folds.numbered(splits, len(known.ages_years))
    described = DataSet(
        name=name,
        manifests=tuple(fit.data(each) for each in manifests),
        known=known,
        fold=fold,
        folds_sha256=_digest(known, fold),
        twins=twins(known.crops, fold),
    )
    return Laid(described, manifests, Bench(known, Bins.for_ages(known.ages_years), device, ALONE), splits, random)


def _digest(known: Faces, fold: Indices) -> str:
    """Of the faces in their order, each with its individual, age and fold."""
    lines = [
        f"{row.line}\t{row.individual}\t{row.age_years}\t{row.box}\t{number}"
        for row, number in zip(known.rows, fold, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
