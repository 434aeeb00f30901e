"""Networks of timm.  One of the two rooms of timm (importing it takes seconds)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
from huggingface_hub import constants, try_to_load_from_cache
from torch import nn

from training.architecture import Architecture
from training.fetching import fetching, reach
from training.weights import OFFLINE, PRETRAINED, SCRATCH, load_file, load_package


def names() -> list[str]:
    """All models, without the tags of their weights."""
    found: list[str] = timm.list_models()
    return found


def knows(name: str) -> bool:
    """Whether there is a model of that name, with a tag (`NAME.TAG`) or without."""
    return bool(timm.is_model(name))


def create(name: str, weights: str) -> Architecture:
    """Any timm model, normalised as its pretrained weights want it."""
    network = _network(name, weights)
    made_for: Any = network.pretrained_cfg
    return Architecture(network, made_for["mean"], made_for["std"], made_for["input_size"][-1])


def classifier(name: str) -> Architecture | None:
    """A network with its 1000 classes of ImageNet, from a package that needs no internet; None: there is none."""
    package = OFFLINE[name].file() if name in OFFLINE else None
    if package is None:
        return None
    network = timm.create_model(name)
    load_package(network, package, name)
    made_for: Any = network.pretrained_cfg
    return Architecture(network.eval(), made_for["mean"], made_for["std"], made_for["input_size"][-1])


def _network(name: str, weights: str) -> nn.Module:
    package = OFFLINE[name].file() if weights == PRETRAINED and name in OFFLINE else None
    if weights == PRETRAINED and package is None:
        return _fetched(name)
    network: nn.Module = timm.create_model(name, num_classes=0)
    if package is not None:
        load_package(network, package, name)
    elif weights != SCRATCH:
        load_file(network, Path(weights), name)
    return network


def _fetched(name: str) -> nn.Module:
    """From the cache or the internet.

    The hub's client tries again and again, most of a minute, where there is no internet: so that is asked first.
    """
    with fetching(name):
        published = timm.get_pretrained_cfg(name)
        repository = published and published.hf_hub_id
        if repository and not _cached(repository) and not constants.HF_HUB_OFFLINE:
            reach(constants.ENDPOINT)
        network: nn.Module = timm.create_model(name, num_classes=0, pretrained=True)
    return network


def _cached(repository: str) -> bool:
    names = (constants.SAFETENSORS_SINGLE_FILE, constants.PYTORCH_WEIGHTS_NAME)
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)
