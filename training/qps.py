"""The command `training qps`: the networks of this machine against its clock, with a table, files and a plot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import torch

from station import machine
from training import accuracy, bench, fed, manifest, networks
from training.crew import ALONE
from training.fed import Feeding
from training.fit import libraries
from training.protocol import PLANS, Asked, Plan, Row, Run, Say
from training.report import speeds
from training.report.speeds import Speeds
from training.throughput import describe


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for."""

    networks: Sequence[str] | None
    """None: those of the study, else all eight."""
    device: str = "auto"
    preset: str = "quick"
    jpeg: bool = False
    """Feed JPEG bytes too."""
    manifest: Path | None = None
    """Whose pictures; None: drawn ones."""
    study: Path | None = None
    """Where errors stand."""
    input_px: int | None = None
    """None: that of the study, else each network's own."""
    out: Path | None = None


def qps(wish: Wish, now: datetime, say: Say) -> Speeds:
    """Measures; where `out` is named, the tables there grow with every row.  Raises `StationError`."""
    known = accuracy.of_study(wish.study) if wish.study else None
    device = bench.device(wish.device, ALONE)
    plan = PLANS[wish.preset](device)
    named = wish.networks or (known.networks if known else networks.STUDY_NETWORKS)
    networks.check(named)
    feeding = _feeding(wish, plan, say)
    asked = Asked(named, device, plan, feeding, wish.input_px or (known.input_px if known else None))
    run = Run(asked, say)
    found = Speeds(_machine(device, feeding), plan, feeding.album.says if feeding else None, known, now.isoformat())
    rows: list[Row] = []
    for row in run:
        rows.append(row)
        found = replace(found, rows=tuple(rows))
        if wish.out:
            speeds.write_tables(found, wish.out)
    found = replace(found, missing=tuple(run.missing))
    if wish.out:
        speeds.write_tables(found, wish.out)
    return found


def redrawn(folder: Path, study: Path | None) -> Speeds:
    """What was measured before, beside the errors of a study.  Raises `StationError`."""
    found = replace(speeds.read(folder), known=accuracy.of_study(study) if study else None)
    speeds.write_tables(found, folder)
    return found


def _feeding(wish: Wish, plan: Plan, say: Say) -> Feeding | None:
    if not wish.jpeg:
        return None
    rows = manifest.read([wish.manifest])[0].rows if wish.manifest else ()
    album = fed.photographed(rows, plan.pictures, say) if wish.manifest else fed.drawn()
    return Feeding(album, plan.pictures, machine.cores())


def _machine(device: torch.device, feeding: Feeding | None) -> Mapping[str, str]:
    """What the figures depend on, in words."""
    facts = {"device": describe(device), "processor": machine.processor(), "system": " ".join(os.uname()[:3:2])}
    if device.type == "cuda":
        facts |= {"driver": machine.driver() or "unknown", "cuda": torch.version.cuda or "unknown"}
        facts["float32"] = "convolutions in TF32" if torch.backends.cudnn.allow_tf32 else "full"
    if feeding:
        facts["workers"] = f"{feeding.workers} threads"
    return facts | libraries()
