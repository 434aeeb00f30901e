"""The trained model as one program, and the bundle around it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from station.bundles import GOLDEN, PROGRAM, WEIGHTS, BundleError
from station.domain import Pixels
from training.head import Head
from training.networks import Backbone

GOLDEN_FACES = 8
TOLERANCE = 1e-4


class AgeProgram(nn.Module):
    """uint8 B x 3 x S x S -> probabilities over the age bins float32 B x K, embedding float32 B x E."""

    log_prior: Tensor

    def __init__(self, backbone: Backbone, head: Head, temperature: float = 1.0, flip: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(head.weight.shape[1], head.weight.shape[0])
        self.head.load_state_dict({"weight": head.weight, "bias": head.bias})
        self.register_buffer("log_prior", head.log_prior)
        self.decode, self.temperature, self.flip = head.decode, temperature, flip

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The ages and the identity of each face; the temperature acts as in `training.calibrate`."""
        embedding = self.backbone(self.backbone.normalised(pictures))
        if self.flip:
            embedding = (embedding + self.backbone(self.backbone.normalised(pictures.flip(3)))) / 2
        logits = self.log_prior + (self.decode(self.head(embedding)) - self.log_prior) / self.temperature
        return torch.softmax(logits, dim=1, dtype=torch.float32), embedding


def write(folder: Path, program: AgeProgram, crops: Pixels) -> str:
    """Writes a bundle's files into `folder`, all but the card; returns the SHA-256 of the program.

    `crops`, uint8 n x 3 x S x S, become the golden inputs.  The weights are those of the network as it was trained;
    the program is its form for inference.  Raises `BundleError` where that, loaded again, does not reproduce its
    source.
    """
    program.cpu().to(memory_format=torch.contiguous_format).eval()
    write_golden(program, crops, folder / GOLDEN)
    weights = {"backbone": program.backbone.network.state_dict(), "head": program.head.state_dict()}
    torch.save(weights, folder / WEIGHTS)
    program.backbone = program.backbone.served()
    save_program(program, folder / PROGRAM, crops.shape[-1])
    check(folder)
    return hashlib.sha256((folder / PROGRAM).read_bytes()).hexdigest()


def save_program(program: nn.Module, file: Path, input_px: int, most: int | None = None) -> None:
    """Exports for any batch of at least one picture, of at most `most`, and saves."""
    sample = torch.zeros(2, 3, input_px, input_px, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=most)
    exported = torch.export.export(program, (sample,), dynamic_shapes=({0: batch},))
    torch.export.save(exported, file)


def check(folder: Path) -> None:
    """Raises `BundleError` where the program in `folder` does not give its golden outputs, together and one by one."""
    program = torch.export.load(folder / PROGRAM).module()
    with np.load(folder / GOLDEN) as golden:
        inputs = torch.from_numpy(golden["inputs"])
        wanted = [torch.from_numpy(golden[name]) for name in ("probabilities", "embedding")]
    with torch.inference_mode():
        together = program(inputs)
        alone = program(inputs[:1])
    for got, first, want in zip(together, alone, wanted, strict=True):
        scale = max(1.0, float(want.abs().max()))
        difference = max(float((got - want).abs().max()), float((first - want[:1]).abs().max()))
        if not difference <= TOLERANCE * scale:
            raise BundleError(f"the exported program differs from its source by {difference:g}: it is not written")


def write_golden(program: nn.Module, crops: Pixels, file: Path) -> None:
    """What a program gives for crops uint8 n x 3 x S x S."""
    with torch.inference_mode():
        probabilities, embedding = program(torch.from_numpy(crops))
    np.savez(file, inputs=crops, probabilities=probabilities.numpy(), embedding=embedding.numpy())
