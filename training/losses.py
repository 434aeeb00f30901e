"""What a network is fitted to: losses over age bins, by name.  A new one is one entry of `LOSSES`.

Scale parameters are in years and follow the species: `Bins.sigma_years` is 2 for people, half a year for an animal
that lives to 17.  Where a paper weighs squared or absolute years of people against a cross-entropy, years are counted
here in halves of sigma, which for people are years.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from station.domain import StationError
from training.labels import Bins


class LossError(StationError):
    """There is no loss of that name."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The age bins on a device: `years`, K, and the width of soft labels."""

    years: Tensor
    sigma_years: float

    @classmethod
    def of(cls, bins: Bins, device: torch.device) -> Scale:
        """Of bins, float32."""
        return cls(torch.tensor(bins.years, dtype=torch.float32, device=device), bins.sigma_years)

    @property
    def unit_years(self) -> float:
        """What a year is to people."""
        return self.sigma_years / 2

    def nearest(self, ages: Tensor) -> Tensor:
        """The number of the bin nearest to each age, B."""
        return (ages[:, None] - self.years).abs().argmin(dim=1)

    def mean(self, logits: Tensor) -> Tensor:
        """The expectation over the bins in years, B."""
        return functional.softmax(logits, dim=1) @ self.years


Decode = Callable[[Tensor], Tensor]
"""From what a head gives, B x W, to logits over the bins, B x K, whose softmax are the probabilities."""


def as_they_are(outputs: Tensor) -> Tensor:
    """The head gives the logits."""
    return outputs


def conditional(outputs: Tensor) -> Tensor:
    """Log-probabilities B x K from B x (K - 1) logits of "older than bin k, if at least k" (Shi et al. 2023, CORN)."""
    nothing = torch.zeros_like(outputs[:, :1])
    reached = torch.cat([nothing, functional.logsigmoid(outputs).cumsum(dim=1)], dim=1)
    stays = torch.cat([functional.logsigmoid(-outputs), nothing], dim=1)
    return reached + stays


@dataclass(frozen=True, slots=True)
class Loss:
    """`each` gives the loss of every face, B, from outputs B x W and ages B in years."""

    each: Callable[[Tensor, Tensor, Scale], Tensor]
    decode: Decode = as_they_are
    outputs_less: int = 0
    """K - W."""


def _cross_entropy(logits: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    return functional.cross_entropy(logits, scale.nearest(ages), reduction="none")


def _soft(logits: Tensor, labels: Tensor) -> Tensor:
    return -(labels * functional.log_softmax(logits, dim=1)).sum(dim=1)


def _mean_variance(logits: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    """Pan, Han, Shan and Chen 2018, "Mean-Variance Loss for Deep Age Estimation from a Face", eq. 5."""
    mean = scale.mean(logits)
    variance = (functional.softmax(logits, dim=1) * (scale.years - mean[:, None]) ** 2).sum(dim=1)
    unit = scale.unit_years**2
    return _cross_entropy(logits, ages, scale) + 0.2 * 0.5 * (mean - ages) ** 2 / unit + 0.05 * variance / unit


def _dldl(logits: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    """Normal soft labels (Gao et al. 2017, "Deep Label Distribution Learning With Label Ambiguity")."""
    distance = (scale.years - ages[:, None]) / scale.sigma_years
    return _soft(logits, functional.softmax(-0.5 * distance**2, dim=1))


_MEAN_WEIGHT = 0.3


def _dldl_v2(logits: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    """Normal soft labels and the error of the mean (Gao et al. 2018, "Age Estimation Using Expectation of Label
    Distribution Learning", eq. 9; there its weight is 1).
    """
    return _dldl(logits, ages, scale) + _MEAN_WEIGHT * (scale.mean(logits) - ages).abs() / scale.unit_years


def _sord(logits: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    """Soft ordinal labels by absolute distance (Diaz and Marathe 2019, "Soft Labels for Ordinal Regression", eq. 1)."""
    return _soft(logits, functional.softmax(-(scale.years - ages[:, None]).abs() / scale.sigma_years, dim=1))


def _corn(outputs: Tensor, ages: Tensor, scale: Scale) -> Tensor:
    """Shi, Cao and Raschka 2023, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
    Probabilities", eq. 7; averaged over the K - 1 questions, of which only those up to the age are asked.
    """
    bin_number = scale.nearest(ages)[:, None]
    question = torch.arange(outputs.shape[1], device=outputs.device)
    older, asked = (bin_number > question).float(), (bin_number >= question).float()
    return (functional.binary_cross_entropy_with_logits(outputs, older, reduction="none") * asked).mean(dim=1)


DEFAULT = "dldl-v2"
LOSSES: Mapping[str, Loss] = {
    "cross-entropy": Loss(_cross_entropy),
    "mean-variance": Loss(_mean_variance),
    "dldl": Loss(_dldl),
    "dldl-v2": Loss(_dldl_v2),
    "sord": Loss(_sord),
    "corn": Loss(_corn, conditional, outputs_less=1),
}


def find(name: str) -> Loss:
    """A loss by name; raises `LossError`."""
    if name not in LOSSES:
        raise LossError(f"there is no loss called {name!r}: use one of {', '.join(LOSSES)}")
    return LOSSES[name]
