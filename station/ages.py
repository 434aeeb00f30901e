"""From a batch of faces to estimates of age."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from station.bundles import PROGRAM, read_card
from station.domain import (
    Duplicate,
    Estimate,
    Floats,
    Observation,
    Observed,
    Outcome,
    Portraits,
    Reading,
    Rejection,
)
from station.golden import AgeGolden
from station.programs import Running
from station.species import Species


class Ages(Running):
    """A loaded age bundle: `run` gives probabilities over the age bins, N x K, and embeddings, N x E."""

    golden: AgeGolden

    def __init__(self, bundle: Path, device: str = "auto", species: Species | None = None, limit: int = 32) -> None:
        """Loads the program and checks it against the golden outputs.  Raises `BundleError`."""
        self.card = read_card(bundle)
        self._species = species
        self._bins = np.asarray(self.card.bins_years, np.float64)
        super().__init__(bundle / PROGRAM, AgeGolden.of(bundle, self.card), device, limit)

    def read(self, batch: Sequence[Portraits | Duplicate | Rejection]) -> list[Outcome]:
        """The batch with its portraits read; what was settled before passes through, in order."""
        crops = [item.crops for item in batch if isinstance(item, Portraits) and item.faces]
        probabilities, embedding = self.run(np.concatenate(crops)) if crops else (np.empty(0), np.empty(0))
        readings = (Reading(self.estimate(p), e) for p, e in zip(probabilities, embedding, strict=True))
        return [
            Observed(item.frame, item.facts, tuple(Observation(f, next(readings)) for f in item.faces), item.people,
                     item.unusable)
            if isinstance(item, Portraits)
            else item
            for item in batch
        ]  # fmt: skip

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
