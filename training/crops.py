"""From a manifest's row to a square crop, cut by the same function as in service."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from station.domain import WHOLE, Box, Pixels
from station.flow import parallel
from station.pictures import BadPicture, Picture
from training.manifest import PixelBox, Row


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A face as it was cut."""

    pixels: Pixels
    """uint8 3 x S x S."""
    digest: str
    """SHA-256 of the picture's bytes."""
    face_px: float
    """The shorter side of the face in the picture, in its own pixels."""


def cut(rows: Sequence[Row], input_px: int, margin: float) -> Iterator[tuple[Row, Crop | str]]:
    """Each row, in order, with its crop or why there is none; read on all cores, a bounded way ahead."""
    read = parallel(lambda row: (row, _cut(row, input_px, margin)), rows, os.cpu_count() or 1, "faces")
    yield from tqdm(read, "reading faces", len(rows), unit="face", disable=None)


def _cut(row: Row, input_px: int, margin: float) -> Crop | str:
    try:
        data = row.path.read_bytes()
        picture = Picture(data)
        box = _fractions(row.box, picture)
        if box.x >= 1 or box.y >= 1 or box.x + box.width <= 0 or box.y + box.height <= 0:
            return f"the box lies outside the picture of {picture.width} x {picture.height} pixels"
        pixels = picture.crops([box], input_px, margin)[0]
        face_px = min(box.width * picture.width, box.height * picture.height)
        return Crop(pixels, hashlib.sha256(data).hexdigest(), face_px)
    except (BadPicture, OSError) as error:
        return str(error)


def cut_out(data: bytes, box: PixelBox | None, input_px: int, margin: float) -> Pixels:
    """The face alone, uint8 3 x S x S.  Raises `BadPicture`."""
    picture = Picture(data)
    pixels: Pixels = picture.crops([_fractions(box, picture)], input_px, margin)[0]
    return pixels


def _fractions(box: PixelBox | None, picture: Picture) -> Box:
    if box is None:
        return WHOLE
    width, height = picture.width, picture.height
    return Box(box.x / width, box.y / height, box.width / width, box.height / height)
