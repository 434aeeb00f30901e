"""A fitted finder as one program, and the files around it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from station.bundles import GOLDEN, PROGRAM, WEIGHTS, BundleError
from station.domain import Pixels
from station.finder_card import GATE
from training.export import TOLERANCE, save_program
from training.finder.gate import GateProgram
from training.finder.network import Detector, FinderProgram


def write(folder: Path, detector: Detector, views: Pixels) -> str:
    """Writes program, golden outputs and weights; returns the SHA-256 of the program.

    `views`, uint8 n x 3 x S x S, become the golden inputs.  Raises `BundleError` where the program, loaded again, does
    not give what the network gives.
    """
    detector = detector.cpu().to(memory_format=torch.contiguous_format)
    torch.save(
        {"backbone": detector.backbone.network.state_dict(), "neck": detector.neck.state_dict()}, folder / WEIGHTS
    )
    program = FinderProgram(detector.served()).eval()
    with torch.inference_mode():
        boxes, scores = program(torch.from_numpy(views))
    np.savez(folder / GOLDEN, inputs=views, boxes=boxes.numpy(), scores=scores.numpy())
    save_program(program, folder / PROGRAM, views.shape[-1])
    check(folder)
    return hashlib.sha256((folder / PROGRAM).read_bytes()).hexdigest()


def check(folder: Path) -> None:
    """Raises `BundleError` where the program in `folder` does not give its golden outputs, together and one by one."""
    program = torch.export.load(folder / PROGRAM).module()
    with np.load(folder / GOLDEN) as golden:
        inputs, *wanted = (torch.from_numpy(golden[name]) for name in ("inputs", "boxes", "scores"))
    with torch.inference_mode():
        answers = (
            program(inputs),
            [torch.cat(part) for part in zip(*(program(one[None]) for one in inputs), strict=True)],
        )
    for got in answers:
        seen = wanted[1] > TOLERANCE  # boxes of no score are of no order
        off = max(float((got[1] - wanted[1]).abs().max()), float(((got[0] - wanted[0]).abs().amax(dim=2) * seen).max()))
        if not off <= 10 * TOLERANCE:
            raise BundleError(f"the exported program differs from its source by {off:g}: it is not written")


def write_gate(folder: Path, program: GateProgram, crops: Pixels) -> None:
    """Writes the gate's program and its golden outputs beside the finder's, which are there already.

    Raises `BundleError` where it differs from its source.
    """
    save_program(program, folder / GATE, crops.shape[-1])
    again: nn.Module = torch.export.load(folder / GATE).module()
    with torch.inference_mode():
        inputs = torch.from_numpy(crops)
        wanted = program(inputs)
        off = float((again(inputs) - wanted).abs().max())
    if not off <= TOLERANCE:
        raise BundleError(f"the exported gate differs from its source by {off:g}: it is not written")
    with np.load(folder / GOLDEN) as golden:
        kept = {name: golden[name] for name in golden.files}
    np.savez(folder / GOLDEN, **kept, gate_inputs=crops, gate=wanted.numpy())
