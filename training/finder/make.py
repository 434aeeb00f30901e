"""From frames with face boxes to a finder's bundle: the whole of `training finder`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from station import bundles
from station.bundles import CARD, FOR_PEOPLE, Figure
from station.domain import Floats, Pixels
from station.finder_card import FinderCard
from station.pictures import BadPicture, Picture
from training import manifest
from training.bench import Source as NetworkSource
from training.bench import device as find_device
from training.crew import ALONE
from training.finder import export, frames, gate, judge, misses, sources
from training.finder.frames import Frames, LabelledFrame, Wanted
from training.finder.gate import Asking
from training.finder.judge import Judged
from training.finder.learn import Course, learnt
from training.finder.lesson import NO_FOLD, Lesson, Plenty, looked_at, prepared, stocks
from training.finder.modelcard import model_card
from training.finder.network import Detector, FinderProgram
from training.finder.seeing import Eye, found, sight

MISSES = "misses.html"
_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")
_SHOWN = 24
_GOLDEN = 6

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a person asks for."""

    species: str = ""
    network: NetworkSource = field(default_factory=NetworkSource)
    wanted: Wanted = field(default_factory=Wanted)
    plenty: Plenty = field(default_factory=Plenty)
    course: Course = field(default_factory=Course)
    eye: Eye = field(default_factory=Eye)
    device: str = "auto"
    levels: int = 3
    """How many of the backbone's maps are looked at, from the coarsest: strides 32, 16 and 8."""
    gated: bool = True
    """With a species gate, where there is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A detector fitted on all frames, and what its like said of frames they were not fitted on."""

    detector: Detector
    paths: Sequence[Path]
    judged: Sequence[Judged]


@dataclass(frozen=True, slots=True)
class Made:
    """A written bundle."""

    card: FinderCard
    frames: int
    faces: int
    left_out: int


def make(
    files: Sequence[Path], without: Sequence[Path], crops: Sequence[Path], out: Path, recipe: Recipe, now: datetime,
    say: Say,
) -> Made:  # fmt: skip
    """Fits a finder on manifests of frames, folders `without` a face and manifests of face crops; writes `out`.

    Raises `ManifestError`, `WeightsError`, `NetworkError`, `SpeciesError`, and `BundleError` where `out` exists.
    """
    with bundles.writing(out) as folder:
        known = frames.read(files, without, recipe.wanted)
        pasted = [row.path for one in manifest.read(crops, required=("path",)) for row in one.rows]
        asking = gate_of(known, recipe)
        fitted = fit(known, pasted, recipe, find_device(recipe.device, ALONE), say, asking)
        card = write(folder, fitted, known, recipe, now, asking)
    return Made(card, len(fitted.paths), sum(len(one.truth) for one in fitted.judged), known.left_out)


def fit(
    known: Frames, pasted: Sequence[Path], recipe: Recipe, device: torch.device, say: Say, asking: Asking | None = None
) -> Fitted:
    """One detector a fold, to be judged by it, and one on everything."""
    lesson = _lesson(known, pasted, recipe, device, say)
    judged = _crossed(lesson, known, recipe, device, say, asking)
    say("fitting on all folds")
    final = learnt(_fresh(recipe), lesson, lesson.rows_without(NO_FOLD), recipe.course, device)
    return Fitted(final, [path for path, _ in judged], [one for _, one in judged])


def crossed(
    known: Frames, judging: Frames, pasted: Sequence[Path], recipe: Recipe, device: torch.device, say: Say
) -> list[tuple[Path, Judged]]:
    """What finders fitted on the other folds of `known` say of each frame of `judging`, whose folds are the same."""
    lesson = _lesson(known, pasted, recipe, device, say)
    return _crossed(lesson, judging, recipe, device, say, gate_of(known, recipe))


def _crossed(
    lesson: Lesson, judging: Frames, recipe: Recipe, device: torch.device, say: Say, asking: Asking | None
) -> list[tuple[Path, Judged]]:
    judged = []
    for fold in range(judging.folds):
        say(f"fitting for fold {fold + 1} of {judging.folds}")
        own = learnt(_fresh(recipe), lesson, lesson.rows_without(fold), recipe.course, device)
        judged += judged_by(own, [frame for frame in judging.all if frame.fold == fold], recipe.eye, device, asking)
    return judged


