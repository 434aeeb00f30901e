"""What a study is to do, and the folder that holds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from station.domain import StationError
from training import networks
from training.bench import Source
from training.files import replacing
from training.manifest import Manifest
from training.parts import Course
from training.results import DataSet
from training.schedule import Schedule

_PLAN = "study.json"


class StudyError(StationError):
    """A study cannot be begun or gone on with."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person asks for."""

    data: Mapping[str, Sequence[Path]]
    """Manifests by the name of their data set."""
    networks: Sequence[str] = networks.STUDY_NETWORKS
    losses: Sequence[str] = ()
    """None given: that of the schedule."""
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

    def of_one_size(self) -> Plan:
        """All networks get the same crops: of the size that was asked for, or that the first was made for."""
        input_px = self.source.input_px or self.network(self.networks[0]).build().input_px
        return replace(self, source=replace(self.source, input_px=input_px))

    def recipe(self, course: Course, number: int = 0) -> Schedule:
        """Of one fitting; each fold has a seed of its own."""
        return replace(self.schedule, loss=course.loss, seed=self.schedule.seed + number)


def begin(plan: Plan, manifests: Mapping[str, Sequence[Manifest]], out: Path, resume: bool) -> None:
    """One folder holds one study: networks, losses and data sets may be added, what is there may not change."""
    there = (out / _PLAN).is_file()
    if not there and out.exists() and any(out.iterdir()):
        raise StudyError(f"{out} is not empty: choose another --out")
    asked: dict[str, dict[str, Any]] = {
        "data": {name: [m.sha256 for m in read] for name, read in manifests.items()},
        "weights": {name: plan.network(name).weights for name in plan.networks},
        "source": {"input_px": plan.source.input_px, "crop_margin": plan.source.crop_margin},
        "schedule": {key: value for key, value in asdict(plan.schedule).items() if key != "loss"},
        "protocol": {"folds": plan.folds, "species": plan.species},
    }
    whole = _agreed(out, asked)
    if there and not resume:
        raise StudyError(f"{out} holds a study already: go on with --resume, or choose another --out")
    _write(out, whole)


def same_faces(out: Path, data: Iterable[DataSet]) -> None:
    """What was fitted must not be judged with other faces: a picture that can be read no more would shift the folds."""
    _write(out, _agreed(out, {"faces": {d.name: f"{len(d.fold)} faces, {d.folds_sha256[:16]}" for d in data}}))


def _agreed(out: Path, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the study's folder says, with what is asked added; raises `StudyError` where the two differ."""
    file = out / _PLAN
    before: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    changed = [
        f"{name} {before[part][name]!r}, now {value!r}"
        for part, values in asked.items()
        for name, value in values.items()
        if name in before.get(part, {}) and before[part][name] != value
    ]
    if changed:
        raise StudyError(f"{out} holds another study ({'; '.join(changed)}): choose another --out")
    return before | {part: before.get(part, {}) | dict(values) for part, values in asked.items()}


def _write(out: Path, whole: Mapping[str, Any]) -> None:
    with replacing(out / _PLAN) as handle:
        handle.write((json.dumps(whole, indent=2) + "\n").encode())
