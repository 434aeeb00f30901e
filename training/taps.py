"""An age program opened up: what its layers see on the way to an age, of whatever network it was made.

The exported graph knows which module of the network each step belonged to, so no architecture code is needed, and the
ages that come out are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from station.bundles import PROGRAM, BundleError
from training.blocks import OPENED

_COARSEST, _FINEST = 2, 8
"""Maps are taken whose side is at least two cells and at most an eighth of the picture's."""


class Tapped(nn.Module):
    """uint8 B x 3 x S x S -> probabilities, and features float32 B x D.

    Features are the means of the upper, middle and lower third of the last map of each stage of the network, and the
    program's own embedding at the end.  (Left and right are not kept apart: they change places as a head turns.)
    """

    def __init__(self, program: nn.Module, most: int | None) -> None:
        super().__init__()
        self.program = program
        self.most = most
        """Pictures that the program takes in one batch; None: any number."""

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Of each face."""
        probabilities, embedding, *maps = self.program(pictures)
        return probabilities, torch.cat([*(_thirds(seen) for seen in maps), embedding], dim=1)

    def widths(self, pictures: Tensor) -> list[int]:
        """How many of the D features come from each map, and from the embedding."""
        with torch.inference_mode():
            _, embedding, *maps = self.program(pictures)
        return [*(_thirds(seen).shape[1] for seen in maps), embedding.shape[1]]


def _thirds(seen: Tensor) -> Tensor:
    """B x C x H x W -> B x 3C."""
    return functional.adaptive_avg_pool2d(seen, (3, 1)).flatten(1)


def tapped(bundle: Path) -> Tapped:
    """A bundle's program with its layers in view.  Raises `BundleError`."""
    try:
        exported = torch.export.load(bundle / PROGRAM)
        program = exported.module()
    except Exception as error:  # whatever the unpickling of a damaged file raises
        raise BundleError(f"{bundle / PROGRAM} cannot be loaded: {type(error).__name__}: {error}") from error
    assert isinstance(program, fx.GraphModule)
    output = program.graph.output_node()
    given: Any = output.args[0]
    probabilities, embedding = given
    maps = list(_maps(program.graph, embedding))
    output.args = ((probabilities, embedding, *maps),)
    codegen = program.graph._codegen
    program.graph.set_codegen(_with_outputs(codegen, 2 + len(maps)))
    program.recompile()
    return Tapped(program, _most(exported))


def _most(exported: torch.export.ExportedProgram) -> int | None:
    limits = [each.upper for each in exported.range_constraints.values() if each.upper.is_Integer]
    return int(limits[0]) if limits else None


def _with_outputs(codegen: object, count: int) -> fx.graph.CodeGen:
    """The way a program takes and gives its tensors, with so many of them given."""
    info = codegen.pytree_info  # type: ignore[attr-defined]
    _, out = torch.utils._pytree.tree_flatten(tuple(range(count)))
    return fx.graph._PyTreeCodeGen(info._replace(out_spec=out))


def _maps(graph: fx.Graph, embedding: fx.Node) -> Iterator[fx.Node]:
    """The last map of each stage, in the order in which pictures pass them."""
    last: dict[tuple[str, ...], fx.Node] = {}
    side = next(node.meta["val"].shape[-1] for node in graph.nodes if node.op == "placeholder")
    for node in graph.nodes:
        seen = node.meta.get("val")
        if node.op != "call_function" or getattr(seen, "ndim", 0) != 4 or not seen.is_floating_point():
            continue
        if _COARSEST <= seen.shape[-1] <= side // _FINEST and seen.shape[1] != embedding.meta["val"].shape[1]:
            last[_stage(node)] = node
    yield from last.values()


def _stage(node: fx.Node) -> tuple[str, ...]:
    """The stage of the network that a step belongs to, as in `training.blocks`, by the path of its module."""
    paths = [str(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
    parts = paths[-1].split(".") if paths else []
    inside = parts[parts.index("network") + 1 :] if "network" in parts else parts
    return tuple(inside[: 2 if inside and inside[0] in OPENED else 1])
