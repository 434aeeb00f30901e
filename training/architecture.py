"""What is to be known of a network, and of a library of networks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from torch import nn


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that turns pictures B x 3 x S x S into features B x E, and the pictures it was made for."""

    network: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the three channels in 0..1."""
    input_px: int


class Library(Protocol):
    """Networks by name: a module of this package is one."""

    def names(self) -> Collection[str]:
        """All of them."""

    def knows(self, name: str) -> bool:
        """Whether there is one of that name."""

    def create(self, name: str, weights: str) -> Architecture:
        """With weights `auto`, `none`, or of a file; raises `WeightsError`."""
