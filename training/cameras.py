"""What camera traps do to pictures: flash at night, blur, distance, noise, files, things in the way.

Each takes float32 B x 3 x S x S in 0..255, which of them have no colour (B, on the CPU) and chance, and gives as
many pictures, which may leave the range.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_SMALLER = (2, 3, 4)
_BLUR, _SMEAR = 0.008, 0.014
"""The largest standard deviations, of the picture's side: 1.8 and 3.1 pixels of 224."""
_READ, _SHOT = 14.0, 1.2
"""Standard deviation in grey values; variance in grey values per grey value."""
_QUALITY = (15, 70)
_LIGHT = (  # ITU-T T.81, table K.1
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_COLOUR = (  # table K.2
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), (99,) * 8, (99,) * 8, (99,) * 8, (99,) * 8,
)  # fmt: skip
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF 1.02


def infrared(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """As by infrared flash: grey of any mixture, another gamma, bright about some place and dark away from it."""
    count, device = len(x), x.device
    mixture = torch.rand(count, 3, generator=chance) + 0.1
    mixture /= mixture.sum(1, keepdim=True)
    gamma = 2 ** (1.2 * torch.rand(count, 1, 1, generator=chance) - 0.4)
    flash, fall = 0.9 + 0.4 * torch.rand(count, 1, generator=chance), 0.9 * torch.rand(count, 1, generator=chance)
    centre = 0.6 * (2 * torch.rand(count, 2, generator=chance) - 1)
    place = torch.linspace(-1, 1, x.shape[-1])
    down, across = (torch.exp(-fall * (place - centre[:, k, None]) ** 2) for k in (0, 1))
    light = (flash * down)[:, :, None].to(device) * across[:, None, :].to(device)
    grey = torch.einsum("bchw,bc->bhw", x, mixture.to(device)).div_(255).clamp_(min=1e-4)
    lit = grey.pow_(gamma.to(device)).mul_(light).mul_(255)
    return lit[:, None].expand_as(x).contiguous()


def blurred(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """Out of focus (round) or moved (long, in any direction): a Gaussian of its own for each."""
    count, side = len(x), x.shape[-1]
    focus, smear = _BLUR * torch.rand(count, 1, 1, generator=chance), _SMEAR * torch.rand(count, 1, 1, generator=chance)
    angle = math.pi * torch.rand(count, 1, 1, generator=chance)
    reach = math.ceil(2 * side * _SMEAR)
    step = torch.arange(-reach, reach + 1.0)
    along = step * angle.cos() + step[:, None] * angle.sin()
    across = step[:, None] * angle.cos() - step * angle.sin()
    wide, narrow = (side * torch.maximum(focus, smear)).clamp(min=0.3), (side * focus).clamp(min=0.3)
    kernel = torch.exp(-0.5 * ((along / wide) ** 2 + (across / narrow) ** 2))
    kernel[kernel < 1e-4] = 0  # denormal numbers make the convolution ten times slower
    kernel = (kernel / kernel.sum((1, 2), keepdim=True)).to(x.device).repeat_interleave(3, 0)[:, None]
    padded = functional.pad(x.flatten(0, 1)[None], (reach,) * 4, mode="replicate")
    return functional.conv2d(padded, kernel, groups=3 * count).view(x.shape)


def coarse(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """What is left of a half, a third or a quarter of the resolution."""
    shuffled = torch.randperm(len(_SMALLER), generator=chance).tolist()
    parts = x.chunk(len(_SMALLER))
    return torch.cat([_less(part, _SMALLER[shuffled[k]]) for k, part in enumerate(parts)])


def _less(x: Tensor, factor: int) -> Tensor:
    side = max(1, x.shape[-1] // factor)
    small = functional.interpolate(x, size=(side, side), mode="area")
    return functional.interpolate(small, size=x.shape[-2:], mode="bilinear", align_corners=False)


def noisy(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """Read and shot noise.  All pictures get it from one plane, each channel from another place of it."""
    count, side = len(x), x.shape[-1]
    read, shot = (limit * torch.rand(count, 1, 1, 1, generator=chance) for limit in (_READ**2, _SHOT))
    plane = torch.randn(side, side, generator=chance).to(x.device).repeat(2, 2)
    place = torch.randint(side, (2, count, 3), generator=chance)
    place = torch.where(colourless[:, None], place[:, :, :1], place).to(x.device)
    noise = plane.unfold(0, side, 1).unfold(1, side, 1)[place[0], place[1]]
    return x + noise.mul_((x * shot.to(x.device)).add_(read.to(x.device)).sqrt_())


def jpeg(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """Kept as a small file; colour is not subsampled."""
    least, most = _QUALITY
    return compressed(x, least + (most - least) * torch.rand(len(x), generator=chance))


def compressed(x: Tensor, quality: Tensor) -> Tensor:
    """What JPEG of that quality (B, 1 to 100, scaled as the Independent JPEG Group does) leaves of each picture."""
    quality = quality.view(-1, 1, 1, 1)
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    tables = torch.tensor((_LIGHT, _COLOUR, _COLOUR), dtype=torch.float32).view(1, 3, 1, 64)
    step = (tables * factor).round().clamp(1, 255).to(x.device)
    ycc, waves, side = torch.tensor(_YCC, device=x.device), _waves().to(x.device), x.shape[-1]
    whole = functional.pad(x - 128, (0, -side % 8, 0, -side % 8), mode="replicate") if side % 8 else x - 128
    planes = torch.einsum("ij,bjhw->bihw", ycc, whole)
    kept = (_blocks(planes) @ waves.T).div_(step).round_().mul_(step) @ waves
    again = torch.einsum("ij,bjhw->bihw", ycc.inverse(), _joined(kept, planes.shape[-1]))
    return again[:, :, :side, :side].add_(128)


def _blocks(planes: Tensor) -> Tensor:
    """B x 3 x N x 64 from B x 3 x S x S."""
    cut = planes.view(*planes.shape[:2], planes.shape[2] // 8, 8, -1, 8)
    return cut.transpose(3, 4).reshape(*planes.shape[:2], -1, 64)


def _joined(blocks: Tensor, side: int) -> Tensor:
    return blocks.view(*blocks.shape[:2], side // 8, side // 8, 8, 8).transpose(3, 4).reshape(-1, 3, side, side)


def _waves() -> Tensor:
    """The orthonormal DCT-II of blocks of 8 x 8, 64 x 64."""
    wave = torch.arange(8.0)
    cosines = torch.cos(math.pi / 8 * (wave + 0.5) * wave[:, None]) / 2
    cosines[0] /= math.sqrt(2)
    return torch.kron(cosines, cosines)


def erased(x: Tensor, colourless: Tensor, chance: torch.Generator) -> Tensor:
    """One even rectangle each, a twelfth to a third of the side wide and high (Zhong et al. 2020)."""
    count, device = len(x), x.device
    place = torch.linspace(0, 1, x.shape[-1])
    middle, half = torch.rand(2, count, 1, generator=chance), (1 + 3 * torch.rand(2, count, 1, generator=chance)) / 24
    inside = ((place - middle).abs() < half).to(device)
    colour = 240 * torch.rand(count, 1, generator=chance) + 40 * torch.rand(count, 3, generator=chance) - 12
    colour = torch.where(colourless[:, None], colour[:, :1], colour)[:, :, None, None].to(device)
    return torch.where((inside[0][:, :, None] & inside[1][:, None, :])[:, None], colour, x)
