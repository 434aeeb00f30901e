"""The whole of `training retrain`: labels, plan, fit, gate, report, promotion.  It is what the scheduled job does.

A power cut at any moment costs little: the labels of an unfinished retraining are kept, fine-tuning goes on from its
checkpoint, and a bundle gets its name only when its verdict lies in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import torch

from station import bundles, models, settings, species
from station.ages import Ages
from station.bundles import BundleError, Card
from station.domain import StationError
from station.prepare import cache_folder
from station.settings import Settings
from station.species import LifeStage, Species
from station.times import zone
from training.bench import Say, Source
from training.fit import Recipe
from training.gate import Evidence, Rule, Thresholds, Verdict, judge
from training.retraining import challenge, jury, ledger, sheets, verdict
from training.retraining.base import LABELS, Past, RetrainingError, past
from training.retraining.carried import carried
from training.retraining.labels import labels, pixel_box
from training.retraining.plan import Least, Plan
from training.retraining.shadow import NoTime, Shadow, Shown, shadow
from training.retraining.speed import speeds
from training.retraining.task import Desk, Task
from training.retraining.verdict import Findings
from training.schedule import Schedule
from training.stages import stages_for

DESK = ".retraining"
NICE = 10
_PATIENCE_S, _LOOK_S = 120.0, 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    message: str
    """In a line."""
    bundle: Path | None = None
    """The challenger; None: none was trained."""
    passed: bool = False
    promoted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Retraining:
    """One look at what there is to learn, and what is done about it."""

    read: Settings
    now: datetime
    say: Say
    cache: Path | None = None
    """Where prepared programs are kept; None: nowhere."""
    bundle: Path = field(init=False)
    card: Card = field(init=False)

    def __post_init__(self) -> None:
        """Raises `BundleError` where no model is in service."""
        object.__setattr__(self, "bundle", models.in_service(self.read).resolve())
        object.__setattr__(self, "card", bundles.read_card(self.bundle))

    @property
    def desk(self) -> Desk:
        """Where the retraining under way lies."""
        return Desk(models.models_folder(self.read) / DESK)

    def plan(self) -> Plan:
        """What would be trained.  Raises `StationError`."""
        read, asked = self.read, self.read.retraining
        place = zone(read.station.timezone)
        kind = species.chosen(read.station.species, self.card.species)
        _check_stages(asked.stage_margins_years, kind)
        known = ledger.known(read.station.database, asked.faces == "vouched")
        found = labels(known.sightings, kind.longevity_years if kind else None, place)
        came_from = past(self.bundle, self.card, asked.base, self._cards(), place)
        at = jury.cut(self.now, asked.holdout_days, came_from.until)
        sides = jury.sides(found.kept, came_from.acquainted, known.aliases, asked.holdout, at.astimezone(place))
        least = Least(asked.least_faces, asked.least_individuals, asked.least_judges)
        recipe = self._in_words()
        tried = self._tried(sheets.text(sides.train))
        return Plan(self.card.version, recipe, found, sides, came_from, known.without_birth, least, tried)

    def _cards(self) -> Iterator[Card]:
        return (one.card for one in models.bundles(self.read) if one.card)

    def _tried(self, text: str) -> str:
        """What became of a challenger that was fitted on the very same labels beside this champion."""
        for one in models.bundles(self.read):
            said = verdict.read(one.path) or {}
            if said.get("champion") == self.card.version:
                with suppress(OSError):
                    if (one.path / LABELS).read_text(encoding="utf-8") == text:
                        return f"{one.path.name}, which {'passed' if said.get('passed') else 'was refused'}"
        return ""

    def _in_words(self) -> str:
        asked = self.read.retraining
        whole = f"the whole network, {asked.epochs} epochs" if asked.backbone == "trained" else "the head alone"
        return f"{self.card.architecture} at {self.card.input_px} px, {whole}, from weights {asked.weights}"

    def _recipe(self, checkpoint: Path | None = None) -> Recipe:
        asked, card = self.read.retraining, self.card
        source = Source(card.architecture, asked.weights, card.input_px, card.crop_margin)
        schedule = Schedule(epochs=asked.epochs)
        frozen = asked.backbone == "frozen"
        return Recipe(card.species, source, frozen, schedule, asked.folds, self.read.line.device, checkpoint)

    def _key(self, came_from: Past) -> str:
        """All that must be the same for an unfinished retraining to go on."""
        parts = [repr(self._recipe()), *(one.sha256 for one in came_from.base)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def unfinished(self, came_from: Past) -> Task | None:
        """The retraining that was cut off, if it is still the thing to do."""
        task = self.desk.unfinished()
        return task if task and task.goes_on(self.card.version, self._key(came_from), self.now) else None

    def run(self) -> Outcome:
        """Trains, judges and, where the gate lets it, promotes.  Raises `StationError`."""
        with self.desk.taken():
            plan = self.plan()
            task = self.unfinished(plan.past)
            if task is None:
                self.say(plan.told())
                if reasons := plan.against():
                    self.desk.clear()
                    return Outcome(f"no training: {'; '.join(reasons)}")
                task = self._begun(plan)
            else:
                self.say(f"going on with the retraining of {task.began_at:%Y-%m-%d %H:%M}, which was cut off")
            out = models.models_folder(self.read) / f"retrained-{task.began_at:%Y%m%d-%H%M%S}"
            findings = self._challenged(out, task, plan.past)
            self.desk.clear()
        return self._promoted(out, findings)

    def _begun(self, plan: Plan) -> Task:
        known = jury.known_individuals(plan.sides.train, plan.past.acquainted, self._aliases())
        task = Task(self.now, self.card.version, self._key(plan.past), tuple(sorted(known)), plan.told())
        self.desk.begin(task, plan)
        return task

    def _aliases(self) -> dict[str, frozenset[str]]:
        return ledger.known(self.read.station.database, only_vouched=False).aliases

    def _challenged(self, out: Path, task: Task, came_from: Past) -> Findings:
        """The bundle with its verdict."""
        self._swept(out)
        with bundles.writing(out) as folder, self._giving_way() as give_way:
            train, held = self.desk.manifests()
            ground = challenge.ground(came_from.base, train, held, self.card, self.desk.crops, self.say)
            known = (*task.known, *(row.individual for one in came_from.base for row in one.rows))
            stages = self._stages(ground)
            recipe = self._recipe(self.desk.checkpoint)
            challenger = challenge.fitted(folder, ground, recipe, stages, task.began_at)
            shutil.copy2(self.desk.labels, folder / LABELS)
            card, forgets = carried(folder, challenger.card, self.bundle, self.card)
            asked = thresholds(self.read)
            found = Findings(task.began_at, self.card.version, card.version, Verdict(()), asked, task.told, ground.told)
            found = self._judged(found, ground, challenger, known, forgets, stages, give_way)
            verdict.write(folder, found)
        return found

    def _judged(
        self, found: Findings, ground: challenge.Ground, challenger: challenge.Challenger, known: tuple[str, ...],
        forgets: str, stages: tuple[LifeStage, ...], give_way: Callable[[], None],
    ) -> Findings:  # fmt: skip
        how = self.read.line
        served = Ages(self.bundle, how.device, limit=how.batch_faces)
        try:
            new = Ages(challenger.folder, how.device, limit=how.batch_faces)
        except BundleError as error:  # it does not give its golden outputs when it is loaded again
            return replace(found, verdict=Verdict((Rule("golden outputs", False, str(error)),)))
        patient = _patient(give_way)
        held = challenge.holdout(served, new, ground.judges, stages, patient)
        folds = challenge.new_to(served, challenger, ground, known, stages, patient)
        pace = speeds(served, new, how.batch_faces, self.cache, how.program == "fastest", patient)
        evidence = Evidence(held, folds, challenger.siblings, *pace, forgets_individuals=forgets)
        said = judge(evidence, found.asked)
        bouts = [held, folds] if folds else [held]
        seen = self._shadowed(served, new, stages, give_way)
        return replace(found, verdict=said, shadow=seen, doubts=verdict.doubts(bouts))

    def _shadowed(
        self, served: Ages, new: Ages, stages: tuple[LifeStage, ...], give_way: Callable[[], None]
    ) -> Shadow | None:
        most = self.read.retraining.shadow_faces
        if not most:
            return None
        newest = ledger.newest(self.read.station.database, most)
        shown = [Shown(one.individual, one.path, pixel_box(one.box, one.width_px, one.height_px)) for one in newest]
        return shadow(served, new, shown, stages, give_way)

    def _stages(self, ground: challenge.Ground) -> tuple[LifeStage, ...]:
        kind = species.chosen(self.read.station.species, self.card.species)
        return stages_for(kind, ground.train.ages_years)

    def _promoted(self, out: Path, found: Findings) -> Outcome:
        if not found.verdict.passed:
            return Outcome(found.in_a_line, out)
        if self.read.retraining.promote == "person":
            return Outcome(f"{found.in_a_line}; `station models promote {out.name}` puts it into service", out, True)
        why = next(rule.says for rule in found.verdict.rules if rule.name == "not worse")
        try:
            models.promote(self.read, out, "gate", why, self.now)
        except StationError as error:  # pinned, or the golden outputs are off just now: the old one stays
            return Outcome(f"{found.in_a_line}, but it is not put into service: {error}", out, True)
        return Outcome(f"{found.in_a_line} and is in service: {why}", out, True, True)

    def _swept(self, out: Path) -> None:
        """What a power cut left of a bundle half written."""
        for left in out.parent.glob(".retrained-*"):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _giving_way(self) -> Iterator[Callable[[], None]]:
        """Waits until no live picture is to be done, where a station runs beside; raises `NoTime` after a while."""
        if not ledger.runs_beside(self.read.station.database):
            yield lambda: None
            return
        with ledger.traffic(self.read.station.database, self.read.places()) as traffic:
            yield lambda: _wait(traffic.live)


def _wait(live: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while live():
        if time.monotonic() > until:
            raise NoTime
        time.sleep(_LOOK_S)


def _patient(give_way: Callable[[], None]) -> Callable[[], None]:
    """What must be measured is measured at last, however many live pictures come."""

    def waits() -> None:
        with suppress(NoTime):
            give_way()

    return waits


def _check_stages(margins: Mapping[str, float], kind: Species | None) -> None:
    stages = [stage.name for stage in kind.life_stages] if kind else []
    if kind and (unknown := sorted(set(margins) - set(stages))):
        raise RetrainingError(
            f"retraining.stage_margins_years names {unknown[0]!r}: the life stages are {', '.join(stages)}"
        )


def thresholds(read: Settings) -> Thresholds:
    """Of the gate, as the configuration has them."""
    asked = read.retraining
    return Thresholds(
        asked.certain, asked.tolerated, asked.better, asked.stage_margin, asked.stage_margins_years,
        (asked.coverage_least, asked.coverage_most), asked.speed, asked.least_judges,
    )  # fmt: skip


def retrain(config: Path, dry_run: bool, now: datetime, say: Say) -> str:
    """What `training retrain` says in the end.  Raises `StationError`."""
    read = settings.load(config)
    work = Retraining(read, now, say, cache_folder(os.environ))
    if dry_run:
        plan = work.plan()
        task = work.unfinished(plan.past)
        more = f"\nThe retraining of {task.began_at:%Y-%m-%d %H:%M} was cut off, and would go on first." if task else ""
        return plan.told() + more
    _be_modest(read)
    return work.run().message


def _be_modest(read: Settings) -> None:
    """Beside a station: low priority, and one core is left to it."""
    if ledger.runs_beside(read.station.database):
        os.nice(max(0, NICE - os.nice(0)))
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
