"""The networks that turn a picture into features, by name.

A network of its own kind is one entry of `REGISTRY`; any other name is looked up in timm, then in torchvision;
`timm:NAME` and `torchvision:NAME` say in which.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from station.domain import StationError
from training import from_timm, from_torchvision
from training.architecture import Architecture, Library
from training.blocks import Stage, stages
from training.served import folded, served, unfold
from training.weights import PRETRAINED, SCRATCH, WeightsError

__all__ = [
    "PRETRAINED", "REGISTRY", "SCRATCH", "STUDY_NETWORKS", "Backbone", "NetworkError", "Size", "WeightsError",
    "build", "check", "size",
]  # fmt: skip

REGISTRY: Mapping[str, Callable[[str, str], Architecture]] = {
    "vgg11_bn": from_torchvision.create,
    "vgg16_bn": from_torchvision.create,
    "resnet18": from_torchvision.create,
    "resnet50": from_torchvision.create,
    "googlenet": from_torchvision.create,
    "mnasnet1_0": from_torchvision.create,
    "repvgg_a0": from_timm.create,
    "tf_efficientnet_lite0": from_timm.create,
}
STUDY_NETWORKS = tuple(REGISTRY)
_LIBRARIES: Mapping[str, Library] = {"timm": from_timm, "torchvision": from_torchvision}


class NetworkError(StationError):
    """There is no network of that name, or it does not do what is asked of it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a network in the form it is served in, without its head."""

    parameters: int
    macs: int
    """Multiply-adds for one picture."""


class Backbone(nn.Module):
    """A network without its classifier: float32 B x 3 x S x S, normalised, -> features float32 B x E.

    Features are what the last layer before the classifier gives, without dropout: the pooled map, of VGG the 7 x 7
    map itself.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], input_px: int):
        super().__init__()
        self.name = name
        self.network = network
        self.input_px = input_px
        self.pretrained = True
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def normalised(self, pictures: Tensor) -> Tensor:
        """What the network was trained to see, from B x 3 x S x S in 0..255, uint8 or float."""
        return (pictures.to(torch.float32) / 255 - self.mean) / self.std

    def forward(self, normalised: Tensor) -> Tensor:
        """Features, B x E."""
        features: Tensor = self.network(normalised)
        return features

    def width(self) -> int:
        """E, found by a trial run; raises `NetworkError` where the network does not take `input_px`."""
        training = self.network.training
        try:
            with torch.inference_mode():
                return int(self.eval()(self._sample()).shape[1])
        except (AssertionError, RuntimeError) as error:
            raise NetworkError(f"{self.name} does not take pictures of {self.input_px} pixels: {error}") from error
        finally:
            self.network.train(training)

    def stages(self) -> tuple[Stage, ...]:
        """The network's modules from input to output; each of its parameters is in one."""
        return stages(self.network)

    def freeze_first(self, count: int) -> None:
        """Lets all but the first `count` stages learn; none is frozen with 0.  What belongs to no module goes first."""
        found = self.stages()
        if not 0 <= count <= len(found):
            raise NetworkError(f"{self.name} has {len(found)} stages: the first {count} cannot be frozen")
        self.network.requires_grad_(True)
        for parameter in self.network.parameters(recurse=False):
            parameter.requires_grad_(count == 0)
        for module in (module for stage in found[:count] for module in stage):
            module.requires_grad_(False)

    def served(self) -> Backbone:
        """The form for inference, a copy: the same features (but for rounding), sooner."""
        mean, std = (tuple(each.flatten().tolist()) for each in (self.mean, self.std))
        form = Backbone(self.name, served(self.network, self._sample()), mean, std, self.input_px)
        form.pretrained = self.pretrained
        return form.to(self.mean.device).eval()

    def folded(self) -> Folded:
        """The form for training with frozen statistics, a copy; where they are to be learnt, a copy as it is."""
        copy, pairs = folded(self.network, self._sample()) if self.pretrained else (deepcopy(self.network), [])
        mean, std = (tuple(each.flatten().tolist()) for each in (self.mean, self.std))
        form = Backbone(self.name, copy, mean, std, self.input_px)
        form.pretrained = self.pretrained
        return Folded(form, pairs)

    def take(self, trained: Folded) -> None:
        """The weights of a trained form of this backbone."""
        unfold(self.network, trained.form.network, trained.pairs)

    def _sample(self) -> Tensor:
        return torch.zeros(1, 3, self.input_px, self.input_px, device=self.mean.device)


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A backbone whose batch norms are part of its convolutions."""

    form: Backbone
    pairs: list[tuple[str, str]]


def build(name: str, weights: str = PRETRAINED, input_px: int | None = None) -> Backbone:
    """A network by name, on the CPU.

    `weights`: `auto` (pretrained: from the network's package where that is installed, else from the internet, kept
    for later), `none` (random), or a file: a state dict of this network, with its classifier or without, or a
    bundle's `weights.pt`.  `input_px` None: what it was made for.  Raises `WeightsError` and `NetworkError`.
    """
    made = _create(name, weights)
    backbone = Backbone(name, made.network, made.mean, made.std, input_px or made.input_px)
    backbone.pretrained = weights != SCRATCH
    return backbone


def size(backbone: Backbone) -> Size:
    """Counted on a picture of `input_px`; nothing is computed."""
    form = backbone.served().to("meta")
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        form(form._sample())
    return Size(sum(p.numel() for p in form.parameters()), counter.get_total_flops() // 2)


def check(names: Iterable[str]) -> None:
    """Raises `NetworkError` where one of them is no network's; none is built."""
    for name in names:
        _maker(name)


def _create(name: str, weights: str) -> Architecture:
    make, plain = _maker(name)
    return make(plain, weights)


def _maker(name: str) -> tuple[Callable[[str, str], Architecture], str]:
    """Who creates it, and under what name."""
    if name in REGISTRY:
        return REGISTRY[name], name
    library, colon, plain = name.rpartition(":")
    if colon and library not in _LIBRARIES:
        raise NetworkError(f"{name}: networks come from {' and '.join(_LIBRARIES)}, not from {library}")
    asked = [_LIBRARIES[library]] if colon else list(_LIBRARIES.values())
    for candidate in asked:
        if candidate.knows(plain):
            return candidate.create, plain
    raise _unknown(name, sorted({*REGISTRY, *(known for candidate in asked for known in candidate.names())}))


def _unknown(name: str, known: list[str]) -> NetworkError:
    near = difflib.get_close_matches(name.rpartition(":")[2], known, 3)
    hint = f"perhaps {', '.join(near)}" if near else "see timm.list_models() and torchvision.models.list_models()"
    return NetworkError(f"there is no network called {name}: {hint}")
