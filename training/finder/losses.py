"""What the cells of a view should say, and how wrong they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from station.domain import Floats
from training.finder.network import STRIDE, sides_of

_SPREAD = 0.13
"""Standard deviation of a face's peak, of its width and height; at least `_LEAST` cells."""
_LEAST = 0.6
_NEAR = 0.6
"""Cells from this height of the peak on say where the sides are."""
_BOX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Of B views."""

    peaks: Tensor
    """B x G x G, 0 to 1: 1 at the cell of a face's middle."""
    told: Tensor
    """B x G x G: 0 where nobody says whether there is a face."""
    sides: Tensor
    """B x 4 x G x G in pixels of the view, where `weight` is above 0."""
    weight: Tensor
    """B x G x G."""


def targets(boxes: Sequence[Floats], unsure: Sequence[Floats], cells: int) -> Targets:
    """Of boxes in pixels of the view (x, y, width, height)."""
    made = [_of_view(own, doubtful, cells) for own, doubtful in zip(boxes, unsure, strict=True)]
    return Targets(*(torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True)))


def _of_view(boxes: Floats, unsure: Floats, cells: int) -> tuple[Floats, Floats, Floats, Floats]:
    middle = ((np.arange(cells) + 0.5) * STRIDE).astype(np.float32)
    peaks = np.zeros((cells, cells), np.float32)
    sides, weight, told = np.zeros((4, cells, cells), np.float32), np.zeros_like(peaks), np.ones_like(peaks)
    for x, y, width, height in unsure:
        inside = (middle[:, None] >= y - STRIDE) & (middle[:, None] <= y + height + STRIDE)
        told[inside & (middle[None] >= x - STRIDE) & (middle[None] <= x + width + STRIDE)] = 0
    for x, y, width, height in sorted(boxes.tolist(), key=lambda box: -box[2] * box[3]):  # small ones on top
        column, row = (min(cells - 1, int((at + long / 2) / STRIDE)) for at, long in ((x, width), (y, height)))
        wide, tall = (max(_LEAST * STRIDE, _SPREAD * length) for length in (width, height))
        peak = np.exp(
            -0.5 * (((middle - middle[column]) / wide) ** 2 + (((middle - middle[row]) / tall) ** 2)[:, None])
        ).astype(np.float32)
        higher = peak > peaks
        near = higher & (peak >= _NEAR)
        peaks[higher] = peak[higher]
        for side, place in enumerate((x, y, x + width, y + height)):
            sides[side][near] = place
        weight[near] = peak[near]
        told[near] = 1
    return peaks, told, sides, weight


def wrongness(cells: Tensor, wanted: Targets) -> Tensor:
    """How wrong B x 5 x G x G are: peaks (Zhou et al. 2019, equation 1) and sides (Rezatofighi et al. 2019, GIoU)."""
    cells = cells.float()
    logits, peaks = cells[:, 0], wanted.peaks
    sure, unsure = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    guess = torch.sigmoid(logits)
    middle = peaks >= 0.999
    there = -((1 - guess) ** 2) * sure * middle
    elsewhere = -((1 - peaks) ** 4) * guess**2 * unsure * ~middle
    count = middle.sum().clamp(min=1)
    scores = ((there + elsewhere) * wanted.told).sum() / count
    total = wanted.weight.sum().clamp(min=1e-3)
    boxes = ((1 - giou(sides_of(cells[:, 1:]), wanted.sides)) * wanted.weight).sum() / total
    return scores + _BOX_WEIGHT * boxes


def giou(some: Tensor, others: Tensor) -> Tensor:
    """Generalised intersection over union of left, top, right, bottom in the second dimension."""
    shared = (
        (torch.minimum(some[:, 2:], others[:, 2:]) - torch.maximum(some[:, :2], others[:, :2])).clamp(min=0).prod(1)
    )
    hull = (torch.maximum(some[:, 2:], others[:, 2:]) - torch.minimum(some[:, :2], others[:, :2])).prod(1)
    union = (some[:, 2:] - some[:, :2]).prod(1) + (others[:, 2:] - others[:, :2]).prod(1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
