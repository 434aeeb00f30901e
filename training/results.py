"""A study and all that came of it: what reports, tables and the choice of a network are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from station.bundles import Figure, TrainingData
from training.faces import Faces
from training.folds import Indices
from training.judged import Judged
from training.networks import Size


@dataclass(frozen=True, slots=True)
class Twin:
    """Two faces that look the same (row numbers), by the distance of their perceptual hashes in bits of 64."""

    one: int
    other: int
    distance_bits: int


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Labelled faces that networks are studied on, and how they are split."""

    name: str
    manifests: tuple[TrainingData, ...]
    known: Faces
    fold: Indices
    """The fold in which each face is tested, the same for every network."""
    folds_sha256: str
    twins: tuple[Twin, ...]
    """Near-duplicates that stand in different folds."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Images a second of the network alone, median of `runs`, with the smallest and the largest."""

    images_per_s: float
    slowest: float
    fastest: float
    runs: int
    batch: int
    device: str
    peak_mb: float | None = None
    """The most memory meanwhile: on a card what was allocated there, else that of the process; None: unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One network, fitted with one loss on one data set, fold by fold."""

    data: str
    network: str
    loss: str
    weights: str
    judged: Judged
    figures: Mapping[str, Figure]
    """As `training.metrics.figures` names them."""
    random_split_mae_years: Figure | None
    """The same network where faces of one individual may stand on both sides: what is not to be believed."""
    size: Size
    speed: Speed | None
    fitting_s: float
    same_faces_mae_years: Figure | None = None
    """Its honest error on those faces that the random split tested."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What was the same for every network."""

    species: str
    folds: int
    epochs: int
    batch: int
    seed: int
    input_px: int | None
    device: str
    libraries: Mapping[str, str]
    recipe: str
    """Schedule, augmentation, averaging, in words."""
    created_at: str


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """All data sets and all trials that are complete; `planned` counts those that were asked for."""

    protocol: Protocol
    data: tuple[DataSet, ...]
    trials: tuple[Trial, ...]
    planned: int
    chosen: Trial | None
    """What the bundle is made of."""

    def on(self, data: str) -> tuple[Trial, ...]:
        """The trials on one data set, the least error first."""
        return tuple(sorted((t for t in self.trials if t.data == data), key=lambda t: t.figures["mae_years"].value))
