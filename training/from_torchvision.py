"""Classification networks of torchvision.  The one room of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn
from torchvision import models

from training.architecture import Architecture
from training.fetching import fetching
from training.weights import PRETRAINED, SCRATCH, load_file

_BARE: Mapping[str, Mapping[str, bool]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
"""Without auxiliary heads; with pretrained weights torchvision takes them away itself."""
_SIGNED = (0.5, 0.5, 0.5)


def names() -> list[str]:
    """All classification models."""
    found: list[str] = models.list_models(module=models)
    return found


def knows(name: str) -> bool:
    """Whether there is a classification model of that name."""
    return name in names()


def create(name: str, weights: str) -> Architecture:
    """Any torchvision classification model; its pretrained weights are the first that were published for it.

    They are what the literature compares (`IMAGENET1K_V1` of most); the later ones bought accuracy on ImageNet with
    recipes whose features transfer less well (Kornblith et al. 2021, arXiv:2010.16402).
    """
    published = next(iter(models.get_model_weights(name)))
    if weights == PRETRAINED:
        with fetching(name):
            network = models.get_model(name, weights=published)
    else:
        network = models.get_model(name, weights=None, **_BARE.get(name, {}))
    cut(network)
    if weights not in (PRETRAINED, SCRATCH):
        load_file(network, Path(weights), name)
    made_for = published.transforms()
    mean, std = (_SIGNED, _SIGNED) if _takes_signed(network) else (made_for.mean, made_for.std)
    return Architecture(network, tuple(mean), tuple(std), getattr(network, "image_size", made_for.crop_size[0]))


def cut(network: nn.Module) -> None:
    """Takes the classifier away, with its dropout: all that of VGG (three layers), the last layer of any other."""
    if isinstance(network, models.VGG):
        network.classifier = nn.Identity()
        return
    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    network.set_submodule(layers[-1][0], nn.Identity())
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Dropout):
            network.set_submodule(name, nn.Identity())


def _takes_signed(network: nn.Module) -> bool:
    """Whether it wants -1..1, as GoogLeNet and Inception do, which were ported from TensorFlow.

    torchvision undoes ImageNet's normalisation inside them (`transform_input`); here it is not done to begin with.
    """
    if not isinstance(network, models.GoogLeNet | models.Inception3):
        return False
    network.transform_input = False
    return True
