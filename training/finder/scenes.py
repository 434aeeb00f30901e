"""Training pictures made of frames: nearer and farther, turned, on other ground, with pasted faces.

A scene is a square view as the finder gets it, with the faces in it.  All sources of a scene belong to one fold, so
that a scene may be shown to every model that does not judge that fold.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from station.domain import Floats
from training.finder.sources import Source

_GREY = 127.0
_SEEN, _HALF_SEEN = 0.65, 0.2
"""The share of its area inside the view from which a face counts; below the second there is none; between: unsure."""
_LEAST_PX = 8.0
"""Smaller faces are unsure too."""
_LARGEST_UP = 1.6
"""How far a picture is enlarged at most."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Of what scenes are made; shares of 1, the rest being frames with faces."""

    empty: float = 0.25
    """Pictures without a face."""
    pasted: float = 0.25
    """Faces pasted on pictures without one."""
    whole: float = 0.3
    """Of the frames: how many are seen as a whole, as in service; the others at any distance."""
    other_ground: float = 0.4
    """Of the frames that do not fill the view: how many lie on another picture instead of on grey."""
    turn_deg: float = 20.0
    least_px: float = 11.0
    """The width of the smallest face that is made on purpose."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A view and its faces."""

    pixels: Tensor
    """uint8 3 x S x S."""
    boxes: Floats
    """n x 4 in pixels of the view: x, y, width, height."""
    unsure: Floats
    """m x 4: places that teach nothing, for a face there is cut or too small."""
    fold: int


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """What scenes of one fold are made of."""

    framed: Sequence[Source]
    empty: Sequence[Source]
    crops: Sequence[Source]
    fold: int


class Painter:
    """Makes scenes; the same generator gives the same ones."""

    def __init__(self, stock: Stock, input_px: int, mixture: Mixture, chance: np.random.Generator) -> None:
        self.stock, self.side, self.how, self.chance = stock, input_px, mixture, chance
        cameras = Counter(source.camera for source in stock.empty)
        weights = np.array([cameras[source.camera] ** -0.5 for source in stock.empty])
        self._rare = weights / weights.sum() if len(weights) else weights
        """Pictures of a camera with many of them come less often each."""

    def scene(self) -> Scene:
        """One scene."""
        draw = self.chance.random()
        stock = self.stock
        if stock.empty and (draw < self.how.empty or not (stock.framed or stock.crops)):
            return self._done(self._ground(), [])
        pasteable = stock.empty and (stock.crops or stock.framed)
        if pasteable and (draw < self.how.empty + self.how.pasted or not stock.framed):
            return self._pasted()
        return self._framed() if stock.framed else self._done(self._ground(), [])

    def _pick(self, sources: Sequence[Source]) -> Source:
        return sources[int(self.chance.integers(len(sources)))]

    def _ground(self) -> Tensor:
        """Float 3 x S x S: a picture without a face, whole or a part; grey where there is none."""
        if not self.stock.empty:
            return torch.full((3, self.side, self.side), _GREY)
        at = int(self.chance.choice(len(self._rare), p=self._rare))
        source = self.stock.empty[at]
        height, width = source.pixels.shape[1:]
        scale = self.side / max(height, width) * math.exp(self.chance.uniform(0, 1.3))
        place = [self._anywhere(length, scale) for length in (width, height)]
        picture, covered, _ = laid(source, scale, (place[0], place[1]), 0.0, self._mirrored(), self.side)
        return picture + (1 - covered) * _GREY

    def _anywhere(self, length: float, scale: float) -> float:
        """Where along a side of the source the view's middle lies, in source pixels: inside as far as possible."""
        half = self.side / scale / 2
        return float(self.chance.uniform(half, length - half)) if length > 2 * half else length / 2

    def _mirrored(self) -> bool:
        return bool(self.chance.random() < 0.5)

    def _turn(self) -> float:
        return float(self.chance.normal(0, self.how.turn_deg / 2))

    def _width_px(self, largest: float) -> float:
        """Of a face: every size from the least is as likely on a logarithmic scale."""
        return math.exp(self.chance.uniform(math.log(self.how.least_px), math.log(max(largest, self.how.least_px + 1))))

    def _framed(self) -> Scene:
        source = self._pick(self.stock.framed)
        height, width = source.pixels.shape[1:]
        box = source.boxes[int(self.chance.integers(len(source.boxes)))]
        if self.chance.random() < self.how.whole:
            scale = self.side / max(height, width) * math.exp(self.chance.uniform(-0.15, 0.15))
            middle = width / 2, height / 2
        else:
            larger = max(box[2], box[3])
            largest = min(_LARGEST_UP * larger, 0.95 * self.side)
            scale = self._width_px(largest) / larger
            reach = max(0.0, (self.side - scale * larger) / scale / 2)
            middle = (
                float(box[0] + box[2] / 2 + self.chance.uniform(-reach, reach)),
                float(box[1] + box[3] / 2 + self.chance.uniform(-reach, reach)),
            )
        picture, covered, boxes = laid(source, scale, middle, self._turn(), self._mirrored(), self.side)
        elsewhere = self.stock.empty and self.chance.random() < self.how.other_ground
        under = self._ground() if elsewhere else torch.full_like(picture, _GREY)
        return self._done(picture * covered + (1 - covered) * under, [boxes])

    def _pasted(self) -> Scene:
        picture, every = self._ground(), list[Floats]()
        for _ in range(int(self.chance.integers(1, 3))):
            face, box = self._face()
            target = self._width_px(0.6 * self.side)
            scale = min(target / max(box[2], box[3]), _LARGEST_UP)
            room = self.side / 2 - scale * max(box[2], box[3]) / 2
            off = self.chance.uniform(-1, 1, 2) * max(0.0, room) / scale
            middle = float(box[0] + box[2] / 2 + off[0]), float(box[1] + box[3] / 2 + off[1])
            patch, covered, boxes = laid(face, scale, middle, self._turn(), self._mirrored(), self.side, soft=True)
            if every and float(_overlap(np.concatenate(every), boxes)) > 0:
                continue
            picture = picture * (1 - covered) + patch * covered
            every.append(boxes)
        return self._done(picture, every)

    def _face(self) -> tuple[Source, Floats]:
        """A face to paste: a crop, or one cut out of a frame."""
        frames = self.stock.framed
        if not self.stock.crops or (frames and self.chance.random() < 0.3):
            source = self._pick(frames)
            box = source.boxes[int(self.chance.integers(len(source.boxes)))]
            left, top = max(0, int(box[0])), max(0, int(box[1]))
            cut = source.pixels[:, top : int(box[1] + box[3]) + 1, left : int(box[0] + box[2]) + 1]
            whole = np.array([[0, 0, cut.shape[2], cut.shape[1]]], np.float32)
            return Source(np.ascontiguousarray(cut), whole, source.fold), whole[0]
        source = self._pick(self.stock.crops)
        return source, source.boxes[0]

    def _done(self, picture: Tensor, every: list[Floats]) -> Scene:
        boxes = np.concatenate(every) if every else np.empty((0, 4), np.float32)
        sure, unsure = seen_of(boxes, self.side)
        return Scene(picture.round().clamp(0, 255).to(torch.uint8), sure, unsure, self.stock.fold)


