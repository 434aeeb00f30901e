"""Features of a frozen backbone."""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from station.domain import Pixels
from training.networks import Backbone

_BATCH = 32


def extract(backbone: Backbone, crops: Pixels, device: torch.device, mirrored: bool = False) -> Tensor:
    """Features float32 N x E, on the CPU, of crops uint8 N x 3 x S x S; `mirrored`: of the crops left to right."""
    backbone.to(device).to(memory_format=torch.channels_last).eval()
    parts = []
    with torch.inference_mode(), tqdm(total=len(crops), desc="features", unit="face", disable=None) as progress:
        for batch in torch.from_numpy(crops).split(_BATCH):  # type: ignore[no-untyped-call]
            seen = batch.to(device).flip(3) if mirrored else batch.to(device)
            seen = backbone.normalised(seen).contiguous(memory_format=torch.channels_last)
            parts.append(backbone(seen).float().cpu())
            progress.update(len(batch))
    return torch.cat(parts)
