"""A study as one would come out, simulated: ages with an individual's bias, noise, and regression to the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from station.bundles import Figure, TrainingData
from tests.training import measured
from training import folds
from training.faces import Faces
from training.folds import Indices, Numbers
from training.judged import LEVELS, Judged
from training.manifest import Row
from training.networks import Size
from training.report.measures import Measures
from training.results import DataSet, Protocol, Speed, Study, Trial, Twin

STAGES = ("cub", "subadult", "adult", "old")
_STARTS = (0.0, 1.5, 5.5, 20.0)
Names = npt.NDArray[Any]
NETWORKS = (
    "tf_efficientnet_lite0", "resnet50", "repvgg_a0", "resnet18", "googlenet", "mnasnet_100", "vgg16_bn", "vgg11_bn",
)  # fmt: skip


def drawn_faces(animals: int = 24, pictures: int = 6, seed: int = 0, side: int = 32) -> Faces:
    """Noise for faces; the first animal has a name that would be markup."""
    chance = np.random.default_rng(seed)
    count = animals * pictures
    born = np.repeat(chance.uniform(0, 18, animals), pictures)
    ages = np.round(born + chance.uniform(0, 9, count), 1)
    names = ["<b>bao & co</b>", *(f"panda-{k:02d}" for k in range(1, animals))]
    who = np.repeat(np.array(names, np.str_), pictures)
    rows = tuple(
        Row(k + 2, Path(f"faces/{k:04d}.jpg"), str(who[k]), float(ages[k]), None, {"sex": "fmu"[k // pictures % 3]})
        for k in range(count)
    )
    crops = chance.integers(0, 255, (count, 3, side, side), np.uint8)
    return Faces(crops, ages, who, rows, 0.15, 0)


def data_set(known: Faces, name: str = "full", count: int = 5) -> DataSet:
    splits = folds.subject_exclusive(known.individuals, known.ages_years, count)
    fold = np.zeros(len(known.ages_years), np.intp)
    for number, split in enumerate(splits):
        fold[split.test] = number
    twins = (Twin(0, len(fold) - 1, 3), Twin(1, len(fold) - 2, 6))
    source = TrainingData(f"{name}/manifest.csv", "ab12" * 16, len(fold), len(np.unique(known.individuals)))
    return DataSet(name, (source,), known, fold, "cd34" * 16, twins)


def judged(data: DataSet, error_years: float = 2.0, slope: float = 0.85, seed: int = 0) -> Judged:
    """`error_years` is the spread of an individual's bias and half of that from picture to picture."""
    chance = np.random.default_rng(seed)
    ages = data.known.ages_years
    _, owner = np.unique(data.known.individuals, return_inverse=True)
    grows = 0.4 + 0.6 * ages / max(ages.mean(), 1)
    bias = chance.normal(0, error_years, owner.max() + 1)[owner]
    middle = float(np.median(ages))
    estimates = middle + slope * (ages - middle) + grows * (bias + chance.normal(0, 0.7 * error_years, len(ages)))
    estimates = np.clip(estimates, 0, None)
    sd = 1.1 * error_years * (0.4 + 0.6 * estimates / max(ages.mean(), 1))
    low, high = _intervals(np.asarray(ages), estimates, sd, data.known.individuals)
    z = (ages - estimates) / sd
    return Judged(
        data.known.individuals, data.fold, ages, estimates, sd, low, high,
        surprise=0.5 * z**2 + np.log(sd) + 0.5 * math.log(2 * math.pi),
        pit=np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z]),
        guesses_years=np.full(len(ages), middle),
        stages=_stages(ages), estimated_stages=_stages(estimates), stage_names=STAGES,
    )  # fmt: skip


def _intervals(ages: Numbers, estimates: Numbers, sd: Numbers, who: Names) -> tuple[Numbers, Numbers]:
    animals, scores = len(np.unique(who)), np.abs(ages - estimates) / sd
    reach = [np.quantile(scores, level) if animals >= round(level / (1 - level)) else math.nan for level in LEVELS]
    half = sd[:, None] * np.array(reach)
    return np.maximum(estimates[:, None] - half, 0), estimates[:, None] + half


def _stages(ages: Numbers) -> Names:
    place: Indices = np.searchsorted(_STARTS, ages, side="right") - 1
    return np.array(STAGES, np.str_)[place]


def trial(data: DataSet, network: str, error_years: float, seed: int, loss: str = "dldl") -> Trial:
    said = judged(data, error_years, seed=seed)
    figures = measured.figures(said)
    mae = figures["mae_years"].value
    return Trial(
        data.name, network, loss, "imagenet", said, figures,
        random_split_mae_years=Figure(0.6 * mae, 0.52 * mae, 0.68 * mae),
        size=Size(3_413_024 * (1 + seed), 384_000_000 * (1 + seed)),
        speed=Speed(113.0 + seed, 110.2, 117.5, 5, 32, "cpu, 2 cores"),
        fitting_s=480.0 + seed,
    )  # fmt: skip


def study(
    data: Sequence[DataSet],
    networks: Sequence[str] = NETWORKS[:3],
    species: str = "giant_panda",
    spread_years: float = 1.6,
) -> Study:
    trials = tuple(
        trial(each, network, spread_years + 0.15 * spread_years * rank, seed=10 * place + rank)
        for place, each in enumerate(data)
        for rank, network in enumerate(networks)
    )
    protocol = Protocol(
        species, 5, 16, 16, 0, 224, "cpu", {"torch": "2.11.0", "timm": "1.0.20"},
        "one-cycle to 3e-4 (backbone) and 3e-3 (head), batch norm frozen, flip, affine, colour, grey; weights averaged",
        "2026-05-01T06:30:00+00:00",
    )  # fmt: skip
    whole = Study(protocol, tuple(data), trials, len(trials), None)
    return replace(whole, chosen=whole.on(data[0].name)[0])


def measures(*findings: str) -> Measures:
    return Measures(findings, measured.by_stage, measured.by_individual, measured.paired)
