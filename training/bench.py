"""What lies ready when fitting begins: faces, age bins, the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from station.domain import StationError
from training import faces, networks
from training.crew import Crew
from training.faces import Faces
from training.labels import Bins
from training.manifest import Row
from training.networks import Backbone

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a network comes from and what pictures it is given."""

    backbone: str = "tf_efficientnet_lite0"
    weights: str = networks.PRETRAINED
    input_px: int | None = None
    """None: what the backbone was made for."""
    crop_margin: float | None = None
    """None: as suits the manifests."""

    def build(self) -> Backbone:
        """A new network, checked: raises `WeightsError`, `NetworkError`."""
        backbone = networks.build(self.backbone, self.weights, self.input_px)
        backbone.width()
        return backbone

    def faces(self, rows: Sequence[Row], input_px: int, say: Say, cache: Path | None = None) -> Faces:
        """The rows' faces as this network is to see them."""
        margin = faces.usual_margin(rows) if self.crop_margin is None else self.crop_margin
        return faces.load(rows, input_px, margin, say, cache)


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Faces, the ages a model can choose between, and what it is trained on."""

    known: Faces
    bins: Bins
    device: torch.device
    crew: Crew


def device(name: str, crew: Crew) -> torch.device:
    """`auto`, or a device by name; each process of a crew has its own GPU.  Raises `StationError`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{crew.local_rank}"
    try:
        found = torch.device(name)
        torch.zeros(1, device=found)
    except (RuntimeError, AssertionError) as error:
        raise StationError(f"the device {name!r} cannot be used ({error}): try --device cpu") from error
    return found
