"""The golden check: what a bundle says it must give, and how far a way of running it lies from that.

Each kind of program has its own: `AgeGolden` here, that of a finder in `station.finding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from station.bundles import GOLDEN, BundleError, Card
from station.domain import Floats, Pixels

TOLERANCE_YEARS = 0.05
"""How far an estimate may lie from the one the bundle says it must give."""
LEAST_SIMILARITY = 0.99
"""The least cosine between an embedding and the one the bundle says it must give."""


class Form(Protocol):
    """One way of running a bundle's program on a device."""

    def __call__(self, pictures: Pixels, /) -> tuple[Floats, ...]:
        """What the program gives for pictures uint8 N x 3 x S x S: its outputs, each of length N.

        May be called from two threads at a time.  Raises `NoMemory` where the device has none left.
        """
        ...


class NoMemory(RuntimeError):
    """The device has no memory for a batch of this size."""


class Golden(Protocol):
    """A bundle's golden inputs, and what a program must give for them."""

    @property
    def inputs(self) -> Pixels:
        """Pictures, uint8 n x 3 x S x S."""
        ...

    def fault(self, form: Form) -> str:
        """What is wrong with what a form gives for the golden inputs; empty: nothing.

        Raises ValueError where the shapes differ, and whatever the form raises.
        """
        ...


def repeated(inputs: Pixels, size: int) -> Pixels:
    """So many pictures, the same again and again: uint8 `size` x 3 x S x S, in memory as crops of pictures lie."""
    return np.take(inputs.transpose(0, 2, 3, 1), np.arange(size) % len(inputs), axis=0).transpose(0, 3, 1, 2)


def arrays(bundle: Path, *names: str) -> list[Floats]:
    """These arrays of a bundle's golden file.  Raises `BundleError`."""
    try:
        with np.load(bundle / GOLDEN) as golden:
            return [golden[name] for name in names]
    except Exception as error:  # whatever the unpacking of a damaged file raises
        raise BundleError(
            f"{bundle / GOLDEN} cannot be read: {type(error).__name__}: {error}; copy the bundle afresh"
        ) from error


@dataclass(frozen=True, slots=True, eq=False)
class AgeGolden:
    """Golden inputs, uint8 n x 3 x S x S, the probabilities they must give, n x K, and the ages of the K."""

    inputs: Pixels
    probabilities: Floats
    bins_years: Floats
    embedding: Floats | None = None
    """Unit vectors n x E that they must give; None: nobody is recognised by them."""

    @classmethod
    def of(cls, bundle: Path, card: Card) -> AgeGolden:
        """Raises `BundleError` where they cannot be read, or do not go with the card."""
        names = ("inputs", "probabilities", *(["embedding"] if card.identity else []))
        inputs, wanted, *more = arrays(bundle, *names)
        embedding = more[0] if more else None
        needed = (len(inputs), len(card.bins_years))
        if wanted.shape != needed:
            raise BundleError(f"{bundle / GOLDEN} holds {wanted.shape} golden outputs where {needed} are needed")
        if card.identity and embedding is not None and embedding.shape != (len(inputs), card.identity.size):
            raise BundleError(
                f"{bundle / GOLDEN} holds embeddings {embedding.shape} where the card says {card.identity.size}"
            )
        return cls(inputs.astype(np.uint8), wanted, np.asarray(card.bins_years, np.float32), embedding)

    def fault(self, form: Form) -> str:
        """As `Golden` says."""
        off, least = self.off(form)
        if not off <= TOLERANCE_YEARS:
            return f"an estimate is off by {off:.3f} years, more than {TOLERANCE_YEARS}"
        if not least >= LEAST_SIMILARITY:
            return f"an embedding has a similarity of {least:.3f} to what it must be, less than {LEAST_SIMILARITY}"
        return ""

    def off(self, form: Form) -> tuple[float, float]:
        """By how many years the worst estimate is off, and the least similarity of an embedding to its golden one.

        Not a number where one is not.
        """
        got, seen = form(self.inputs)
        if got.shape != self.probabilities.shape:
            raise ValueError(
                f"the program gives {got.shape[-1]} ages where the card names {self.probabilities.shape[-1]}"
            )
        years = float(np.abs((got - self.probabilities) @ self.bins_years).max(initial=0.0))
        if self.embedding is None:
            return years, 1.0
        if seen.shape != self.embedding.shape:
            raise ValueError(f"the program gives embeddings {seen.shape} where the card says {self.embedding.shape}")
        return years, float((seen * self.embedding).sum(axis=1).min(initial=1.0))

    def batch(self, size: int) -> Pixels:
        """So many pictures, the golden ones again and again: uint8 `size` x 3 x S x S."""
        return repeated(self.inputs, size)
