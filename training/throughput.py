"""How fast a network is on a device: the network alone, from pictures that lie on the device to features there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import TypeVar

import torch
from torch import Tensor

from training import memory
from training.networks import Backbone
from training.results import Speed

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds; it is read when the device has done all that it was given."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is run, in batches: `warm` untimed, then `runs` times `timed`."""

    batch: int
    warm: int
    timed: int
    runs: int
    limit_s: float = float("inf")
    """Beyond it runs get shorter and, down to `least_runs`, fewer."""
    least_runs: int = 3


PAPER = Preset(batch=400, warm=50, timed=100, runs=5)
QUICK = Preset(batch=16, warm=1, timed=3, runs=5, limit_s=10)


class Precision(StrEnum):
    """What convolutions and products are computed in; but for the first, by automatic casts."""

    FLOAT32 = "float32"
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype:
        """As torch calls it."""
        return {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.value]


def precisions(device: torch.device) -> tuple[Precision, ...]:
    """Those that a network can run in there."""
    common = (Precision.FLOAT32, Precision.BF16)
    return (*common, Precision.FP16) if device.type == "cuda" else common


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A network as it is served, on its device, channels-last."""

    network: Backbone
    device: torch.device

    @classmethod
    def of(cls, backbone: Backbone, device: torch.device) -> Form:
        """A copy: the backbone can still be trained."""
        return cls(backbone.served().to(device).to(memory_format=torch.channels_last), device)

    def features(self, pictures: Tensor, precision: Precision) -> Tensor:
        """B x E, on the device, of uint8 B x 3 x S x S there, channels-last."""
        low = precision is not Precision.FLOAT32
        with torch.inference_mode(), torch.autocast(self.device.type, precision.dtype, enabled=low):
            features: Tensor = self.network(self.network.normalised(pictures))
            return features

    def finish(self) -> None:
        """Waits until the device has done all that it was given."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


def measure(
    form: Form,
    preset: Preset,
    precision: Precision = Precision.FLOAT32,
    clock: Clock = time.perf_counter,
    say: Callable[[str], None] = lambda _: None,
) -> Speed:
    """Images a second of the network alone; what a picture shows makes no difference, so one batch serves for all.

    Where the device has no memory for a batch, half of it is taken, and `say` is told.
    """

    def attempt(batch: int) -> Speed:
        shape = (batch, 3, form.network.input_px, form.network.input_px)
        pictures = torch.randint(0, 256, shape, dtype=torch.uint8, device=form.device)
        pictures = pictures.contiguous(memory_format=torch.channels_last)

        def seconds(batches: int) -> float:
            start = clock()
            for _ in range(batches):
                form.features(pictures, precision)
            form.finish()
            return clock() - start

        form.finish()
        return timed(replace(preset, batch=batch), seconds, form, precision)

    return halving(preset.batch, attempt, lambda batch: say(_halved(form, precision, batch)))


def timed(preset: Preset, seconds: Callable[[int], float], form: Form, precision: Precision) -> Speed:
    """By the protocol; `seconds` runs so many batches and says how long they took."""
    memory.forget_peak(form.device)
    rates = _rates(preset, seconds)
    name = describe(form.device) + ("" if precision is Precision.FLOAT32 else f", {precision}")
    peak_mb = memory.peak_mb(form.device)
    return Speed(median(rates), min(rates), max(rates), len(rates), preset.batch, name, peak_mb)


def halving(batch: int, attempt: Callable[[int], T], halved: Callable[[int], None]) -> T:
    """The attempt with this batch or, where the memory does not hold it, with the largest of its halves that fits.

    `halved` is told each new size.  Raises what the attempt raised where not even one picture fits.
    """
    while True:
        try:
            return attempt(batch)
        except (RuntimeError, MemoryError) as error:
            if batch == 1 or not memory.is_short(error):
                raise
        memory.give_back()
        batch //= 2
        halved(batch)


def _halved(form: Form, precision: Precision, batch: int) -> str:
    where = describe(form.device)
    return f"{where} has no memory for {form.network.name} in {precision} at this batch: {batch} pictures are taken"


def describe(device: torch.device) -> str:
    """The device in words: the name of the card, or how many threads of the processor."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return device.type


def _rates(preset: Preset, seconds: Callable[[int], float]) -> list[float]:
    """Images a second of each run; `seconds` runs so many batches and says how long they took."""
    spent = seconds(preset.warm)
    fitting = preset.limit_s * preset.warm / max(spent, 1e-9) / preset.runs
    batches = int(min(preset.timed, max(1, fitting)))
    rates: list[float] = []
    while len(rates) < preset.runs and (len(rates) < preset.least_runs or spent < preset.limit_s):
        took = seconds(batches)
        spent += took
        rates.append(preset.batch * batches / took)
    return rates
