"""From manifests to a bundle: the whole of `training fit`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from station import bundles, species
from station.bundles import Card, TrainingData
from station.domain import Pixels, StationError
from training import export, features, folds, head, manifest
from training.bench import Bench, Say, Source
from training.bench import device as find_device
from training.calibrate import Unseen, joined
from training.crew import ALONE, Crew
from training.evaluation import Evaluation, evaluate
from training.faces import Faces
from training.finetune import Lesson, finetune
from training.folds import Indices, Numbers, Split
from training.head import Examples, Head
from training.judged import Judged
from training.labels import Bins
from training.manifest import Manifest
from training.modelcard import model_card
from training.networks import Backbone
from training.schedule import Schedule
from training.spreads import spreads
from training.stages import stages_for

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a person asks for."""

    species: str = "unknown"
    source: Source = field(default_factory=Source)
    freeze: bool = False
    """Fit only the head, on the features of the pretrained network."""
    schedule: Schedule = field(default_factory=Schedule)
    folds: int = 5
    device: str = "auto"
    checkpoint: Path | None = None
    """Where training stands is kept here, and taken up again; deleted when the bundle is written."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A trained pair, and what is known of it."""

    backbone: Backbone
    head: Head
    unseen: Unseen
    """What such models said of animals they were not fitted on."""
    guesses_years: Numbers
    """What the median of their training would have said of them."""
    loss: str
    flip: bool = False
    fold: Indices | None = None
    """The fold in which each face of `unseen` was tested; None: all by one model."""
    rows: Indices | None = None
    """Which of the bench's faces those of `unseen` are; None: nobody noted it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A written bundle."""

    card: Card
    left_out: int
    """Pictures that could not be used, or stood there before."""
    calibrated_on: int
    """Individuals whose scores, by a model that was not fitted on them, made the interval."""


def fit(files: Sequence[Path], out: Path, recipe: Recipe, now: datetime, say: Say, crew: Crew = ALONE) -> Made:
    """Fits a softmax age model on manifests and writes the bundle `out`; the others of the crew `assist`.

    Raises `ManifestError`, `WeightsError`, `NetworkError`, and `BundleError` where `out` exists: before any work.
    """
    with bundles.writing(out) as folder:
        manifests = manifest.read(files)
        bench = _laid_out(manifests, recipe, crew, say)
        fitted = fitted_on(bench, recipe)
        made = write(folder, fitted, bench, manifests, recipe, now)
    if recipe.checkpoint:
        recipe.checkpoint.unlink(missing_ok=True)
    return made


def fitted_on(bench: Bench, recipe: Recipe) -> Fitted:
    """The head alone or the whole network, as the recipe says."""
    return _frozen(bench, recipe) if recipe.freeze else _finetuned(bench, recipe)


def assist(files: Sequence[Path], recipe: Recipe, crew: Crew) -> None:
    """Trains along with the process that fits, and leaves speaking and writing to it."""
    _trained_without_one_fold(_laid_out(manifest.read(files), recipe, crew, _silent), recipe)


def _silent(_: str) -> None:
    """What the leading process says is enough."""


def _laid_out(manifests: Sequence[Manifest], recipe: Recipe, crew: Crew, say: Say) -> Bench:
    """What is likely to be refused comes first, what takes long last."""
    if recipe.freeze and crew.size > 1:
        raise StationError("--freeze fits only a head, which one process does alone: leave torchrun out")
    rows = manifest.aged(manifests)
    device = find_device(recipe.device, crew)
    torch.manual_seed(recipe.schedule.seed)
    known = recipe.source.faces(rows, recipe.source.build().input_px, say)
    return Bench(known, Bins.for_ages(known.ages_years), device, crew)


def _frozen(bench: Bench, recipe: Recipe) -> Fitted:
    """Each animal is judged by a head that was fitted on others; the head to ship is fitted on all."""
    known, bins, seed = bench.known, bench.bins, recipe.schedule.seed
    backbone = recipe.source.build()
    splits = folds.subject_exclusive(known.individuals, known.ages_years, recipe.folds, seed)
    served = features.extract(backbone, known.crops, bench.device)
    mirrored = features.extract(backbone, known.crops, bench.device, mirrored=True)
    examples = Examples((served + mirrored) / 2, served, known.ages_years, known.individuals)
    said, guesses = [], []
    with tqdm(total=(len(splits) + 1) * head.TICKS, desc="fitting heads", unit="fit", disable=None) as progress:
        for split in splits:
            fold_head, _ = head.fit(examples.take(split.train), bins, seed, progress.update)
            test = examples.take(split.test)
            said.append(fold_head.says(test.served, test.ages_years, test.individuals))
            guesses.append(guess(known.ages_years, split))
        final, strength = head.fit(examples, bins, seed, progress.update)
    loss = f"soft-label cross-entropy, sigma {bins.sigma_years:g} years; backbone frozen, L2 {strength:g}"
    fold = np.repeat(np.arange(len(splits)), [len(split.test) for split in splits])
    rows = np.concatenate([split.test for split in splits])
    return Fitted(backbone, final, joined(said), np.concatenate(guesses), loss, fold=fold, rows=rows)


def _finetuned(bench: Bench, recipe: Recipe) -> Fitted:
    """Backbone and head are trained together; the animals of one fold stay out, to judge and to calibrate on."""
    known, schedule = bench.known, recipe.schedule
    backbone, final, split = _trained_without_one_fold(bench, recipe)
    said = tested(bench, backbone, final, split.test, schedule.flip)
    guesses, loss = guess(known.ages_years, split), schedule.in_words()
    return Fitted(backbone, final, said, guesses, loss, schedule.flip, rows=split.test)


