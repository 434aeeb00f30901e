"""A study: every network with every loss on every data set, fold by fold under one protocol, and one report of it all.

What is complete lies in the study's folder, so that a study goes on where it was interrupted, and its report can be
made again from the files.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from station import bundles, species
from station.bundles import Figure
from station.domain import StationError
from training import fit, folds, manifest, networks, parts, throughput
from training.bench import Bench, Say, Source
from training.bench import device as find_device
from training.calibrate import Unseen, joined
from training.crew import ALONE
from training.evaluation import judge
from training.files import replacing
from training.findings import findings
from training.fit import Fitted, Recipe
from training.folds import Indices, Names, Numbers, Split
from training.judged import Judged
from training.labels import Bins
from training.manifest import Manifest
from training.metrics import by_individual, by_stage, figures, per_image
from training.networks import Size
from training.paired import paired
from training.parts import Answer, Course, Part
from training.report import write as report
from training.report.measures import Measures
from training.results import DataSet, Protocol, Speed, Study, Trial
from training.schedule import Schedule
from training.stages import stages_for
from training.twins import twins

BUNDLE = "bundle"
_WORK, _CACHE, _PLAN = "work", "cache", "study.json"


class StudyError(StationError):
    """A study cannot be begun or gone on with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person asks for."""

    data: Mapping[str, Sequence[Path]]
    """Manifests by the name of their data set."""
    networks: Sequence[str] = networks.STUDY_NETWORKS
    losses: Sequence[str] = ()
    """None: that of the schedule."""
    weights: Mapping[str, str] | None = None
    """Of single networks, where they are not those of `source`."""
    source: Source = field(default_factory=Source)
    schedule: Schedule = field(default_factory=Schedule)
    species: str = "unknown"
    folds: int = 5
    random_folds: int = 1
    """So many folds of a random split are fitted too, to see how much identity leaks."""
    device: str = "auto"
    budget_min: float | None = None

    def courses(self) -> Iterator[Course]:
        """In the order in which they are gone through: the same network on all data sets together."""
        for network in self.networks:
            for loss in self.losses or (self.schedule.loss,):
                for data in self.data:
                    yield Course(data, network, loss)

    def network(self, name: str) -> Source:
        """Where a network comes from."""
        return replace(self.source, backbone=name, weights=(self.weights or {}).get(name, self.source.weights))

    def recipe(self, course: Course, number: int = 0) -> Schedule:
        """Of one fitting; each fold has a seed of its own."""
        return replace(self.schedule, loss=course.loss, seed=self.schedule.seed + number)


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """One data set, ready."""

    described: DataSet
    manifests: Sequence[Manifest]
    bench: Bench
    splits: Sequence[Split]
    random: Sequence[Split]


@dataclass(frozen=True, slots=True, eq=False)
class Studied:
    """A study as far as it came."""

    study: Study
    missing: int
    """Fittings that there was no time for."""
    bundle: Path | None
    """Of the chosen network, where it is complete."""


def study(plan: Plan, out: Path, resume: bool, now: datetime, say: Say) -> Studied:
    """Goes through all fittings that are not complete, within the budget; then makes the bundle.

    Raises `StudyError`, `ManifestError`, `WeightsError`, `NetworkError`: before any work.
    """
    manifests = {name: manifest.read(files) for name, files in plan.data.items()}
    _begin(plan, manifests, out, resume)
    sizes = {name: networks.size(plan.network(name).build()) for name in plan.networks}
    laid = {name: _laid_out(plan, name, read, out, say) for name, read in manifests.items()}
    work = _Work(plan, out / _WORK, laid, sizes, say)
    missing = work.do(list(_needed(plan, laid)))
    found = _collected(plan, out / _WORK, laid, sizes, now)
    said = findings(found)
    if found.trials:
        _report(found, said, out, say)
    if found.chosen and not missing and not (out / BUNDLE).exists():
        _bundle(work, found.chosen, said, out, now)
    return Studied(found, missing, out / BUNDLE if (out / BUNDLE).exists() else None)


def _report(found: Study, said: tuple[str, ...], out: Path, say: Say) -> None:
    """A machine that only trains may lack what draws the page: the tables are there, and the study goes on."""
    try:
        report.write(found, Measures(said, by_stage, by_individual, paired), out)
    except report.ReportError as error:
        say(str(error))


def _needed(plan: Plan, laid: Mapping[str, Laid]) -> Iterator[Part]:
    for course in plan.courses():
        yield from (Part(course, "fold", k) for k in range(len(laid[course.data].splits)))
        yield from (Part(course, "random", k) for k in range(len(laid[course.data].random)))


def _begin(plan: Plan, manifests: Mapping[str, Sequence[Manifest]], out: Path, resume: bool) -> None:
    """One folder holds one study: what is there must have been asked for in the same words."""
    asked = {
        "data": {name: [m.sha256 for m in read] for name, read in manifests.items()},
        "source": repr(replace(plan.source, backbone="")),
        "schedule": repr(plan.schedule),
        "folds": plan.folds,
        "species": plan.species,
    }
    file = out / _PLAN
    if file.is_file():
        differing = [
            key for key, value in json.loads(file.read_text(encoding="utf-8")).items() if asked.get(key) != value
        ]
        if differing:
            raise StudyError(f"{out} holds a study of another {' and '.join(differing)}: choose another --out")
        if not resume:
            raise StudyError(f"{out} holds a study already: go on with --resume, or choose another --out")
    elif out.exists() and any(out.iterdir()):
        raise StudyError(f"{out} is not empty: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(file) as handle:
        handle.write((json.dumps(asked, indent=2) + "\n").encode())


def _laid_out(plan: Plan, name: str, manifests: Sequence[Manifest], out: Path, say: Say) -> Laid:
    """Faces at the size of the study's first network; folds the same for all."""
    device = find_device(plan.device, ALONE)
    first = plan.network(plan.networks[0])
    known = first.faces(manifest.aged(manifests), first.build().input_px, say, out / _CACHE)
    seed = plan.schedule.seed
    splits = folds.subject_exclusive(known.individuals, known.ages_years, plan.folds, seed)
    random = folds.at_random(len(known.ages_years), len(splits), seed)[: plan.random_folds]
    fold = folds.numbered(splits, len(known.ages_years))
    described = DataSet(
        name=name,
        manifests=tuple(fit.data(each) for each in manifests),
        known=known,
        fold=fold,
        folds_sha256=_digest(known.individuals, fold),
        twins=twins(known.crops, fold),
    )
    return Laid(described, manifests, Bench(known, Bins.for_ages(known.ages_years), device, ALONE), splits, random)


