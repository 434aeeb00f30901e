"""An embedding of faces in closed form: what varies within an animal is made small, the rest is left.

Features are whitened by their covariance within individuals (WCCN: Hatch, Kajarekar and Stolcke 2006, "Within-class
covariance normalization for SVM-based speaker recognition"), with the faces also shown mirrored and as a camera trap
might see them, so that light, focus and pose belong to what varies within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from station.domain import Floats, Pixels
from training.augment import PRESETS, augment
from training.folds import Indices, Names, Numbers
from training.taps import Tapped

SIZE = 512
"""E, at most: with 256, 512 and all dimensions, unseen pandas' mAP was 0.818, 0.838 and 0.842."""
SHOWN = 5
"""How often each face is shown: as it is, mirrored, and as a camera trap might see it."""
STRENGTHS = (0.03, 0.1, 0.3)
"""Added to the covariance within, of its mean variance."""
_BATCH = 32
_LEAST_SHARE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The features of N faces, each shown several times: V x N x D, as they are first."""

    features: Floats
    widths: tuple[int, ...]
    """How many features come from each layer."""

    def take(self, rows: Indices) -> Views:
        """Some of the faces."""
        return Views(self.features[:, rows], self.widths)


def views(tapped: Tapped, crops: Pixels, device: torch.device, seed: int, shown: int = SHOWN) -> Views:
    """Of crops uint8 N x 3 x S x S."""
    tapped = tapped.to(device)
    chance = torch.Generator().manual_seed(seed)
    parts: list[list[Floats]] = [[] for _ in range(shown)]
    bar = tqdm(total=shown * len(crops), desc="features", unit="face", disable=None)
    with torch.inference_mode(), bar as progress:
        for batch in torch.from_numpy(crops).split(_BATCH):  # type: ignore[no-untyped-call]
            for number, part in enumerate(parts):
                part.append(tapped(_shown(batch, number, chance).to(device))[1].float().cpu().numpy())
                progress.update(len(batch))
    widths = tapped.widths(torch.from_numpy(crops[:1]).to(device))
    return Views(np.stack([np.concatenate(part) for part in parts]), tuple(widths))


def _shown(batch: Tensor, number: int, chance: torch.Generator) -> Tensor:
    if number == 0:
        return batch
    if number == 1:
        return batch.flip(3)
    return augment(batch, chance, PRESETS["camera_trap"]).round().to(torch.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """`normalised(features @ weight.T + bias)`, E x D and E."""

    weight: Numbers
    bias: Numbers

    def __call__(self, features: npt.NDArray[np.floating]) -> Numbers:
        """Unit vectors N x E."""
        seen = features @ self.weight.T + self.bias
        return np.asarray(seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-12), np.float64)


def fit(known: Views, individuals: Names, strengths: Sequence[float], size: int = SIZE) -> list[Whitening]:
    """The embedding for each strength, of faces of at least two individuals."""
    scale = _scale(known)
    owner = np.tile(np.unique(individuals, return_inverse=True)[1], len(known.features))
    shown = np.concatenate(list(known.features)).astype(np.float64) / scale
    mean = shown.mean(axis=0)
    axes = _axes(shown - mean)
    inside = (shown - mean) @ axes.T
    within = _within(inside, owner)
    unit = max(float(np.trace(within)) / len(within), 1e-12)
    variances, directions = np.linalg.eigh(within / unit)
    found = []
    for strength in strengths:
        white = directions / np.sqrt(np.maximum(variances, 0) + strength)
        turned = inside @ white
        kept = np.linalg.eigh(turned.T @ turned)[1][:, ::-1][:, :size]  # where most of what is left varies
        weight = (axes.T @ white @ kept).T / scale
        found.append(Whitening(weight, -weight @ (mean * scale)))
    return found


def _axes(centred: Numbers) -> Numbers:
    """The directions in which N x D features vary, unit vectors R x D: by N x N sums where faces are fewer."""
    if len(centred) > centred.shape[1]:
        squares, directions = np.linalg.eigh(centred.T @ centred)
        axes = directions.T
    else:
        squares, of_faces = np.linalg.eigh(centred @ centred.T)
        axes = of_faces.T @ centred / np.sqrt(np.maximum(squares, 1e-300))[:, None]
    return np.asarray(axes[squares > max(float(squares[-1]), 1e-12) * _LEAST_SHARE**2], np.float64)


def _scale(known: Views) -> Numbers:
    """The mean length of what each layer gives, D: layers are to weigh alike."""
    edges = np.cumsum(known.widths)[:-1]
    lengths = [float(np.linalg.norm(part, axis=1).mean()) for part in np.split(known.features[0], edges, axis=1)]
    return np.repeat(np.maximum(lengths, 1e-12), known.widths)


def _within(features: Numbers, owner: Indices) -> Numbers:
    """The covariance about each individual's mean."""
    counts = np.bincount(owner)
    means = np.zeros((len(counts), features.shape[1]))
    np.add.at(means, owner, features)
    apart = features - (means / counts[:, None])[owner]
    return np.asarray(apart.T @ apart / max(len(features) - len(counts), 1), np.float64)


class FaceProgram(nn.Module):
    """uint8 B x 3 x S x S -> probabilities over the age bins float32 B x K, embedding float32 B x E, of unit length."""

    def __init__(self, tapped: Tapped, whitening: Whitening) -> None:
        super().__init__()
        self.tapped = tapped
        self.embed = nn.Linear(whitening.weight.shape[1], whitening.weight.shape[0])
        with torch.no_grad():
            self.embed.weight.copy_(torch.from_numpy(whitening.weight))
            self.embed.bias.copy_(torch.from_numpy(whitening.bias))
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The ages, as they were, and the identity of each face."""
        probabilities, features = self.tapped(pictures)
        return probabilities, functional.normalize(self.embed(features))
