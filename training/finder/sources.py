"""Decoded pictures to make scenes of: frames with their boxes, and face crops to paste."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from station.domain import Floats, Pixels
from station.flow import parallel
from station.pictures import BadPicture, Picture
from training.finder.frames import LabelledFrame

KEPT_PX = 768
"""The longest side that a picture is kept with: scenes are made smaller, seldom larger."""
CROP_PX = 320


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One picture in memory."""

    pixels: Pixels
    """uint8 3 x H x W."""
    boxes: Floats
    """n x 4 in these pixels: x, y, width, height."""
    fold: int
    """-1: never judged, so it may stand on any side."""
    camera: str = ""

    def tensor(self) -> Tensor:
        """Float32 3 x H x W in 0..255."""
        return torch.from_numpy(self.pixels).float()


def load(frames: Sequence[LabelledFrame], say: Callable[[str], None]) -> list[Source]:
    """Pictures that cannot be read are named and left out."""
    return [source for source in _read(frames, _frame, "reading frames", say) if isinstance(source, Source)]


def crops(paths: Sequence[Path], say: Callable[[str], None]) -> list[Source]:
    """Pictures that are one face as a whole."""
    frames = [LabelledFrame(path, (), -1, "") for path in paths]
    return [source for source in _read(frames, _crop, "reading faces", say) if isinstance(source, Source)]


def _read(
    frames: Sequence[LabelledFrame],
    load_one: Callable[[LabelledFrame], Source | str],
    what: str,
    say: Callable[[str], None],
) -> list[Source | str]:
    workers = os.cpu_count() or 1
    found = []
    for frame, source in tqdm(
        parallel(lambda f: (f, load_one(f)), frames, workers, "frames"), what, len(frames), unit="frame", disable=None
    ):
        if isinstance(source, str):
            say(f"{frame.path} is left out: {source}")
        found.append(source)
    return found


def _frame(frame: LabelledFrame) -> Source | str:
    return _decoded(frame, KEPT_PX)


def _crop(frame: LabelledFrame) -> Source | str:
    source = _decoded(frame, CROP_PX)
    if isinstance(source, str):
        return source
    height, width = source.pixels.shape[1:]
    return Source(source.pixels, np.array([[0, 0, width, height]], np.float32), -1)


def _decoded(frame: LabelledFrame, longest_px: int) -> Source | str:
    try:
        picture = Picture(frame.path.read_bytes())
        scale = min(1.0, longest_px / max(picture.width, picture.height))
        image = picture.pixels(scale)
        image = image.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    except (BadPicture, OSError) as error:
        return str(error)
    rows = [[box.x, box.y, box.width, box.height] for box in frame.boxes]
    boxes = np.array(rows, np.float32).reshape(-1, 4) * scale
    return Source(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)), boxes, frame.fold, frame.camera)
