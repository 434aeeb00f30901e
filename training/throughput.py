"""How fast a network is on a device: the network alone, from pictures that lie on the device to features there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from training.networks import Backbone
from training.results import Speed

_LEAST_RUNS = 3


@dataclass(frozen=True, slots=True)
class Preset:
    """What is run, in batches: `warm` untimed, then `runs` times `timed`."""

    batch: int
    warm: int
    timed: int
    runs: int
    limit_s: float = float("inf")
    """Beyond it runs get shorter and, down to three, fewer."""


PAPER = Preset(batch=400, warm=50, timed=100, runs=5)
QUICK = Preset(batch=16, warm=1, timed=3, runs=5, limit_s=10)


def measure(
    backbone: Backbone,
    device: torch.device,
    preset: Preset,
    bf16: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Images a second of the served form, channels-last, in float32 or (`bf16`) autocast to bfloat16.

    The clock, in seconds, is read when the device has done all that it was given.
    """
    form = backbone.served().to(device).to(memory_format=torch.channels_last)
    shape = (preset.batch, 3, backbone.input_px, backbone.input_px)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)

    def seconds(batches: int) -> float:
        start = clock()
        for _ in range(batches):
            form(form.normalised(pictures))
        _finish(device)
        return clock() - start

    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        _finish(device)
        rates = _rates(preset, seconds)
    name = describe(device) + (", bf16" if bf16 else "")
    return Speed(median(rates), min(rates), max(rates), len(rates), preset.batch, name)


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
    timed = int(min(preset.timed, max(1, fitting)))
    rates: list[float] = []
    while len(rates) < preset.runs and (len(rates) < _LEAST_RUNS or spent < preset.limit_s):
        took = seconds(timed)
        spent += took
        rates.append(preset.batch * timed / took)
    return rates


def _finish(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
