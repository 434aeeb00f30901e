"""What a study is to do, and the folder that holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from station.domain import StationError
from training import networks
from training.bench import Source
from training.files import replacing
from training.manifest import Manifest
from training.parts import Course
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

    def of_one_size(self) -> Plan:
        """All networks get the same crops: of the size that was asked for, or that the first was made for."""
        input_px = self.source.input_px or self.network(self.networks[0]).build().input_px
        return replace(self, source=replace(self.source, input_px=input_px))

    def recipe(self, course: Course, number: int = 0) -> Schedule:
        """Of one fitting; each fold has a seed of its own."""
        return replace(self.schedule, loss=course.loss, seed=self.schedule.seed + number)


def begin(plan: Plan, manifests: Mapping[str, Sequence[Manifest]], out: Path, resume: bool) -> None:
    """One folder holds one study: networks, losses and data sets may be added, what is there may not change."""
    asked: dict[str, Any] = {
        "data": {name: [m.sha256 for m in read] for name, read in manifests.items()},
        "weights": {name: plan.network(name).weights for name in plan.networks},
        "source": {"input_px": plan.source.input_px, "crop_margin": plan.source.crop_margin},
        "schedule": {key: value for key, value in asdict(plan.schedule).items() if key != "loss"},
        "protocol": {"folds": plan.folds, "species": plan.species},
    }
    file = out / _PLAN
    before: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not before and out.exists() and any(out.iterdir()):
        raise StudyError(f"{out} is not empty: choose another --out")
    changed = [
        f"{name} {value!r}, now {asked[part][name]!r}"
        for part, values in before.items()
        for name, value in values.items()
        if name in asked[part] and asked[part][name] != value
    ]
    if changed:
        raise StudyError(f"{out} holds another study ({'; '.join(changed)}): choose another --out")
    if before and not resume:
        raise StudyError(f"{out} holds a study already: go on with --resume, or choose another --out")
    with replacing(file) as handle:
        whole = {part: before.get(part, {}) | values for part, values in asked.items()}
        handle.write((json.dumps(whole, indent=2) + "\n").encode())
