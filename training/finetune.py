"""Fine-tuning: the backbone and a new softmax age head, trained together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from station.domain import Floats, Pixels
from training.augment import augment
from training.networks import Backbone

_BACKBONE_RATE, _HEAD_RATE = 3e-4, 3e-3


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, in what portions, and with which chance."""

    epochs: int = 16
    batch: int = 16
    seed: int = 0


def finetune(backbone: Backbone, crops: Pixels, labels: Floats, schedule: Schedule, device: torch.device) -> nn.Linear:
    """Trains `backbone` in place on crops uint8 N x 3 x S x S with soft labels N x K; returns its head, E -> K.

    AdamW with a one-cycle rate; statistics of pretrained batch normalisation stay as they are: batches are small.
    """
    torch.manual_seed(schedule.seed)
    head = nn.Linear(backbone.width(), labels.shape[1]).to(device)
    backbone.to(device).to(memory_format=torch.channels_last)
    _set_training(backbone)
    steps = schedule.epochs * -(-len(crops) // schedule.batch)
    groups = [{"params": list(backbone.parameters())}, {"params": list(head.parameters())}]
    optimizer = torch.optim.AdamW(groups, lr=_BACKBONE_RATE, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, [_BACKBONE_RATE, _HEAD_RATE], total_steps=steps + 1)
    chance = torch.Generator().manual_seed(schedule.seed)
    pictures, targets = torch.from_numpy(crops), torch.from_numpy(labels)
    with tqdm(total=steps, desc="training", unit="batch", disable=None) as progress:
        for epoch in range(schedule.epochs):
            for rows in torch.randperm(len(pictures), generator=chance).split(schedule.batch):  # type: ignore[no-untyped-call]
                seen = backbone.normalised(augment(pictures[rows].to(device), chance))
                loss = soft_cross_entropy(head(backbone(seen)), targets[rows].to(device))
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                rate.step()
                progress.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.3f}", refresh=False)
                progress.update()
    return head


def soft_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over B of the cross-entropy of logits B x K with soft labels B x K."""
    return -(labels * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


def _set_training(backbone: Backbone) -> None:
    backbone.train()
    for module in backbone.modules():
        if backbone.pretrained and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
