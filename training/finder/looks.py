"""What camera traps make of scenes: leaves before the lens, little light, flash, blur, noise, small files, time bars.

As in `training.cameras` pictures are float32 B x 3 x S x S in 0..255; nothing here moves a face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training.augment import Augmentation, augment

_LOOKS = Augmentation(
    contrast=0.2, brightness=20, saturation=0.35, hue_deg=8, cast=0.08, grey=0.12,
    infrared=0.25, blurred=0.12, coarse=0.06, noisy=0.25, jpeg=0.3,
)  # fmt: skip
_DIGITS = (0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71122, 0o75757, 0o75717)
"""0 to 9 in 3 x 5 dots, row by row from the top."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Shares of the scenes that are changed."""

    leaves: float = 0.2
    dark: float = 0.15
    bar: float = 0.2
    camera: Augmentation = _LOOKS


NO_LOOKS = Looks(0.0, 0.0, 0.0, Augmentation())


@torch.no_grad()
def looked(scenes: Tensor, chance: torch.Generator, how: Looks = Looks()) -> Tensor:
    """Uint8 B x 3 x S x S from uint8: each scene as some camera trap would have kept it."""
    x = scenes.float()
    for share, change in ((how.leaves, leaves), (how.dark, dark)):
        for row in torch.nonzero(torch.rand(len(x), generator=chance) < share).flatten().tolist():
            x[row] = change(x[row], chance)
    x = augment(x.round().clamp(0, 255).to(torch.uint8), chance, how.camera)
    for row in torch.nonzero(torch.rand(len(x), generator=chance) < how.bar).flatten().tolist():
        x[row] = bar(x[row], chance)
    return x.round().clamp_(0, 255).to(torch.uint8)


def leaves(picture: Tensor, chance: torch.Generator) -> Tensor:
    """Blades and leaves out of focus, 3 x S x S: soft ellipses, long or round, green, brown or bright."""
    side = picture.shape[-1]
    place = torch.linspace(0, 1, side)
    for _ in range(int(torch.randint(1, 7, (), generator=chance))):
        x, y, turn, long, thin, tone, bright = torch.rand(7, generator=chance).tolist()
        cos, sin = math.cos(math.pi * turn), math.sin(math.pi * turn)
        across, down = place[None] - x, place[:, None] - y
        along, aside = across * cos + down * sin, down * cos - across * sin
        far = (along / (0.06 + 0.3 * long)) ** 2 + (aside / (0.008 + 0.035 * thin)) ** 2
        cover = ((1.2 - far) / 0.4).clamp(0, 0.95)
        green = torch.tensor([0.35 + 0.5 * tone, 0.65, 0.2 + 0.2 * tone]) * (40 + 190 * bright)
        picture = picture * (1 - cover) + green[:, None, None] * cover
    return picture


def dark(picture: Tensor, chance: torch.Generator) -> Tensor:
    """Dusk: little light, and what there is at one place."""
    side = picture.shape[-1]
    light, fall, x, y = torch.rand(4, generator=chance).tolist()
    place = torch.linspace(0, 1, side)
    far = (place[None] - x) ** 2 + (place[:, None] - y) ** 2
    shade = (0.18 + 0.5 * light) * torch.exp(-1.5 * fall * far)
    dimmed: Tensor = 255 * (picture / 255).pow(1.0 + 0.5 * (1 - light)) * shade
    return dimmed


def bar(picture: Tensor, chance: torch.Generator) -> Tensor:
    """A bar with date and time along one edge of the view, or only the digits."""
    side = picture.shape[-1]
    high = int(side * (0.03 + 0.05 * float(torch.rand((), generator=chance))))
    top, solid, white = (torch.rand(3, generator=chance) < torch.tensor([0.3, 0.7, 0.4])).tolist()
    start = 0 if top else side - high
    picture = picture.clone()
    if solid:
        picture[:, start : start + high] = 235.0 if white else 15.0
    dot = max(1, high // 8)
    row = start + (high - 5 * dot) // 2
    ink = 10.0 if white and solid else 245.0
    column = int(torch.randint(0, side // 4, (), generator=chance))
    for number in torch.randint(0, 12, (14,), generator=chance).tolist():
        if number < len(_DIGITS) and column + 3 * dot <= side:
            shape = _digit(number, dot)
            part = picture[:, row : row + 5 * dot, column : column + 3 * dot]
            part[:, shape[: part.shape[1]]] = ink
        column += 4 * dot
    return picture


def _digit(number: int, dot: int) -> Tensor:
    """5d x 3d, true where there is ink."""
    bits = [bool(_DIGITS[number] >> (14 - at) & 1) for at in range(15)]
    return torch.tensor(bits).view(5, 3).repeat_interleave(dot, 0).repeat_interleave(dot, 1)
