"""A study: every network with every loss on every data set, fold by fold under one protocol, and one report of it all.

What is complete lies in the study's folder, so that a study goes on where it was interrupted, and its report can be
made again from the files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from tqdm import tqdm

from station import bundles
from training import fit, manifest, networks, parts
from training.bench import Say
from training.bench import device as find_device
from training.crew import ALONE
from training.findings import findings
from training.fit import Fitted, Recipe
from training.folds import Split
from training.laid import Laid, laid_out
from training.metrics import by_individual, by_stage
from training.networks import Size
from training.paired import paired
from training.parts import Answer, Course, Part
from training.plan import Plan, begin, same_faces
from training.report import write as report
from training.report.measures import Measures
from training.results import Study, Trial
from training.trials import collected, in_order

BUNDLE = "bundle"
_WORK, _CACHE = "work", "cache"


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

    Raises `StudyError`, `LossError`, `ManifestError`, `WeightsError`, `NetworkError`: before any work.
    """
    for course in plan.courses():
        plan.recipe(course)
    manifests = {name: manifest.read(files) for name, files in plan.data.items()}
    rows = {name: manifest.aged(read) for name, read in manifests.items()}
    plan = plan.of_one_size()
    sizes = {name: networks.size(plan.network(name).build()) for name in plan.networks}
    device = find_device(plan.device, ALONE)
    begin(plan, manifests, out, resume)
    laid = {name: laid_out(plan, name, read, rows[name], out / _CACHE, device, say) for name, read in manifests.items()}
    same_faces(out, [each.described for each in laid.values()])
    work = _Work(plan, out / _WORK, laid, sizes, say)
    missing = work.do(list(_needed(plan, laid)))
    found = collected(plan, out / _WORK, laid, sizes, now)
    said = findings(found)
    if found.trials:
        _report(found, said, out, say)
    if found.chosen and not missing:
        missing += _bundle(work, found.chosen, said, out, now)
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
                if self.too_late(part):
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

    def too_late(self, part: Part) -> bool:
        """Whether it would end beyond the budget."""
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


def _bundle(work: _Work, chosen: Trial, said: Sequence[str], out: Path, now: datetime) -> int:
    """The chosen network, fitted on all faces; its calibration and its figures are those of the folds.

    A bundle of what was chosen before other networks were added keeps its version as its name.  Returns how many
    fittings were left for want of time.
    """
    bundle = out / BUNDLE
    if bundle.exists():
        card = bundles.read_card(bundle)
        if card.architecture == chosen.network and card.metrics == dict(chosen.figures):
            return 0
        bundle.rename(out / f"{BUNDLE}-{card.version}")
    course = Course(chosen.data, chosen.network, chosen.loss)
    plan, laid, whole = work.plan, work.laid[chosen.data], Part(course, "all")
    if work.too_late(whole):
        return 1
    work.say(f"{whole}: the bundle")
    _, fitted = work.fitted(whole)
    answers = [parts.read(Part(course, "fold", k).file(work.folder, "npz")) for k in range(len(laid.splits))]
    unseen, guesses = in_order([answer for answer in answers if answer is not None])
    fitted = replace(fitted, unseen=unseen, guesses_years=guesses, fold=laid.described.fold)
    recipe = Recipe(plan.species, plan.network(chosen.network), schedule=plan.recipe(course), folds=plan.folds)
    with bundles.writing(bundle) as folder:
        fit.write(folder, fitted, laid.bench, laid.manifests, recipe, now, said)
    whole.file(work.folder, "pt").unlink(missing_ok=True)
    return 0