def _fresh(recipe: Recipe) -> Detector:
    torch.manual_seed(recipe.course.seed)
    return Detector(recipe.network.build(), recipe.levels)


def _lesson(known: Frames, pasted: Sequence[Path], recipe: Recipe, device: torch.device, say: Say) -> Lesson:
    decoded = sources.load(known.all, say)
    lesson = prepared(stocks(decoded, sources.crops(pasted, say), known.folds), recipe.plenty)
    return looked_at(lesson, _fresh(recipe), device)


def judged_by(
    detector: Detector, some: Sequence[LabelledFrame], eye: Eye, device: torch.device, asking: Asking | None
) -> list[tuple[Path, Judged]]:
    """Frames that can be read, as in service."""
    program = FinderProgram(detector.served())
    answers = []
    for frame in tqdm(some, "judging", unit="frame", disable=None):
        try:
            seen = sight(frame.path, eye)
        except (BadPicture, OSError):
            continue  # it was named when the scenes were made
        boxes, scores = found(program, [seen], eye, device)[0]
        if asking:
            boxes, scores = asking.left(seen.picture, boxes, scores)
        answers.append((frame.path, Judged(truth(frame, seen.picture), boxes, scores, frame.fold)))
    return answers


def truth(frame: LabelledFrame, picture: Picture) -> Floats:
    """Its marked boxes in fractions, n x 4."""
    width, height = picture.width, picture.height
    rows = [[box.x / width, box.y / height, box.width / width, box.height / height] for box in frame.boxes]
    return np.array(rows, np.float32).reshape(-1, 4)


def write(
    folder: Path, fitted: Fitted, known: Frames, recipe: Recipe, now: datetime, asking: Asking | None
) -> FinderCard:
    """All files of the bundle."""
    digest = export.write(folder, fitted.detector, _examples(known, recipe.eye))
    name = f"{recipe.species or 'any'}-finder-{recipe.network.backbone}"
    if asking:
        export.write_gate(folder, asking.program, asking.examples)
    card = FinderCard(
        version=f"{name}-{now:%Y%m%d}-{digest[:8]}",
        architecture=f"centre points on {fitted.detector.backbone.name}",
        species=recipe.species,
        input_px=recipe.eye.input_px,
        threshold=round(judge.threshold(fitted.judged), 4),
        least_face_share=recipe.eye.least_face_share,
        views=recipe.eye.looking,
        training=known.data,
        metrics=_metrics(fitted.judged, known.folds),
        created_at=now.isoformat(timespec="seconds"),
        libraries={library: metadata.version(library) for library in _LIBRARIES},
        gate=gate.described(recipe.species, asking.input_px, asking.least) if asking else None,
    )
    thresholds = judge.nested_thresholds(fitted.judged, known.folds)
    bad = misses.worst(fitted.paths, fitted.judged, thresholds, _SHOWN)
    (folder / MISSES).write_text(misses.page(bad), encoding="utf-8")
    (folder / FOR_PEOPLE).write_text(model_card(card, fitted.judged), encoding="utf-8")
    (folder / CARD).write_text(card.to_json(), encoding="utf-8")
    return card


def _metrics(judged: Sequence[Judged], folds: int) -> dict[str, Figure]:
    return {"frames": Figure(len(judged), None, None), **judge.figures(judged, folds)}


def _examples(known: Frames, eye: Eye) -> Pixels:
    """Views for the golden check: some with faces, some without."""
    faces = [frame for frame in known.all if frame.boxes][: _GOLDEN - 2]
    empty = [frame for frame in known.all if not frame.boxes][:2]
    cut = []
    for frame in [*faces, *empty]:
        try:
            cut.append(sight(frame.path, eye).views[0])
        except (BadPicture, OSError):
            continue
    return np.stack(cut)


def gate_of(known: Frames, recipe: Recipe) -> Asking | None:
    """The species gate, with a limit that lets the marked faces through; None: there is none, or none is wanted."""
    asked = gate.gate_for(recipe.species) if recipe.gated else None
    if asked is None:
        return None
    program, side = asked
    crops: list[Pixels] = []
    for frame in known.all:
        try:
            crops.append(gate.crops_of(frame, side))
        except (BadPicture, OSError):
            continue  # it is named when the scenes are made
    every = np.concatenate(crops)
    return Asking(program, side, gate.least_of(gate.sureness(program, every)), every[:_GOLDEN])
