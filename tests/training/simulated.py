"""Judgements whose truth is known: errors with a part that an animal's pictures share, and one of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from station.bundles import Figure
from station.species import LifeStage
from training.calibrate import Unseen
from training.faces import Faces
from training.folds import Names, Numbers
from training.judged import LEVELS, Judged
from training.labels import Bins
from training.manifest import Row
from training.metrics import figures
from training.networks import Size
from training.results import DataSet, Protocol, Study, Trial
from training.stages import stages_at

BINS = Bins(np.arange(61.0), 1.0)
STAGES = (LifeStage("young", 0), LifeStage("adult", 15), LifeStage("old", 30))
Z = np.array([1.2816, 1.6449, 1.96])
"""Half the interval of a normal error at each of `LEVELS`, in standard deviations."""


def unseen(animals: int, chance: np.random.Generator, tau: float = 3.0, sigma: float = 2.0, most: int = 12) -> Unseen:
    """Normal beliefs of sd 2 about noisy readings of animals with 2 to `most` pictures at several ages."""
    names = np.repeat([f"animal-{k:03}" for k in range(animals)], chance.integers(2, most + 1, animals))
    ages = _ages(names, chance)
    said = ages + errors(names, chance, tau, sigma)
    logits = -0.5 * ((BINS.years - said[:, None]) / 2.0) ** 2
    return Unseen(logits, np.zeros_like(logits), ages, names)


def errors(names: Names, chance: np.random.Generator, tau: float, sigma: float) -> Numbers:
    """Shared by an animal's pictures, and each picture's own."""
    _, owner = np.unique(names, return_inverse=True)
    return np.asarray(chance.normal(0, tau, owner.max() + 1)[owner] + chance.normal(0, sigma, len(names)), np.float64)


def _ages(names: Names, chance: np.random.Generator) -> Numbers:
    _, owner = np.unique(names, return_inverse=True)
    first = chance.uniform(5, 45, owner.max() + 1)[owner]
    return np.asarray(first + chance.uniform(0, 10, len(names)), np.float64)


def judged(
    animals: int = 40,
    pictures: int = 6,
    tau: float = 2.0,
    sigma: float = 1.0,
    slope: float = 1.0,
    width: float = 1.0,
    one_age: bool = False,
    seed: int = 0,
    noise: int = 0,
) -> Judged:
    """Estimates of a known slope and spread, with intervals `width` times as wide as they ought to be.

    Another `noise` is another model of the same faces.
    """
    chance, luck = np.random.default_rng(seed), np.random.default_rng([seed, noise])
    names = np.repeat([f"animal-{k:03}" for k in range(animals)], pictures)
    ages = _ages(names, chance)
    if one_age:
        ages = np.repeat(ages[::pictures], pictures)
    estimates = ages.mean() + slope * (ages - ages.mean()) + errors(names, luck, tau, sigma)
    half = width * Z * np.hypot(tau, sigma)
    known = [animals >= 4, animals >= 9, animals >= 19]
    low, high = (np.where(known, estimates[:, None] + side * half, np.nan) for side in (-1, 1))
    return Judged(
        individuals=names,
        fold=np.unique(names, return_inverse=True)[1] % 5,
        ages_years=ages,
        estimates_years=estimates,
        sd_years=np.full(len(ages), np.hypot(tau, sigma)),
        low_years=low,
        high_years=high,
        surprise=np.ones(len(ages)),
        pit=chance.uniform(size=len(ages)),
        guesses_years=np.full(len(ages), np.median(ages)),
        stages=stages_at(STAGES, ages),
        estimated_stages=stages_at(STAGES, estimates),
        stage_names=tuple(stage.name for stage in STAGES),
    )


def data_set(of: Judged, name: str = "reserve") -> DataSet:
    """The faces that were judged."""
    rows = tuple(
        Row(k + 2, Path(f"{k}.jpg"), str(who), float(age), None, {})
        for k, (who, age) in enumerate(zip(of.individuals, of.ages_years, strict=True))
    )
    crops = np.zeros((len(rows), 3, 1, 1), np.uint8)
    known = Faces(crops, of.ages_years, of.individuals, rows, 0.0, 0)
    return DataSet(name, (), known, of.fold, "0" * 64, ())


def trial(of: Judged, network: str = "resnet50", leaky_mae: float | None = None, data: str = "reserve") -> Trial:
    """One network's judgement as a trial."""
    leaky = None if leaky_mae is None else Figure(leaky_mae, 0.9 * leaky_mae, 1.1 * leaky_mae)
    return Trial(data, network, "dldl", "pretrained", of, figures(of), leaky, Size(1, 1), None, 1.0)


def study(*trials: Trial, planned: int | None = None) -> Study:
    """Of these trials, on the data sets they name; the first is chosen."""
    sets = {one.data: data_set(one.judged, one.data) for one in trials}
    protocol = Protocol("unknown", 5, 1, 16, 0, 64, "cpu", {}, "", "2026-06-01T12:00:00+00:00")
    return Study(protocol, tuple(sets.values()), trials, planned or len(trials), trials[0])


def with_estimates(of: Judged, estimates_years: Numbers) -> Judged:
    """Another judgement of the same faces."""
    return replace(of, estimates_years=estimates_years)


assert len(Z) == len(LEVELS)
