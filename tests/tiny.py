"""A tiny age model as a real bundle, made with torch alone, for tests and benchmarks of what is around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from station.bundles import CARD, GOLDEN, PROGRAM, Card, Figure, Identity, TrainingData, writing

SIZE_PX = 32
BINS = tuple(float(age) for age in range(11))


class Brightness(torch.nn.Module):
    """Black is 0 years, white is 10; one standard deviation is about a year."""

    def __init__(self) -> None:
        super().__init__()
        self.bins = torch.nn.Buffer(torch.tensor(BINS))

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means = crops.float().mean(dim=(2, 3)) / 255
        age = 10 * means.mean(dim=1, keepdim=True)
        return torch.softmax(-((self.bins - age) ** 2) / 2, dim=1), means


class Colour(torch.nn.Module):
    """The ages of `Brightness`; animals are told apart by their colour, whatever the light."""

    def __init__(self) -> None:
        super().__init__()
        self.ages = Brightness()

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ages, means = self.ages(crops)
        return ages, torch.nn.functional.normalize(means - means.mean(dim=1, keepdim=True))


def identity(**changes: object) -> Identity:
    """What the card of a bundle with `Colour` says, with changes."""
    fields: dict[str, object] = {
        "version": "tiny-1/colour",
        "size": 3,
        "slope": 40.0,
        "intercept": -34.0,
        "known_at": 0.7,
        "new_at": 0.7,
        "training": (TrainingData("none", "0" * 64, 10, 10),),
        "individuals": ("a", "b"),
        "metrics": {"rank1": Figure(0.9, 0.8, 1.0)},
    }
    return Identity(**(fields | changes))  # type: ignore[arg-type]


def card(**changes: object) -> Card:
    """The tiny bundle's card, with changes."""
    fields: dict[str, object] = {
        "version": "tiny-1",
        "architecture": "brightness",
        "species": "giant_panda",
        "bins_years": BINS,
        "input_px": SIZE_PX,
        "crop_margin": 0.0,
        "temperature": 1.0,
        "interval_quantile": 1.5,
        "loss": "none",
        "training": (TrainingData("none", "0" * 64, 10, 10),),
        "individuals": ("a", "b"),
        "metrics": {"mae_years": Figure(1.0, 0.5, 1.5)},
        "created_at": "2026-01-01T00:00:00+00:00",
        "libraries": {"torch": torch.__version__},
    }
    return Card(**(fields | changes))  # type: ignore[arg-type]


def tiny_bundle(
    folder: Path, golden_is_wrong: bool = False, network: torch.nn.Module | None = None, size_px: int = SIZE_PX,
    **changes: object,
) -> Path:  # fmt: skip
    """Writes the bundle; `golden_is_wrong`: it says that it must give other ages."""
    crops = torch.randint(
        0, 256, (4, 3, size_px, size_px), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    program = torch.export.export(
        network or (Colour() if changes.get("identity") else Brightness()),
        (crops,),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
    )
    with writing(folder) as scratch:
        torch.export.save(program, scratch / PROGRAM)
        probabilities, embedding = program.module()(crops)
        np.savez(
            scratch / GOLDEN,
            inputs=crops.numpy(),
            probabilities=np.roll(probabilities.numpy(), 1, axis=1) if golden_is_wrong else probabilities.numpy(),
            embedding=embedding.numpy(),
        )
        (scratch / CARD).write_text(card(**{"input_px": size_px} | changes).to_json())
    return folder
