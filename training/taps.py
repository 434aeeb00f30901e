"""An age program opened up: what its layers see on the way to an age, of whatever network it was made.

The exported graph knows which module of the network each step belonged to, so no architecture code is needed, and the
ages that come out are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from station.bundles import PROGRAM, BundleError
from training.blocks import OPENED

_COARSEST, _FINEST = 2, 8
"""Maps are taken whose side is at least two cells and at most an eighth of the picture's."""


class Tapped(nn.Module):
    """uint8 B x 3 x S x S -> probabilities, and features float32 B x D.

    Features are the mean of the last map of each stage of the network, and the program's own embedding at the end.
    """

    def __init__(self, program: nn.Module, maps: int) -> None:
        super().__init__()
        self.program, self.maps = program, maps

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Of each face."""
        probabilities, embedding, *maps = self.program(pictures)
        return probabilities, torch.cat([*(seen.mean((2, 3)) for seen in maps), embedding], dim=1)

    def widths(self, pictures: Tensor) -> list[int]:
        """How many of the D features come from each map, and from the embedding."""
        with torch.inference_mode():
            _, embedding, *maps = self.program(pictures)
        return [seen.shape[1] for seen in (*maps, embedding)]


def tapped(bundle: Path) -> Tapped:
    """A bundle's program with its layers in view.  Raises `BundleError`."""
    try:
        program = torch.export.load(bundle / PROGRAM).module()
    except Exception as error:  # whatever the unpickling of a damaged file raises
        raise BundleError(f"{bundle / PROGRAM} cannot be loaded: {type(error).__name__}: {error}") from error
    assert isinstance(program, fx.GraphModule)
    output = program.graph.output_node()
    probabilities, embedding = output.args[0]  # type: ignore[misc, union-attr]
    maps = list(_maps(program.graph, embedding))
    output.args = ((probabilities, embedding, *maps),)
    codegen = program.graph._codegen
    program.graph.set_codegen(_with_outputs(codegen, 2 + len(maps)))
    program.recompile()
    return Tapped(program, len(maps))


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
