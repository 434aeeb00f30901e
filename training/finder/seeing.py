"""A finder at work on whole frames, as in service: views, program, and the faces of the frame from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from station.domain import Box, Floats, Pixels
from station.pictures import Picture
from station.views import Looking, gathered, views

LEAST_SCORE = 0.02
"""What is below is of no interest to any figure."""


_LOOKING = Looking(least_face_px=20.0)


@dataclass(frozen=True, slots=True)
class Eye:
    """How frames are looked at."""

    input_px: int = 416
    least_face_share: float = 0.03
    looking: Looking = _LOOKING


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A frame cut into views."""

    looked: tuple[Box, ...]
    views: Pixels
    """uint8 V x 3 x S x S."""
    picture: Picture


def sight(path: Path, eye: Eye) -> Sight:
    """Raises `BadPicture`, OSError."""
    picture = Picture(path.read_bytes())
    looked = views(picture.width, picture.height, eye.input_px, eye.least_face_share, eye.looking)
    return Sight(looked, picture.crops(looked, eye.input_px), picture)


@torch.inference_mode()
def found(program: nn.Module, sights: Sequence[Sight], eye: Eye, device: torch.device) -> list[tuple[Floats, Floats]]:
    """Of each frame its faces, n x 4 in fractions of it, and scores, the surest first."""
    program = program.to(device).eval()
    answers = []
    for one in sights:
        boxes, scores = (each.cpu().numpy() for each in program(torch.from_numpy(one.views).to(device)))
        seen = list(zip(boxes.astype(np.float32), scores.astype(np.float32), strict=True))
        answers.append(gathered(seen, one.looked, eye.looking, LEAST_SCORE))
    return answers
