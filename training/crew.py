"""Several processes that train one network together, as `torchrun` starts them; or one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True, slots=True)
class Crew:
    """This process and how many there are."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """It alone writes files and talks."""
        return self.rank == 0

    def joined(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over the crew."""
        if self.size == 1:
            return network
        if device.type == "cuda":
            synced = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
            return nn.parallel.DistributedDataParallel(synced, device_ids=[device.index])
        return nn.parallel.DistributedDataParallel(network)

    def share(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """This process's rows of a batch, and the weight of each in the mean over the batch.

        All get as many, or the crew would wait for ever: who comes too short gets a row again, with weight 0.
        """
        each = -(-len(rows) // self.size)
        places = torch.arange(self.rank, self.size * each, self.size)
        weights = (places < len(rows)).float() * self.size / len(rows)
        return rows[places.clamp(max=len(rows) - 1)], weights


ALONE = Crew()


@contextmanager
def gathered() -> Iterator[Crew]:
    """The crew that `torchrun` started, or one process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    crew = Crew(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield crew
    finally:
        distributed.destroy_process_group()
