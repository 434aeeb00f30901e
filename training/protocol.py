"""The paper's protocol for many networks on one machine: images a second of each, in every precision."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from training import fed, networks, throughput
from training.bench import Source
from training.fed import Feeding
from training.results import Speed
from training.throughput import PAPER, Clock, Form, Precision, Preset, precisions

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured of each network: the main preset in every precision, then the sweep over batch sizes."""

    name: str
    main: Preset
    sweep: tuple[Preset, ...]
    pictures: int
    """To so many the pictures are repeated."""
    budget_s: float = float("inf")
    """For all networks together: what is left is shared among what is left to do."""


def paper() -> Plan:
    """Batches of 400, 50 to warm up, then five times 100; smaller batches with fewer of them."""
    return Plan("paper", PAPER, tuple(Preset(size, 10, 20, 5) for size in (1, 8, 32, 128)), 40_010)


def quick(device: torch.device) -> Plan:
    """All networks of the study in less than a minute, on two cores too."""
    main = Preset(4, 1, 3, 5, least_runs=2) if device.type == "cpu" else Preset(128, 5, 20, 5)
    return Plan("quick", main, (), 256, budget_s=40)


PLANS: Mapping[str, Callable[[torch.device], Plan]] = {"paper": lambda _: paper(), "quick": quick}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which networks are measured on what, by which plan."""

    networks: Sequence[str]
    device: torch.device
    plan: Plan
    feeding: Feeding | None
    """None: the network alone is measured, from pictures that lie on the device."""
    input_px: int | None = None
    """None: what each network was made for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One network in one precision at one batch size; `alone` and `from_jpeg` are two measurements."""

    network: str
    input_px: int
    precision: Precision
    asked_batch: int
    main: bool
    """Measured by the main preset; else it belongs to the sweep."""
    alone: Speed
    from_jpeg: Speed | None = None


@dataclass(slots=True)
class _Share:
    """Divides a budget: each of `left` measurements may take its part of what remains."""

    ends: float
    left: int
    clock: Clock

    def over(self) -> bool:
        """Whether nothing remains."""
        return self.clock() >= self.ends

    def next_s(self) -> float:
        """What the next one may take, in seconds; 0 where nothing remains."""
        share = max(0.0, self.ends - self.clock()) / max(1, self.left)
        self.left -= 1
        return share


@dataclass(slots=True)
class Run:
    """A run of the protocol; iterating measures, a row at a time."""

    asked: Asked
    say: Say
    clock: Clock = time.perf_counter
    missing: list[str] = field(default_factory=list)
    """What was not measured, for want of time."""

    def __iter__(self) -> Iterator[Row]:
        plan, found = self.asked.plan, precisions(self.asked.device)
        steps = [(plan.main, True), *((preset, False) for preset in plan.sweep)]
        todo = list(itertools.product(found, steps))
        each = 2 if self.asked.feeding else 1
        share = _Share(self.clock() + plan.budget_s, len(self.asked.networks) * len(found) * each, self.clock)
        for place, name in enumerate(self.asked.networks):
            if share.over():
                self.missing.append(name)
                continue
            self.say(f"{place + 1} of {len(self.asked.networks)}: {name}")
            yield from self._network(name, todo, share)

    def _network(
        self, name: str, todo: Sequence[tuple[Precision, tuple[Preset, bool]]], share: _Share
    ) -> Iterator[Row]:
        form = Form.of(Source(name, networks.SCRATCH, self.asked.input_px).build(), self.asked.device)
        for precision, (preset, main) in todo:
            alone = self._alone(form, precision, preset, share)
            if alone:
                from_jpeg = (
                    self._from_jpeg(form, precision, replace(preset, batch=alone.batch), share) if main else None
                )
                yield Row(name, form.network.input_px, precision, preset.batch, main, alone, from_jpeg)

    def _alone(self, form: Form, precision: Precision, preset: Preset, share: _Share) -> Speed | None:
        limit_s = share.next_s()
        if limit_s:
            return throughput.measure(form, replace(preset, limit_s=limit_s), precision, self.clock, self.say)
        self.missing.append(f"{form.network.name} in {precision}")
        return None

    def _from_jpeg(self, form: Form, precision: Precision, preset: Preset, share: _Share) -> Speed | None:
        feeding = self.asked.feeding
        if feeding is None:
            return None
        limit_s = share.next_s()
        if limit_s:
            return fed.measure(form, feeding, replace(preset, limit_s=limit_s), precision, self.clock, self.say)
        self.missing.append(f"{form.network.name} in {precision}, from JPEG")
        return None
