"""A network cut into stages from input to output, so that its beginning can be frozen."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

Stage = tuple[nn.Module, ...]
OPENED = frozenset({"blocks", "features", "layers", "stages"})
"""What the libraries call a sequence that is the body of a network."""


def stages(network: nn.Module) -> tuple[Stage, ...]:
    """Every module with parameters is in one stage, in the order in which pictures pass them.

    The stem, then each block of the body, then what follows it.  Where the body is single layers (VGG) or is not
    held together (GoogLeNet), a stage ends with a max-pool.  A network built otherwise has fewer, larger stages.
    """
    found: list[list[nn.Module]] = [[]]
    for module, is_block in _pieces(network):
        if is_block:
            found += [[module], []]
            continue
        found[-1].append(module)
        if isinstance(module, nn.MaxPool2d):
            found.append([])
    return tuple(tuple(stage) for stage in found if any(_has_parameters(module) for module in stage))


def _pieces(network: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """The modules of a network, the body's one by one, and whether each is a block: made of others."""
    for name, child in network.named_children():
        if name in OPENED and isinstance(child, nn.Sequential | nn.ModuleList):
            yield from ((inner, any(True for _ in inner.children())) for inner in child.children())
        else:
            yield child, isinstance(child, nn.Sequential)


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
