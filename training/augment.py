"""What training may change in a picture without changing the animal's age.

All chance comes from the caller's generator on the CPU, so that the same seed shows the same pictures on every device.
Each picture of a batch gets its own; everything is computed for all of them at once, where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from training import cameras

_GREY = 127.0
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far pictures are changed; everything is drawn evenly between the limits and their opposites."""

    mirrored: float = 0.0
    """The share of pictures, like all that are not said to be anything else."""
    turn_deg: float = 0.0
    zoom: float = 0.0
    """As a fraction, like `shift`, `contrast`, `saturation` and `cast`."""
    shift: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    """In grey values of 255."""
    saturation: float = 0.0
    hue_deg: float = 0.0
    cast: float = 0.0
    """How far each of red, green and blue may be too strong."""
    grey: float = 0.0
    infrared: float = 0.0
    blurred: float = 0.0
    """Out of focus or moved."""
    coarse: float = 0.0
    """Seen from so far away that half to a quarter of the resolution is left."""
    noisy: float = 0.0
    jpeg: float = 0.0
    erased: float = 0.0
    """Partly hidden."""


NONE = Augmentation()
PLAIN = Augmentation(mirrored=0.5, turn_deg=15, zoom=0.15, shift=0.05, contrast=0.2, brightness=25, grey=0.15)
CAMERA_TRAP = replace(
    PLAIN, saturation=0.3, hue_deg=8, cast=0.08,
    infrared=0.2, blurred=0.2, coarse=0.15, noisy=0.25, jpeg=0.25, erased=0.2,
)  # fmt: skip
PRESETS: Mapping[str, Augmentation] = {"plain": PLAIN, "camera_trap": CAMERA_TRAP, "none": NONE}


@torch.no_grad()
def augment(pictures: Tensor, chance: torch.Generator, how: Augmentation = PLAIN) -> Tensor:
    """Float32 B x 3 x S x S in 0..255 from uint8, on the same device."""
    if how == NONE:
        return pictures.float()
    with torch.autocast(pictures.device.type, enabled=False):
        x = _moved(pictures, chance, how)
        x, colourless = _coloured(x, chance, how)
        for share, change in _changes(how):
            rows = _some(share, len(x), chance)
            if len(rows):
                there = rows.to(x.device)
                x[there] = change(x[there], colourless[rows], chance).clamp_(0, 255)
            if change is cameras.infrared:
                colourless[rows] = True
    return x


Change = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def _changes(how: Augmentation) -> tuple[tuple[float, Change], ...]:
    """In the order in which light, lens, sensor and file come to a picture."""
    return (
        (how.infrared, cameras.infrared),
        (how.blurred, cameras.blurred),
        (how.coarse, cameras.coarse),
        (how.noisy, cameras.noisy),
        (how.jpeg, cameras.jpeg),
        (how.erased, cameras.erased),
    )


def _some(share: float, count: int, chance: torch.Generator) -> Tensor:
    """Row numbers of a share of the batch: always as many, but for rounding, so that shapes stay and nothing waits."""
    if share == 0:
        return torch.empty(0, dtype=torch.int64)
    number = int(share * count + torch.rand((), generator=chance).item())
    return torch.randperm(count, generator=chance)[:number]


def _moved(pictures: Tensor, chance: torch.Generator, how: Augmentation) -> Tensor:
    """One random similarity each, less grey: what comes in from outside is grey, as in the crops."""
    x = pictures.float().sub_(_GREY)
    if how.mirrored == how.turn_deg == how.zoom == how.shift == 0:
        return x
    random = 2 * torch.rand(4, len(x), generator=chance) - 1
    angle, scale, shift = random[0] * math.radians(how.turn_deg), 1 + random[1] * how.zoom, random[2:].T * how.shift
    mirror = torch.where(torch.rand(len(x), generator=chance) < how.mirrored, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3).to(x.device), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _coloured(x: Tensor, chance: torch.Generator, how: Augmentation) -> tuple[Tensor, Tensor]:
    """Pictures in 0..255 from pictures less grey, each by one matrix; and which have no colour, B, on the CPU."""
    count = len(x)
    gain, offset = 1 + how.contrast * _spread(count, 1, chance), how.brightness * _spread(count, 1, chance)
    colourless = torch.rand(count, generator=chance) < how.grey
    matrix = (
        _colours(count, chance, how) if how.saturation or how.hue_deg or how.cast else torch.eye(3).expand(count, 3, 3)
    )
    luma = torch.tensor(_LUMA).expand(3, 3)
    matrix = gain[:, :, None] * torch.where(colourless[:, None, None], luma, matrix)
    grey = (_GREY + offset)[:, :, None].to(x.device)
    seen = torch.baddbmm(grey, matrix.to(x.device), x.flatten(2)).view(x.shape)
    return seen.clamp_(0, 255), colourless


def _colours(count: int, chance: torch.Generator, how: Augmentation) -> Tensor:
    """B x 3 x 3: more or less colour, another hue (turned about the grey axis; Rodrigues), another light."""
    saturation = 1 + how.saturation * _spread(count, 1, chance)[:, :, None]
    angle = math.radians(how.hue_deg) * _spread(count, 1, chance)[:, :, None]
    light = torch.diag_embed(1 + how.cast * _spread(count, 3, chance))
    one, luma = torch.eye(3), torch.tensor(_LUMA).expand(3, 3)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turned = angle.cos() * one + (1 - angle.cos()) / 3 + angle.sin() * across
    return light @ (saturation * one + (1 - saturation) * luma) @ turned


def _spread(count: int, width: int, chance: torch.Generator) -> Tensor:
    """Uniform in -1..1, count x width."""
    return 2 * torch.rand(count, width, generator=chance) - 1
