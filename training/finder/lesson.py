"""What a finder learns from: scenes as the frozen backbone sees them, made once for all folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from station.domain import Floats, Pixels
from training.finder.looks import Looks, looked
from training.finder.network import Detector
from training.finder.scenes import Mixture, Painter, Scene, Stock
from training.finder.sources import Source
from training.folds import Indices

_BATCH = 16
NO_FOLD = -1


@dataclass(frozen=True, slots=True)
class Plenty:
    """How many scenes of what kind are made."""

    input_px: int = 320
    scenes: int = 2000
    mixture: Mixture = field(default_factory=Mixture)
    looks: Looks = field(default_factory=Looks)
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """N scenes: their pixels, what is in them, and in which fold their sources are judged."""

    pixels: Pixels
    """uint8 N x 3 x S x S, with the looks of camera traps."""
    boxes: Sequence[Floats]
    unsure: Sequence[Floats]
    fold: Indices
    maps: Sequence[Tensor] | None = None
    """What the frozen backbone sees in them, half precision; None: not looked yet."""

    def rows_without(self, fold: int) -> Indices:
        """The scenes for the model that judges a fold; all of them for `NO_FOLD`."""
        return np.flatnonzero(self.fold != fold) if fold != NO_FOLD else np.arange(len(self.fold))


def stocks(sources: Sequence[Source], crops: Sequence[Source], folds: int) -> list[Stock]:
    """What scenes of each fold are made of: the crops, which are never judged, go to all."""
    return [
        Stock(
            [source for source in sources if source.fold == fold and len(source.boxes)],
            [source for source in sources if source.fold == fold and not len(source.boxes)],
            crops,
            fold,
        )
        for fold in range(folds)
    ]


def prepared(kinds: Sequence[Stock], plenty: Plenty) -> Lesson:
    """Scenes in equal numbers a frame with faces, so that a fold of many frames has more of them."""
    chance = np.random.default_rng(plenty.seed)
    light = torch.Generator().manual_seed(plenty.seed)
    frames = [max(1, len(stock.framed)) for stock in kinds]
    made: list[Scene] = []
    with tqdm(total=plenty.scenes, desc="making scenes", unit="scene", disable=None) as progress:
        for stock, share in zip(kinds, frames, strict=True):
            painter = Painter(stock, plenty.input_px, plenty.mixture, chance)
            for start in range(0, count := round(plenty.scenes * share / sum(frames)), _BATCH):
                scenes = [painter.scene() for _ in range(min(_BATCH, count - start))]
                seen = looked(torch.stack([scene.pixels for scene in scenes]), light, plenty.looks)
                made += [replace(scene, pixels=pixels) for scene, pixels in zip(scenes, seen, strict=True)]
                progress.update(len(scenes))
    pixels = np.stack([scene.pixels.numpy() for scene in made])
    fold = np.array([scene.fold for scene in made])
    return Lesson(pixels, [scene.boxes for scene in made], [scene.unsure for scene in made], fold)


@torch.inference_mode()
def looked_at(lesson: Lesson, detector: Detector, device: torch.device) -> Lesson:
    """With what the backbone sees."""
    form = detector.served().to(device).to(memory_format=torch.channels_last)
    seen: list[list[Tensor]] = []
    for batch in tqdm(list(_batches(lesson.pixels)), "looking at scenes", unit="batch", disable=None):
        with torch.autocast(device.type, torch.bfloat16):
            maps = form.maps(torch.from_numpy(batch).to(device, memory_format=torch.channels_last))
        seen.append([each.half().cpu().contiguous() for each in maps])
    return replace(lesson, maps=[torch.cat(level) for level in zip(*seen, strict=True)])


def _batches(pixels: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(pixels), _BATCH):
        yield pixels[start : start + _BATCH]
