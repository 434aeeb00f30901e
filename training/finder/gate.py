"""The species gate: what the offline backbone knows of animals from ImageNet, asked of each found face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from station.domain import Box, Floats, Pixels
from station.finder_card import Gate
from station.pictures import Picture
from training import from_timm
from training.architecture import Architecture
from training.finder.frames import LabelledFrame
from training.weights import DEFAULT

CLASSES: Mapping[str, tuple[int, str]] = {
    "giant_panda": (388, "giant panda"),
    "chimpanzee": (367, "chimpanzee"),
}
"""Number and name of the class of ImageNet by the name of a species file; other species have no gate."""
CROP_MARGIN = 0.15
_PASS = 0.98
"""The share of known faces that the gate lets through at least."""
_WORTH = 0.1
_LARGEST = 0.1
"""Where known faces are all surer, the gate asks no more than this: field pictures are worse than those known."""


Sureness = np.ndarray[tuple[int], np.dtype[np.float32]]


class GateProgram(nn.Module):
    """uint8 B x 3 x G x G -> float32 B: the probability of one class."""

    mean: Tensor
    std: Tensor

    def __init__(self, made: Architecture, number: int) -> None:
        super().__init__()
        self.network, self.number = made.network, number
        self.register_buffer("mean", torch.tensor(made.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(made.std).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """How sure each crop shows it."""
        logits = self.network((crops.to(torch.float32) / 255 - self.mean) / self.std)
        return torch.softmax(logits, dim=1)[:, self.number]


def gate_for(species: str) -> tuple[GateProgram, int] | None:
    """The gate's program and the side of its crops; None: ImageNet has no such class, or the package is not there."""
    known = CLASSES.get(species)
    made = from_timm.classifier(DEFAULT) if known else None
    return (GateProgram(made, known[0]).eval(), made.input_px) if known and made else None


def crops_of(frame: LabelledFrame, side: int) -> Pixels:
    """The faces of a frame as the gate is to see them; raises `BadPicture`, OSError."""
    picture = Picture(frame.path.read_bytes())
    width, height = picture.width, picture.height
    boxes = [Box(box.x / width, box.y / height, box.width / width, box.height / height) for box in frame.boxes]
    return picture.crops(boxes, side, CROP_MARGIN)


@torch.inference_mode()
def sureness(program: GateProgram, crops: Pixels) -> Sureness:
    """Of uint8 N x 3 x G x G."""
    parts = [program(torch.from_numpy(part)).numpy() for part in np.array_split(crops, max(1, len(crops) // 32))]
    return np.concatenate(parts).astype(np.float32)


def least_of(known: Sureness) -> float:
    """The limit that lets the known faces through."""
    return min(_LARGEST, float(np.quantile(known, 1 - _PASS))) if len(known) else _LARGEST


def described(species: str, input_px: int, least: float) -> Gate:
    """The card's words on a gate."""
    number, name = CLASSES[species]
    return Gate(input_px, CROP_MARGIN, least, f"ImageNet class {number}, {name}")


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """A gate at work: leaves of a frame's found boxes those that are of the species."""

    program: GateProgram
    input_px: int
    least: float
    examples: Pixels
    """Some faces of the species, uint8 n x 3 x G x G."""

    def left(self, picture: Picture, boxes: Floats, scores: Floats) -> tuple[Floats, Floats]:
        """Of n x 4 and n; what is hardly a face at all is not asked about, and left out.  Raises `BadPicture`."""
        worth = scores >= _WORTH
        boxes, scores = boxes[worth], scores[worth]
        crops = picture.crops([Box(*box) for box in boxes.tolist()], self.input_px, CROP_MARGIN)
        passed = sureness(self.program, crops) >= self.least if len(crops) else np.zeros(0, bool)
        return boxes[passed], scores[passed]
