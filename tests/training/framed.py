"""Drawn frames with faces: grey ground, and now and then a white face with black eyes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from station.domain import Pixels
from station.pictures import save_jpeg

HEADER = "path,x,y,width,height,fold,camera\n"


def frame(
    seed: int, faces: int = 1, size: tuple[int, int] = (160, 120)
) -> tuple[Pixels, list[tuple[int, int, int, int]]]:
    """uint8 H x W x 3 and its boxes."""
    chance = np.random.default_rng(seed)
    drawn = np.repeat(chance.integers(60, 120, (size[1], size[0], 1)), 3, axis=2).astype(np.uint8)
    boxes = []
    for number in range(faces):
        side = int(chance.integers(24, 40))
        x, y = number * 80 + int(chance.integers(0, 80 - side)), int(chance.integers(0, size[1] - side))
        drawn[y : y + side, x : x + side] = 240
        eye = side // 5
        for left in (x + eye, x + side - 2 * eye):
            drawn[y + eye : y + 2 * eye, left : left + eye] = 10
        boxes.append((x, y, side, side))
    return drawn, boxes


def manifest(folder: Path, count: int = 8, folds: int = 2) -> Path:
    """A manifest of drawn frames, every fourth without a face."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [HEADER]
    for number in range(count):
        drawn, boxes = frame(number, 0 if number % 4 == 3 else 1)
        (folder / f"{number}.jpg").write_bytes(save_jpeg(drawn))
        cells = [",".join(map(str, box)) for box in boxes] or [",,,"]
        rows += [f"{number}.jpg,{cell},{number % folds},\n" for cell in cells]
    file = folder / "frames.csv"
    file.write_text("".join(rows))
    return file