def _digest(individuals: Names, fold: Indices) -> str:
    lines = sorted(f"{name}\t{number}" for name, number in zip(individuals, fold, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class _Work:
    """The fittings of a study, one after the other."""

    def __init__(self, plan: Plan, folder: Path, laid: Mapping[str, Laid], sizes: Mapping[str, Size], say: Say) -> None:
        self.plan, self.folder, self.laid, self.sizes, self.say = plan, folder, laid, sizes, say
        self.begun = time.monotonic()
        self.s_per_cost: float | None = None

    def do(self, needed: Sequence[Part]) -> int:
        """Fits what is not complete; how many were left for want of time."""
        left = [part for part in needed if parts.read(part.file(self.folder, "npz")) is None]
        with tqdm(total=sum(map(self.cost, needed)), desc="study", unit="", disable=None, bar_format=_BAR) as bar:
            bar.update(bar.total - sum(map(self.cost, left)))
            for done, part in enumerate(left):
                if self._too_late(part):
                    return len(left) - done
                self.say(f"[{len(needed) - len(left) + done + 1}/{len(needed)}] {part}{self._left(left[done:])}")
                answer, _ = self.fitted(part)
                parts.write(part.file(self.folder, "npz"), answer)
                part.file(self.folder, "pt").unlink(missing_ok=True)
                self.s_per_cost = answer.fitting_s / self.cost(part)
                bar.update(self.cost(part))
        return 0

    def cost(self, part: Part) -> float:
        """Multiply-adds, about: what makes the time of one part comparable with another's."""
        faces = len(self.laid[part.course.data].described.known.ages_years)
        return float(self.sizes[part.course.network].macs) * faces

    def _too_late(self, part: Part) -> bool:
        if self.plan.budget_min is None:
            return False
        expected_s = 0.0 if self.s_per_cost is None else self.s_per_cost * self.cost(part)
        return time.monotonic() - self.begun + expected_s > 60 * self.plan.budget_min

    def _left(self, left: Sequence[Part]) -> str:
        if self.s_per_cost is None:
            return ""
        return f"; about {max(1, round(self.s_per_cost * sum(map(self.cost, left)) / 60))} min left"

    def fitted(self, part: Part) -> tuple[Answer, Fitted]:
        """Trains one network and asks it about the faces that it did not see (of `all`: none)."""
        laid, schedule = self.laid[part.course.data], self.plan.recipe(part.course, part.number)
        split = _split(laid, part)
        begun = time.monotonic()
        source = self.plan.network(part.course.network)
        backbone, head = fit.trained(laid.bench, source, schedule, split.train, part.file(self.folder, "pt"))
        said = fit.tested(laid.bench, backbone, head, split.test, schedule.flip)
        guesses = fit.guess(laid.bench.known.ages_years, split)
        answer = Answer(split.test, said, guesses, time.monotonic() - begun)
        return answer, Fitted(backbone, head, said, guesses, schedule.in_words(), schedule.flip)


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


def _split(laid: Laid, part: Part) -> Split:
    if part.kind == "fold":
        return laid.splits[part.number]
    if part.kind == "random":
        return laid.random[part.number]
    everything = np.arange(len(laid.bench.known.ages_years))
    return Split(everything, everything[:0])


def _collected(plan: Plan, folder: Path, laid: Mapping[str, Laid], sizes: Mapping[str, Size], now: datetime) -> Study:
    """All trials whose folds are complete."""
    courses = list(plan.courses())
    speeds: dict[str, Speed] = {}
    trials = []
    for course in courses:
        answers = [
            parts.read(Part(course, "fold", k).file(folder, "npz")) for k in range(len(laid[course.data].splits))
        ]
        complete = [answer for answer in answers if answer is not None]
        if len(complete) == len(answers):
            if course.network not in speeds:
                speeds[course.network] = _speed(plan.network(course.network), laid[course.data].bench.device)
            trials.append(_trial(plan, folder, laid[course.data], course, complete, sizes, speeds))
    return Study(
        protocol=_protocol(plan, laid, now),
        data=tuple(each.described for each in laid.values()),
        trials=tuple(trials),
        planned=len(courses),
        chosen=_chosen(trials, next(iter(laid))),
    )


def _trial(
    plan: Plan,
    folder: Path,
    laid: Laid,
    course: Course,
    answers: Sequence[Answer],
    sizes: Mapping[str, Size],
    speeds: Mapping[str, Speed],
) -> Trial:
    unseen, guesses = _in_order(answers)
    stages = stages_for(species.find(plan.species), unseen.ages_years)
    judged = judge(unseen, laid.described.fold, guesses, laid.bench.bins, stages, plan.schedule.seed)
    random, same_faces = _at_random(plan, folder, laid, course, judged) or (None, None)
    return Trial(
        data=course.data,
        network=course.network,
        loss=course.loss,
        weights=plan.network(course.network).weights,
        judged=judged,
        figures=figures(judged, plan.schedule.seed),
        random_split_mae_years=random,
        same_faces_mae_years=same_faces,
        size=sizes[course.network],
        speed=speeds[course.network],
        fitting_s=sum(answer.fitting_s for answer in answers),
    )


def _at_random(plan: Plan, folder: Path, laid: Laid, course: Course, judged: Judged) -> tuple[Figure, Figure] | None:
    """The error where faces of one individual may stand on both sides, and the honest one (`judged`) of those faces."""
    numbers = range(len(laid.random))
    answers = [parts.read(Part(course, "random", k).file(folder, "npz")) for k in numbers]
    complete = [answer for answer in answers if answer is not None]
    if not complete or len(complete) < len(answers):
        return None
    unseen, guesses = _in_order(complete)
    rows, seed = np.sort(np.concatenate([answer.rows for answer in complete])), plan.schedule.seed
    flattered = judge(unseen, None, guesses, laid.bench.bins, stages_for(None, unseen.ages_years), seed)
    honest = judged.take(rows)
    return (
        per_image(np.abs(flattered.errors_years), flattered.individuals, seed),
        per_image(np.abs(honest.errors_years), honest.individuals, seed),
    )


def _speed(source: Source, device: torch.device) -> Speed:
    preset = throughput.PAPER if device.type == "cuda" else throughput.QUICK
    return throughput.measure(source.build(), device, preset, bf16=device.type == "cuda")


def _chosen(trials: Sequence[Trial], data: str) -> Trial | None:
    """The least error per individual on the first data set: what ships is to serve animals, not pictures."""
    candidates = [trial for trial in trials if trial.data == data]
    return min(candidates, key=lambda t: t.figures["mae_by_individual_years"].value, default=None)


def _protocol(plan: Plan, laid: Mapping[str, Laid], now: datetime) -> Protocol:
    return Protocol(
        species=plan.species,
        folds=plan.folds,
        epochs=plan.schedule.epochs,
        batch=plan.schedule.batch,
        seed=plan.schedule.seed,
        input_px=next(iter(laid.values())).described.known.crops.shape[-1],
        device=throughput.describe(next(iter(laid.values())).bench.device),
        libraries=fit.libraries(),
        recipe=plan.schedule.in_words(),
        created_at=now.isoformat(timespec="seconds"),
    )


def _bundle(work: _Work, chosen: Trial, said: Sequence[str], out: Path, now: datetime) -> None:
    """The chosen network, fitted on all faces; its calibration and its figures are those of the folds."""
    course = Course(chosen.data, chosen.network, chosen.loss)
    plan, laid, whole = work.plan, work.laid[chosen.data], Part(course, "all")
    work.say(f"{whole}: the bundle")
    _, fitted = work.fitted(whole)
    answers = [parts.read(Part(course, "fold", k).file(work.folder, "npz")) for k in range(len(laid.splits))]
    unseen, guesses = _in_order([answer for answer in answers if answer is not None])
    fitted = replace(fitted, unseen=unseen, guesses_years=guesses, fold=laid.described.fold)
    recipe = Recipe(plan.species, plan.network(chosen.network), schedule=plan.recipe(course), folds=plan.folds)
    with bundles.writing(out / BUNDLE) as folder:
        fit.write(folder, fitted, laid.bench, laid.manifests, recipe, now, said)
    whole.file(work.folder, "pt").unlink(missing_ok=True)


def _in_order(answers: Sequence[Answer]) -> tuple[Unseen, Numbers]:
    """What the folds' networks said, and the guesses, in the order of the faces."""
    order = np.argsort(np.concatenate([answer.rows for answer in answers]))
    guesses = np.concatenate([answer.guesses_years for answer in answers])
    return joined([answer.unseen for answer in answers]).take(order), guesses[order]
