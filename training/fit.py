"""From manifests to a bundle: the whole of `training fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from station import bundles
from station.bundles import Card, TrainingData
from station.domain import Pixels, StationError
from training import export, faces, features, folds, head, manifest, networks
from training.calibrate import Unseen, joined
from training.evaluation import Evaluation, evaluate
from training.faces import Faces
from training.finetune import Schedule, finetune
from training.folds import Numbers, Split
from training.head import Examples, Head
from training.labels import Bins
from training.manifest import Manifest, Row
from training.networks import Backbone

Say = Callable[[str], None]
_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a person asks for."""

    species: str = "unknown"
    backbone: str = "tf_efficientnet_lite0"
    weights: str = networks.PRETRAINED
    freeze: bool = False
    epochs: int = 16
    batch: int = 16
    folds: int = 5
    seed: int = 0
    crop_margin: float | None = None
    """None: as suits the manifests."""
    input_px: int | None = None
    """None: what the backbone was made for."""
    device: str = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What lies ready when fitting begins."""

    recipe: Recipe
    backbone: Backbone
    known: Faces
    bins: Bins
    device: torch.device


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The head for the bench's backbone (trained in place, or left as it was), and what is known of the pair."""

    head: Head
    unseen: Unseen
    """What such models said of animals they were not fitted on."""
    guesses_years: Numbers
    """What the median of their training would have said of them."""
    loss: str


@dataclass(frozen=True, slots=True)
class Made:
    """A written bundle."""

    card: Card
    left_out: int
    """Pictures that could not be used, or stood there before."""
    calibrated_on: int
    """Individuals whose scores, by a model that was not fitted on them, made the interval."""


def fit(files: Sequence[Path], out: Path, recipe: Recipe, now: datetime, say: Say) -> Made:
    """Fits a softmax age model on manifests and writes the bundle `out`.

    Raises `ManifestError`, `WeightsError`, `NetworkError`, and `BundleError` where `out` exists: before any work.
    """
    with bundles.writing(out) as folder:
        manifests = manifest.read(files)
        bench = _laid_out(manifest.aged(manifests), recipe, say)
        fitted = _frozen(bench) if recipe.freeze else _finetuned(bench)
        evaluation = evaluate(fitted.unseen, fitted.guesses_years, bench.bins, recipe.seed)
        program = export.AgeProgram(bench.backbone, fitted.head.at(evaluation.calibration.temperature))
        digest = export.write(folder, program, _golden(bench.known), fitted.head)
        version = f"{recipe.species}-{recipe.backbone}-{now:%Y%m%d}-{digest[:8]}"
        card = _card(bench, fitted, evaluation, manifests, version, now)
        (folder / bundles.CARD).write_text(card.to_json(), encoding="utf-8")
    return Made(card, bench.known.left_out, len(np.unique(fitted.unseen.individuals)))


def _laid_out(rows: Sequence[Row], recipe: Recipe, say: Say) -> Bench:
    """What is likely to be refused comes first, what takes long last."""
    device = _device(recipe.device)
    margin = faces.usual_margin(rows) if recipe.crop_margin is None else recipe.crop_margin
    torch.manual_seed(recipe.seed)
    backbone = networks.build(recipe.backbone, recipe.weights, recipe.input_px)
    backbone.width()
    known = faces.load(rows, backbone.input_px, margin, say)
    return Bench(recipe, backbone, known, Bins.for_ages(known.ages_years), device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise StationError(f"the device {name!r} cannot be used ({error}): try --device cpu") from error
    return device


def _frozen(bench: Bench) -> Fitted:
    """Each animal is judged by a head that was fitted on others; the head to ship is fitted on all."""
    known, bins, seed = bench.known, bench.bins, bench.recipe.seed
    splits = folds.subject_exclusive(known.individuals, known.ages_years, bench.recipe.folds, seed)
    served = features.extract(bench.backbone, known.crops, bench.device)
    mirrored = features.extract(bench.backbone, known.crops, bench.device, mirrored=True)
    examples = Examples((served + mirrored) / 2, served, known.ages_years, known.individuals)
    said, guesses = [], []
    with tqdm(total=(len(splits) + 1) * head.TICKS, desc="fitting heads", unit="fit", disable=None) as progress:
        for split in splits:
            fold_head, _ = head.fit(examples.take(split.train), bins, seed, progress.update)
            test = examples.take(split.test)
            said.append(fold_head.says(test.served, test.ages_years, test.individuals))
            guesses.append(_guesses(known.ages_years, split))
        final, strength = head.fit(examples, bins, seed, progress.update)
    loss = f"soft-label cross-entropy, sigma {bins.sigma_years:g} years; backbone frozen, L2 {strength:g}"
    return Fitted(final, joined(said), np.concatenate(guesses), loss)


def _finetuned(bench: Bench) -> Fitted:
    """Backbone and head are trained together; the animals of one fold stay out, to judge and to calibrate on."""
    known, bins, recipe = bench.known, bench.bins, bench.recipe
    split = folds.subject_exclusive(known.individuals, known.ages_years, recipe.folds, recipe.seed)[0]
    labels = bins.labels(known.ages_years[split.train])
    schedule = Schedule(recipe.epochs, recipe.batch, recipe.seed)
    linear = finetune(bench.backbone, known.crops[split.train], labels, schedule, bench.device).cpu()
    final = Head(linear.weight.detach(), linear.bias.detach(), head.log_prior(torch.from_numpy(labels)))
    served = features.extract(bench.backbone, known.crops[split.test], bench.device)
    said = final.says(served, known.ages_years[split.test], known.individuals[split.test])
    loss = f"soft-label cross-entropy, sigma {bins.sigma_years:g} years; {recipe.epochs} epochs"
    return Fitted(final, said, _guesses(known.ages_years, split), loss)


def _guesses(ages_years: Numbers, split: Split) -> Numbers:
    """The median age of the training part, for every face of the test part."""
    return np.full(len(split.test), np.median(ages_years[split.train]))


def _golden(known: Faces) -> Pixels:
    """A few crops from all over the data."""
    count = min(export.GOLDEN_FACES, len(known.crops))
    chosen: Pixels = known.crops[np.linspace(0, len(known.crops) - 1, count).astype(int)]
    return chosen


def _card(
    bench: Bench, fitted: Fitted, evaluation: Evaluation, manifests: Sequence[Manifest], version: str, now: datetime
) -> Card:
    return Card(
        version=version,
        architecture=bench.recipe.backbone,
        species=bench.recipe.species,
        bins_years=tuple(bench.bins.years.tolist()),
        input_px=bench.backbone.input_px,
        crop_margin=bench.known.margin,
        temperature=evaluation.calibration.temperature,
        interval_quantile=evaluation.calibration.interval_quantile,
        loss=fitted.loss,
        training=tuple(_data(m) for m in manifests),
        individuals=tuple(np.unique(bench.known.individuals).tolist()),
        metrics=evaluation.metrics,
        created_at=now.isoformat(timespec="seconds"),
        libraries={library: metadata.version(library) for library in _LIBRARIES},
        tau_years=evaluation.spread.tau_years if evaluation.spread else None,
        sigma_years=evaluation.spread.sigma_years if evaluation.spread else None,
    )


def _data(source: Manifest) -> TrainingData:
    """The manifest is named by its last folder too: most are called manifest.csv."""
    name = "/".join(source.file.resolve().parts[-2:])
    return TrainingData(name, source.sha256, len(source.rows), len({row.individual for row in source.rows}))
