"""The running of age models: a bundle's program on a device, a batch at a time.  The one room of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from station.bundles import GOLDEN, PROGRAM, BundleError, read_card
from station.domain import (
    Duplicate,
    Estimate,
    Floats,
    Observation,
    Observed,
    Outcome,
    Pixels,
    Portraits,
    Reading,
    Rejection,
)
from station.species import Species

GOLDEN_TOLERANCE_YEARS = 0.05
"""How far an estimate on this device may lie from the one the bundle says it must give."""


GOLDEN_SIMILARITY = 0.99
"""The least cosine between an embedding on this device and the one the bundle says it must give."""


class Ages:
    """A loaded bundle.  `read` is called from one thread."""

    def __init__(self, bundle: Path, device: str = "auto", species: Species | None = None, limit: int = 32) -> None:
        """Loads the program and checks it against the golden outputs.  Raises `BundleError`."""
        self.card = read_card(bundle)
        self.device = torch.device(_device(device))
        self._species = species
        self._limit = limit
        self._bins = np.asarray(self.card.bins_years, np.float64)
        try:
            program = torch.export.load(bundle / PROGRAM).module()
        except Exception as error:  # whatever the unpickling of a damaged file raises
            raise BundleError(f"{bundle / PROGRAM} cannot be loaded: {type(error).__name__}: {error}") from error
        self._program = program.to(self.device)
        self._check_golden(bundle)

    def memory_bytes(self) -> dict[str, int]:
        """Of the device: `allocated` and `reserved` by this program, `free` and `total`; nothing on a CPU."""
        if self.device.type != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info(self.device)
        allocated, reserved = torch.cuda.memory_allocated(self.device), torch.cuda.memory_reserved(self.device)
        return {"allocated": allocated, "reserved": reserved, "free": free, "total": total}

    def run(self, crops: Pixels) -> tuple[Floats, Floats]:
        """Probabilities over the age bins, N x K, and embeddings, N x E, of crops uint8 N x 3 x S x S."""
        parts = [self._run(crops[i : i + self._limit]) for i in range(0, len(crops), self._limit)]
        return np.concatenate([p for p, _ in parts]), np.concatenate([e for _, e in parts])

    def _run(self, crops: Pixels) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            probabilities, embedding = self._program(torch.from_numpy(crops).to(self.device))
            return probabilities.float().cpu().numpy(), embedding.float().cpu().numpy()

    def read(self, batch: Sequence[Portraits | Duplicate | Rejection]) -> list[Outcome]:
        """The batch with its portraits read; what was settled before passes through, in order."""
        crops = [item.crops for item in batch if isinstance(item, Portraits) and item.faces]
        probabilities, embedding = self.run(np.concatenate(crops)) if crops else (np.empty(0), np.empty(0))
        readings = (Reading(self.estimate(p), e) for p, e in zip(probabilities, embedding, strict=True))
        return [
            Observed(item.frame, item.facts, tuple(Observation(f, next(readings)) for f in item.faces), item.people)
            if isinstance(item, Portraits)
            else item
            for item in batch
        ]

    def estimate(self, probabilities: Floats) -> Estimate:
        """The expectation over the age bins, its spread, and the conformal interval where it is known."""
        p = probabilities.astype(np.float64)
        p /= p.sum()
        age = float(p @ self._bins)
        sd = float(np.sqrt(p @ (self._bins - age) ** 2))
        half = None if self.card.interval_quantile is None else self.card.interval_quantile * sd
        return Estimate(
            age_years=age,
            sd_years=sd,
            low_years=None if half is None else max(0.0, age - half),
            high_years=None if half is None else age + half,
            life_stage=self._species.stage(age) if self._species else None,
            model=self.card.version,
        )

    def _check_golden(self, bundle: Path) -> None:
        try:
            with np.load(bundle / GOLDEN) as golden:
                inputs, wanted = golden["inputs"], golden["probabilities"]
                embedding = golden["embedding"] if self.card.identity else np.empty(0, np.float32)
        except Exception as error:  # whatever the unpacking of a damaged file raises
            raise BundleError(
                f"{bundle / GOLDEN} cannot be read: {type(error).__name__}: {error}; copy the bundle afresh"
            ) from error
        try:
            got, seen = self.run(inputs)
        except (OSError, ValueError, TypeError, IndexError, RuntimeError, AssertionError) as error:
            raise BundleError(f"{bundle}: the golden check cannot be made: {error}") from error
        if got.shape != (len(inputs), len(self._bins)):
            raise BundleError(
                f"{bundle}: the program gives {got.shape[-1]} ages where the card names {len(self._bins)}"
            )
        if wanted.shape != got.shape:
            raise BundleError(f"{bundle / GOLDEN} holds {wanted.shape} golden outputs where {got.shape} are needed")
        worst = float(np.abs((got - wanted) @ self._bins).max(initial=0.0))
        if not worst <= GOLDEN_TOLERANCE_YEARS:
            raise BundleError(
                f"{bundle} fails its golden check on {self.device}: an estimate is off by {worst:.3f} years, "
                f"more than {GOLDEN_TOLERANCE_YEARS}; copy the bundle afresh, or fit it again with this torch "
                f"({torch.__version__})"
            )
        if self.card.identity:
            self._check_identity(bundle, seen, embedding, self.card.identity.size)

    def _check_identity(self, bundle: Path, seen: Floats, wanted: Floats, size: int) -> None:
        if not seen.shape == wanted.shape == (len(seen), size):
            raise BundleError(f"{bundle}: the program gives embeddings {seen.shape} where the card says {size}")
        least = float((seen * wanted).sum(axis=1).min(initial=1.0))
        if not least >= GOLDEN_SIMILARITY:
            raise BundleError(
                f"{bundle} fails its golden check on {self.device}: an embedding has a similarity of {least:.3f} to "
                f"what it must be, less than {GOLDEN_SIMILARITY}; copy the bundle afresh"
            )


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise BundleError(
            f"device = {wanted!r}, but torch sees no GPU: use device = 'auto' or 'cpu', or mend the driver"
        )
    return wanted
