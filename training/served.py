"""The form a network is served in: the same function in fewer steps.  One of the two rooms of timm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from timm.utils.model import reparameterize_model
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.utils.fusion import fuse_conv_bn_eval

_CONVOLUTIONS = (torch.ops.aten.conv2d.default, torch.ops.aten.conv2d.padding)
_NORM = torch.ops.aten.batch_norm.default


def served(network: nn.Module, sample: Tensor) -> nn.Module:
    """A copy for inference: branches merged (RepVGG), batch normalisation folded into the convolution before it.

    `sample`: any pictures that the network takes.  The copy cannot be trained.
    """
    copy: nn.Module = reparameterize_model(network)
    copy.eval().requires_grad_(False)
    for convolution, norm in list(_pairs(copy, sample)):
        _fold(copy, convolution, norm)
    return copy


def folded(network: nn.Module, sample: Tensor) -> tuple[nn.Module, list[tuple[str, str]]]:
    """A copy to train, with frozen statistics folded away, and which pairs of modules were folded.

    It computes the same in half the time: a batch norm with fixed statistics is one more pass over each feature map,
    forwards and backwards.
    """
    copy = deepcopy(network).eval()
    pairs = list(_pairs(copy, sample))
    for convolution, norm in pairs:
        _fold(copy, convolution, norm)
    return copy.requires_grad_(True), pairs


@torch.no_grad()
def unfold(network: nn.Module, trained: nn.Module, pairs: list[tuple[str, str]]) -> None:
    """Gives `network` the weights of its folded copy: what the copy learnt as bias becomes that of the batch norm."""
    learnt = trained.state_dict()
    for convolution, norm in pairs:
        bias = learnt.pop(f"{convolution}.bias")
        after = network.get_submodule(norm)
        before = network.get_submodule(convolution)
        assert isinstance(after, nn.BatchNorm2d) and after.running_mean is not None and after.running_var is not None
        after.running_mean.zero_()
        after.running_var.fill_(1.0)
        after.weight.fill_(math.sqrt(1.0 + after.eps))
        after.bias.copy_(bias)
        if isinstance(before.bias, Tensor):
            before.bias.zero_()
    network.load_state_dict(learnt, strict=False)


def _pairs(network: nn.Module, sample: Tensor) -> Iterator[tuple[str, str]]:
    """Names of convolutions, and of the batch norms that alone read their output, as the traced pictures pass them."""
    program = torch.export.export(network, (sample,))
    owners = program.graph_signature.inputs_to_parameters
    for norm in program.graph.nodes:
        if norm.target is not _NORM or norm.args[0].target not in _CONVOLUTIONS or len(norm.args[0].users) > 1:
            continue
        names = [_owner(owners, node.args[1]) for node in (norm.args[0], norm)]
        if names[0] and names[1]:
            yield names[0], names[1]


def _owner(owners: dict[str, str], weight: Any) -> str | None:
    """The name of the module whose own `weight` this is, if it has it to itself."""
    if not isinstance(weight, Node) or len(weight.users) > 1 or weight.name not in owners:
        return None
    module, _, kind = owners[weight.name].rpartition(".")
    return module if kind == "weight" else None


def _fold(network: nn.Module, convolution: str, norm: str) -> None:
    before, after = network.get_submodule(convolution), network.get_submodule(norm)
    if not isinstance(before, nn.Conv2d) or not isinstance(after, nn.BatchNorm2d):
        return
    if type(after) not in (nn.BatchNorm2d, BatchNormAct2d):
        return
    network.set_submodule(convolution, fuse_conv_bn_eval(before, after))
    rest = nn.Sequential(after.drop, after.act) if isinstance(after, BatchNormAct2d) else nn.Identity()
    network.set_submodule(norm, rest)
