"""Networks whose batch normalisation does something, as after training: a new one's is the identity."""

from __future__ import annotations

import torch
from torch import nn

from training import networks
from training.networks import Backbone

SIZE_PX = 64


def enlivened(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, with statistics and weights of batch normalisation drawn at random."""
    chance = torch.Generator().manual_seed(0)
    for module in network.eval().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.load_state_dict(
                {
                    "running_mean": torch.randn(module.num_features, generator=chance) / 10,
                    "running_var": torch.rand(module.num_features, generator=chance) + 0.5,
                    "weight": torch.rand(module.num_features, generator=chance) + 0.5,
                    "bias": torch.randn(module.num_features, generator=chance) / 10,
                    "num_batches_tracked": torch.tensor(1),
                }
            )
    return network


def lively(name: str) -> Backbone:
    """A network for pictures of 64 pixels, without pretrained weights, but not as it was born."""
    backbone = networks.build(name, networks.SCRATCH, input_px=SIZE_PX)
    enlivened(backbone.network)
    return backbone.eval()


def pictures(count: int) -> torch.Tensor:
    """Noise, uint8 B x 3 x 64 x 64."""
    chance = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, SIZE_PX, SIZE_PX), dtype=torch.uint8, generator=chance)


def features(backbone: Backbone, of: torch.Tensor) -> torch.Tensor:
    """Features B x E of pictures uint8 B x 3 x S x S."""
    with torch.inference_mode():
        found: torch.Tensor = backbone(backbone.normalised(of))
    return found


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest, as a share of the largest number."""
    return float((one - other).abs().max() / one.abs().max())
