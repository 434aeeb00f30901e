"""How good a crop is to learn from: how sharp, how well lit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from station.domain import Pixels

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_OUTSIDE = 127
_BLOWN = 250
_LAPLACE = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one crop; the grey around a picture does not count."""

    sharpness: float
    """The variance of the Laplacian at half resolution over the variance of the luminance: not of contrast, but of
    detail.  Good crops of 224 pixels have 0.05 and more, visibly blurred ones less than 0.02."""
    brightness: float
    """Mean luminance, 0 to 255."""
    blown: float
    """The share of pixels in which nothing is left but white."""


def judge(crop: Pixels) -> Quality:
    """Of a crop uint8 3 x S x S, S even."""
    inside = torch.from_numpy((crop != _OUTSIDE).any(0).astype(np.float32))
    luma = torch.einsum("chw,c->hw", torch.from_numpy(np.ascontiguousarray(crop)).float(), torch.tensor(_LUMA))
    pixels = inside.sum().clamp(min=1)
    mean = (luma * inside).sum() / pixels
    variance = (((luma - mean) ** 2) * inside).sum() / pixels
    blown = ((luma >= _BLOWN) * inside).sum() / pixels
    return Quality(float(_detail(luma, inside) / variance.clamp(min=1)), float(mean), float(blown))


def _detail(luma: Tensor, inside: Tensor) -> Tensor:
    """The variance of the Laplacian, as the covariance of two half-size pictures of every other pixel each.

    Noise is another in each of them and drops out, so that a noisy picture is not taken for a sharp one.
    """
    one, other = ((luma[k::2, ::2] + luma[1 - k :: 2, 1::2]) / 2 for k in (0, 1))
    within = -functional.max_pool2d(functional.max_pool2d(-inside[None, None], 2), 3, 1)[0, 0]
    laplace = torch.tensor(_LAPLACE)[None, None]
    both = functional.conv2d(torch.stack([one, other])[:, None], laplace)[:, 0]
    return ((both[0] * both[1]) * within).sum() / within.sum().clamp(min=1)
