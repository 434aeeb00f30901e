"""How a network is fine-tuned: how long, how fast, from which pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from station.domain import StationError
from training import losses
from training.augment import PRESETS


class ScheduleError(StationError):
    """A recipe asks for what cannot be."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recipe, chosen by measurement (tests/benchmarks/DIARY.md says which)."""

    loss: str = losses.DEFAULT
    epochs: int = 8
    batch: int = 16
    """Faces a step, over all processes together."""
    seed: int = 0
    backbone_rate: float = 3e-4
    head_rate: float = 3e-3
    weight_decay: float = 0.01
    shape: str = "one-cycle"
    """`one-cycle`: up for 30% of the steps, then down; `cosine`: up for 5%, then down."""
    frozen: float = 0.4
    """This share of the network's stages, from the input on, keep their pretrained weights throughout: the sooner."""
    head_first_epochs: int = 0
    """So many epochs train the head alone before the backbone joins in."""
    averaging: float = 0.0
    """Decay of the moving average of the weights, which is what is kept; 0: the last weights."""
    augmentation: str = "plain"
    by_age: float = 0.0
    """From 0, ages as often as they are, to 1, all as often."""
    by_individual: float = 0.0
    """From 0, individuals as often as they have pictures, to 1, all as often."""
    patience: int | None = None
    """Stop after so many epochs without a smaller error on individuals kept aside from training; None: never."""
    flip: bool = False
    """The network looks at each face and its mirror image and gives the mean, in service too: twice the work."""

    def __post_init__(self) -> None:
        """Raises `ScheduleError`, `LossError`."""
        losses.find(self.loss)
        if self.shape not in _WARM_UP:
            raise ScheduleError(f"there is no schedule called {self.shape!r}: use one of {', '.join(_WARM_UP)}")
        if self.augmentation not in PRESETS:
            raise ScheduleError(
                f"there is no augmentation called {self.augmentation!r}: use one of {', '.join(PRESETS)}"
            )
        if not 0 <= self.frozen <= 1:
            raise ScheduleError(f"frozen {self.frozen:g}: a share of the stages from 0 to 1 is needed")
        if not 0 <= self.averaging < 1:
            raise ScheduleError(f"averaging {self.averaging:g}: a decay from 0 to below 1 is needed, such as 0.99")
        if self.head_first_epochs >= self.epochs:
            raise ScheduleError(f"{self.head_first_epochs} epochs for the head alone leave none of {self.epochs}")

    def rate(self, step: int, steps: int) -> float:
        """The share of the full learning rate at `step` of `steps`, never 0: a cosine up, then a cosine down."""
        warm = max(1, round(_WARM_UP[self.shape] * steps))
        if step < warm:
            return _cosine(_FIRST, 1.0, (step + 1) / warm)
        return _cosine(1.0, _LAST, (step - warm) / max(1, steps - warm))

    def in_words(self) -> str:
        """For a report."""
        parts = [
            self.loss,
            f"{self.epochs} epochs of batches of {self.batch}",
            f"AdamW, {self.shape} to {self.backbone_rate:g} (head {self.head_rate:g})",
            f"augmentation {self.augmentation}",
        ]
        parts += [f"first {self.frozen:.0%} of the stages frozen"] * bool(self.frozen)
        parts += [f"head alone for {self.head_first_epochs} epochs"] * bool(self.head_first_epochs)
        parts += [f"weights averaged with decay {self.averaging:g}"] * bool(self.averaging)
        parts += [f"balanced over ages {self.by_age:g}"] * bool(self.by_age)
        parts += [f"balanced over individuals {self.by_individual:g}"] * bool(self.by_individual)
        parts += [f"stopped early after {self.patience} epochs without gain"] * (self.patience is not None)
        parts += ["mean of face and mirror image"] * self.flip
        return ", ".join(parts)


_WARM_UP = {"one-cycle": 0.3, "cosine": 0.05}
_FIRST, _LAST = 0.04, 1e-4


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