def _trained_without_one_fold(bench: Bench, recipe: Recipe) -> tuple[Backbone, Head, Split]:
    known, schedule = bench.known, recipe.schedule
    split = folds.subject_exclusive(known.individuals, known.ages_years, recipe.folds, schedule.seed)[0]
    return *trained(bench, recipe.source, schedule, split.train, recipe.checkpoint), split


def trained(
    bench: Bench, source: Source, schedule: Schedule, rows: Indices, checkpoint: Path | None = None
) -> tuple[Backbone, Head]:
    """A network fine-tuned on some of the bench's faces."""
    torch.manual_seed(schedule.seed)
    backbone = source.build()
    lesson = Lesson(bench.known.crops, bench.known.ages_years, bench.known.individuals).take(rows)
    return backbone, finetune(backbone, lesson, bench.bins, schedule, bench.device, checkpoint, bench.crew)


def tested(bench: Bench, backbone: Backbone, fitted: Head, rows: Indices, flip: bool = False) -> Unseen:
    """What a fitted pair says of some of the bench's faces."""
    known = bench.known
    form = backbone.served()
    seen = features.extract(form, known.crops[rows], bench.device)
    if flip:
        seen = (seen + features.extract(form, known.crops[rows], bench.device, mirrored=True)) / 2
    return fitted.says(seen, known.ages_years[rows], known.individuals[rows])


def guess(ages_years: Numbers, split: Split) -> Numbers:
    """The median age of the training part, for every face of the test part."""
    return np.full(len(split.test), np.median(ages_years[split.train]))


def write(
    folder: Path,
    fitted: Fitted,
    bench: Bench,
    manifests: Sequence[Manifest],
    recipe: Recipe,
    now: datetime,
    findings: Sequence[str] = (),
) -> Made:
    """Calibrates, exports, and writes a bundle's files into `folder`."""
    stages = stages_for(species.find(recipe.species), fitted.unseen.ages_years)
    evaluation = evaluate(fitted.unseen, fitted.guesses_years, bench.bins, recipe.schedule.seed, fitted.fold, stages)
    program = export.AgeProgram(fitted.backbone, fitted.head, evaluation.calibration.temperature, fitted.flip)
    digest = export.write(folder, program, _golden(bench.known))
    version = f"{recipe.species}-{recipe.source.backbone}-{now:%Y%m%d}-{digest[:8]}"
    card = _card(bench, fitted, evaluation, manifests, recipe, version, now)
    for name, text in (
        (bundles.CARD, card.to_json()),
        (bundles.OUT_OF_FOLD, out_of_fold(evaluation.judged)),
        (bundles.FOR_PEOPLE, model_card(card, bench.known, evaluation.judged, _validated(fitted, recipe), findings)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return Made(card, bench.known.left_out, len(np.unique(fitted.unseen.individuals)))


def out_of_fold(judged: Judged) -> str:
    """CSV, a face a line: the true age, and what a model that was not fitted on its individual said."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["individual", "fold", "age_years", "estimate_years", "sd_years"])
    columns = (judged.individuals, judged.fold, judged.ages_years, judged.estimates_years, judged.sd_years)
    for name, fold, *years in zip(*columns, strict=True):
        table.writerow([name, fold, *(f"{value:.3f}" for value in years)])
    return text.getvalue()


def _validated(fitted: Fitted, recipe: Recipe) -> str:
    """In a sentence, who judged the model."""
    if fitted.fold is None:
        return f"One of {recipe.folds} parts of the individuals was kept from it, to judge it and to calibrate it on."
    return (
        f"{recipe.folds}-fold cross-validation by individual: each was judged by a model that was not fitted on it; "
        "what ships is one more model, fitted on all."
    )


def _golden(known: Faces) -> Pixels:
    """A few crops from all over the data."""
    count = min(export.GOLDEN_FACES, len(known.crops))
    chosen: Pixels = known.crops[np.linspace(0, len(known.crops) - 1, count).astype(int)]
    return chosen


def _card(
    bench: Bench,
    fitted: Fitted,
    evaluation: Evaluation,
    manifests: Sequence[Manifest],
    recipe: Recipe,
    version: str,
    now: datetime,
) -> Card:
    return Card(
        version=version,
        architecture=recipe.source.backbone,
        species=recipe.species,
        bins_years=tuple(bench.bins.years.tolist()),
        input_px=bench.known.crops.shape[-1],
        crop_margin=bench.known.margin,
        temperature=evaluation.calibration.temperature,
        interval_quantile=evaluation.calibration.interval_quantile,
        loss=fitted.loss,
        training=tuple(data(m) for m in manifests),
        individuals=tuple(np.unique(bench.known.individuals).tolist()),
        metrics=evaluation.metrics,
        created_at=now.isoformat(timespec="seconds"),
        libraries=libraries(),
        tau_years=evaluation.spread.tau_years if evaluation.spread else None,
        sigma_years=evaluation.spread.sigma_years if evaluation.spread else None,
        quantiles=evaluation.calibration.quantiles,
        repeats={
            stage: {"tau_years": found.tau_years.value, "sigma_years": found.sigma_years.value}
            for stage, found in spreads(evaluation.judged).items()
            if found
        },
        median_age_years=float(np.median(bench.known.ages_years)),
    )


def data(source: Manifest) -> TrainingData:
    """The manifest is named by its last folder too: most are called manifest.csv."""
    name = "/".join(source.file.resolve().parts[-2:])
    return TrainingData(name, source.sha256, len(source.rows), len({row.individual for row in source.rows}))


def libraries() -> dict[str, str]:
    """The versions that a result may depend on."""
    return {library: metadata.version(library) for library in _LIBRARIES}
