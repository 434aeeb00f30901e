"""A tiny finder as a real bundle, made with torch alone: it finds bright discs, and its gate refuses green ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d, max_pool2d

from station.bundles import CARD, GOLDEN, PROGRAM, Figure, writing
from station.domain import Pixels
from station.finder_card import GATE, FinderCard, FrameData, Gate, read_finder_card
from station.pictures import save_jpeg
from station.views import Looking

SIZE_PX, GATE_PX, MOST = 96, 32, 8
SIDES_PX = (9, 11, 13, 17, 21, 27, 35, 45, 57)
"""Of the discs that it knows, in a view."""
BACKGROUND, WHITE, RED, GREEN = (40, 40, 40), (230, 230, 230), (230, 60, 60), (60, 230, 60)
Disc = tuple[float, float, float, tuple[int, int, int]]
"""The middle in pixels, the diameter, the colour."""


class Discs(torch.nn.Module):
    """A disc is where a square of its side is bright and what is around is not."""

    def forward(self, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bright = (views.amax(dim=1, keepdim=True) > 150).float()
        score, size = torch.cat([_like_a_disc(bright, side) for side in SIDES_PX], dim=1).max(dim=1)
        peak = max_pool2d(score[:, None], 9, 1, 4)[:, 0] == score
        scores, at = torch.topk((score * peak).flatten(1), MOST)
        side = torch.tensor(SIDES_PX)[torch.gather(size.flatten(1), 1, at)] / SIZE_PX
        x, y = (at % SIZE_PX + 0.5) / SIZE_PX, (at // SIZE_PX + 0.5) / SIZE_PX
        return torch.stack([x - side / 2, y - side / 2, side, side], dim=2), scores.clamp(0, 1)


def _like_a_disc(bright: torch.Tensor, side: int) -> torch.Tensor:
    wide = side // 2 * 3 + 1 - side // 2 % 2
    inside, outside = _mean(bright, side), _mean(bright, wide)
    around = (outside * wide**2 - inside * side**2) / (wide**2 - side**2)
    return inside - 2 * around


def _mean(bright: torch.Tensor, side: int) -> torch.Tensor:
    return avg_pool2d(avg_pool2d(bright, (1, side), 1, (0, side // 2)), (side, 1), 1, (side // 2, 0))


class NotGreen(torch.nn.Module):
    """How sure a crop is of no green disc."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        red, green, _ = crops.float().mean(dim=(2, 3)).unbind(1)
        return torch.sigmoid((red - green + 20) / 4)


def finder_card(**changes: object) -> FinderCard:
    """The tiny finder's card, with changes."""
    fields: dict[str, object] = {
        "version": "discs-1",
        "architecture": "discs",
        "species": "giant_panda",
        "input_px": SIZE_PX,
        "threshold": 0.5,
        "least_face_share": 0.03,
        "views": Looking(9.0),
        "training": (FrameData("none", "0" * 64, 10, 10),),
        "metrics": {"ap50": Figure(0.9, 0.8, 1.0)},
        "created_at": "2026-01-01T00:00:00+00:00",
        "libraries": {"torch": torch.__version__},
    }
    return FinderCard(**(fields | changes))  # type: ignore[arg-type]


def disc_finder(folder: Path) -> Path:
    """Writes the bundle."""
    views = np.stack([drawn(SIZE_PX, SIZE_PX, [(30 + 9 * n, 50, 13 + 8 * n, WHITE)]) for n in range(4)])
    crops = np.stack([drawn(GATE_PX, GATE_PX, [(16, 16, 24, colour)]) for colour in (WHITE, GREEN)])
    inputs, asked = (np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)) for pictures in (views, crops))
    with writing(folder) as scratch:
        boxes, scores = _export(Discs(), inputs, scratch / PROGRAM)
        (told,) = _export(NotGreen(), asked, scratch / GATE)
        np.savez(scratch / GOLDEN, inputs=inputs, boxes=boxes, scores=scores, gate_inputs=asked, gate=told)
        card = finder_card(gate=Gate(GATE_PX, 0.1, 0.5, "not green"))
        (scratch / CARD).write_text(card.to_json())
    return folder


def with_card(bundle: Path, folder: Path, **changes: object) -> Path:
    """The same finder with a changed card."""
    shutil.copytree(bundle, folder)
    card = read_finder_card(bundle)
    (folder / CARD).write_text(replace(card, **changes).to_json())  # type: ignore[arg-type]
    return folder


def _export(
    network: torch.nn.Module, inputs: Pixels, file: Path
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    pictures = torch.from_numpy(inputs)
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(network, (pictures,), dynamic_shapes=({0: batch},))
    torch.export.save(program, file)
    given = program.module()(pictures)
    return [output.numpy() for output in (given if isinstance(given, tuple) else (given,))]


def drawn(width: int, height: int, discs: list[Disc], seed: int = 0) -> Pixels:
    """A frame with discs and a little grain, uint8 H x W x 3."""
    rng = np.random.default_rng(seed)
    frame = np.empty((height, width, 3), np.float32)
    frame[:] = BACKGROUND
    down, across = np.mgrid[:height, :width] + 0.5
    for x, y, diameter, colour in discs:
        frame[(across - x) ** 2 + (down - y) ** 2 <= (diameter / 2) ** 2] = colour
    grain = rng.integers(-18, 19, (height, width, 1))
    return np.asarray(np.clip(frame + grain, 0, 255).astype(np.uint8))


def photograph(width: int, height: int, discs: list[Disc], seed: int = 0) -> bytes:
    """The same as a JPEG taken at 2026-05-01 10:00:00."""
    return save_jpeg(drawn(width, height, discs, seed), "2026:05:01 10:00:00")
