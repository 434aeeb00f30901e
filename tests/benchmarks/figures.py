"""How a benchmark says what it found: a table on the terminal, the same as JSON in a file.

Rates that are compared are taken in turns within one run: these machines are noisy, and noise is then shared.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from training.throughput import describe


def in_turns(runs: Mapping[str, Callable[[], int]], rounds: int = 5) -> dict[str, float]:
    """Things a second of each, the middle of some rounds; every run says how many things it did."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            done = run()
            if number:  # the first warms
                rates[name].append(done / (time.perf_counter() - began))
    return {name: median(found) for name, found in rates.items()}


def told(name: str, figures: Mapping[str, Any], file: Path | None) -> None:
    """Prints, and writes to `file`, if one is given."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = f"{describe(device)}, {platform.machine()}, torch {version('torch')}"
    print(f"{name} ({machine})")
    for key, value in figures.items():
        print(f"  {key:56} {f'{value:,.2f}' if isinstance(value, float) else value}", flush=True)
    if file:
        file.write_text(json.dumps({"benchmark": name, "machine": machine, **figures}, indent=2) + "\n")
