"""What training may change in a picture without changing the animal's age."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_GREY = 127.0
_TURN = math.radians(15)
_ZOOM, _SHIFT, _GAIN, _OFFSET = 0.15, 0.05, 0.2, 25.0
_COLOURLESS = 0.15
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(pictures: Tensor, chance: torch.Generator) -> Tensor:
    """Float32 B x 3 x S x S in 0..255 from uint8: mirrored, turned, zoomed, shifted, re-lit, some without colour."""
    x = _moved(pictures.float(), chance)
    gain = 1 + _GAIN * _spread(len(x), chance).to(x.device)
    x = (x - _GREY) * gain + _GREY + _OFFSET * _spread(len(x), chance).to(x.device)
    luma = (x * torch.tensor(_LUMA, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    colourless = torch.rand(len(x), 1, 1, 1, generator=chance).to(x.device) < _COLOURLESS
    return torch.where(colourless, luma, x).clamp(0, 255)


def _spread(count: int, chance: torch.Generator) -> Tensor:
    """Uniform in -1..1, count x 1 x 1 x 1."""
    return 2 * torch.rand(count, 1, 1, 1, generator=chance) - 1


def _moved(x: Tensor, chance: torch.Generator) -> Tensor:
    """One random similarity each; what comes in from outside is grey, as in the crops."""
    random = 2 * torch.rand(4, len(x), generator=chance) - 1
    angle, scale, shift = random[0] * _TURN, 1 + random[1] * _ZOOM, random[2:].T * _SHIFT
    mirror = torch.where(torch.rand(len(x), generator=chance) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3).to(x.device), list(x.shape), align_corners=False)
    return functional.grid_sample(x - _GREY, grid, align_corners=False) + _GREY