def laid(
    source: Source,
    scale: float,
    middle: tuple[float, float],
    turn_deg: float,
    mirrored: bool,
    side: int,
    soft: bool = False,
) -> tuple[Tensor, Tensor, Floats]:
    """A source laid into a view: float 3 x S x S, where it covers the view (1 x S x S, 0 to 1), its boxes there.

    `middle`, in source pixels, comes to the view's middle.  A `soft` one fades at its edges and round corners.
    """
    height, width = source.pixels.shape[1:]
    small = source.tensor()[None]
    if scale < 1:
        size = [max(1, round(height * scale)), max(1, round(width * scale))]
        small = functional.interpolate(small, size=size, mode="bilinear", antialias=True, align_corners=False)
    cover = _faded(small.shape[-2:]) if soft else torch.ones(1, 1, *small.shape[-2:])
    flip = -1.0 if mirrored else 1.0
    angle = math.radians(turn_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    # from a place in the view, in its pixels from its middle, to one in the source: turned back, scaled, mirrored
    own = torch.tensor([[cos * flip, sin * flip], [-sin, cos]]) / scale
    reach = torch.tensor([[2 / width], [2 / height]])
    linear = own * (side / 2) * reach
    offset = torch.tensor([[middle[0] * 2 / width - 1], [middle[1] * 2 / height - 1]])
    theta = torch.cat([linear, offset], dim=1)[None].float()
    grid = functional.affine_grid(theta, [1, 1, side, side], align_corners=False)
    both = functional.grid_sample(torch.cat([small * cover, cover], dim=1), grid, align_corners=False)[0]
    covered = both[3:]
    picture = both[:3] / covered.clamp(min=1e-3) * (covered > 0)
    return picture, covered, _moved(source.boxes, scale, middle, angle, flip, side)


def _faded(size: torch.Size) -> Tensor:
    """1 x 1 x H x W: 1 inside, 0 at the edges and the corners."""
    down, across = (torch.linspace(-1, 1, length).abs() for length in size)
    far = (down[:, None] ** 6 + across[None] ** 6) ** (1 / 6)
    return ((1 - far) / 0.12).clamp(0, 1)[None, None]


def _moved(boxes: Floats, scale: float, middle: tuple[float, float], angle: float, flip: float, side: int) -> Floats:
    """Boxes in the view: heads are round, so a turned box is that of the turned ellipse within it."""
    if not len(boxes):
        return boxes
    x, y = boxes[:, 0] + boxes[:, 2] / 2 - middle[0], boxes[:, 1] + boxes[:, 3] / 2 - middle[1]
    x = x * flip
    cos, sin = math.cos(angle), math.sin(angle)
    across, down = (cos * x - sin * y) * scale + side / 2, (sin * x + cos * y) * scale + side / 2
    width = scale * np.hypot(boxes[:, 2] * cos, boxes[:, 3] * sin)
    height = scale * np.hypot(boxes[:, 2] * sin, boxes[:, 3] * cos)
    return np.stack([across - width / 2, down - height / 2, width, height], axis=1).astype(np.float32)


def seen_of(boxes: Floats, side: int) -> tuple[Floats, Floats]:
    """Boxes cut to the view: those of which enough is seen, and those of which nobody says."""
    low = np.clip(boxes[:, :2], 0, side)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, side)
    cut = np.concatenate([low, high - low], axis=1).astype(np.float32)
    share = cut[:, 2] * cut[:, 3] / np.maximum(boxes[:, 2] * boxes[:, 3], 1e-6)
    large = np.minimum(cut[:, 2], cut[:, 3]) >= _LEAST_PX
    sure = (share >= _SEEN) & large
    unsure = ~sure & ((share >= _HALF_SEEN) & (cut.min(axis=1, initial=side) >= 0) & (cut[:, 2] > 0))
    return cut[sure], cut[unsure]


def _overlap(some: Floats, others: Floats) -> float:
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, :2] + some[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    return float(np.clip(high - low, 0, None).prod(axis=2).max(initial=0.0))
