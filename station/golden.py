"""The golden check: what a bundle says it must give, and how far a way of running it lies from that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from station.bundles import GOLDEN, BundleError
from station.domain import Floats, Pixels

TOLERANCE_YEARS = 0.05
"""How far an estimate may lie from the one the bundle says it must give."""


class Form(Protocol):
    """One way of running a bundle's program on a device."""

    def __call__(self, crops: Pixels, /) -> tuple[Floats, Floats]:
        """Probabilities over the age bins, N x K, and embeddings, N x E, of crops uint8 N x 3 x S x S.

        Raises `NoMemory` where the device has none left.
        """
        ...


class NoMemory(Exception):
    """The device has no memory for a batch of this size."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A bundle's golden inputs, uint8 n x 3 x S x S, the probabilities they must give, n x K, and the ages of the K."""

    inputs: Pixels
    probabilities: Floats
    bins_years: Floats

    @classmethod
    def of(cls, bundle: Path, bins_years: tuple[float, ...]) -> Golden:
        """Raises `BundleError` where they cannot be read, or do not go with the bins."""
        try:
            with np.load(bundle / GOLDEN) as golden:
                inputs, wanted = golden["inputs"], golden["probabilities"]
        except Exception as error:  # whatever the unpacking of a damaged file raises
            raise BundleError(
                f"{bundle / GOLDEN} cannot be read: {type(error).__name__}: {error}; copy the bundle afresh"
            ) from error
        needed = (len(inputs), len(bins_years))
        if wanted.shape != needed:
            raise BundleError(f"{bundle / GOLDEN} holds {wanted.shape} golden outputs where {needed} are needed")
        return cls(inputs, wanted, np.asarray(bins_years, np.float32))

    def off_years(self, form: Form) -> float:
        """How far the estimate that is furthest off lies from its golden one; not a number where one is not."""
        got, _ = form(self.inputs)
        if got.shape != self.probabilities.shape:
            raise ValueError(
                f"the program gives {got.shape[-1]} ages where the card names {self.probabilities.shape[-1]}"
            )
        return float(np.abs((got - self.probabilities) @ self.bins_years).max(initial=0.0))

    def batch(self, size: int) -> Pixels:
        """So many pictures, the golden ones again and again: uint8 `size` x 3 x S x S."""
        return np.take(self.inputs, np.arange(size) % len(self.inputs), axis=0)
