"""How a finder looks at a frame: the whole in a square, and tiles where a small face would be too small in the whole.

A view is a square window of the frame as a `Box` in fractions of it; what of it lies outside the frame is grey.
`Picture.crops(views, input_px)` cuts them, alike in training and in service.  Pure geometry, without pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from station.domain import Box, Floats

_TALL = 1.5
"""How many times taller than wide a face may be that is to lie whole in one of two neighbouring tiles."""
_EDGE = 0.01
"""A box that ends so near a tile's inner edge, as a fraction of its side, is taken for a face cut in two."""
_INSIDE = 0.8
"""The share of the smaller of two boxes from which on, lying inside the other, it is of the same face."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How a finder was made to look at frames: it stands in its card as `views`."""

    least_face_px: float
    """The width of a face in a view, in the program's pixels, from which on the program finds it."""
    merge_iou: float = 0.45
    """Boxes of two views that overlap by as much (intersection over union) are one face."""


def views(width_px: int, height_px: int, input_px: int, least_face_share: float, looking: Looking) -> tuple[Box, ...]:
    """The whole frame first; then, where it is needed, tiles in rows from the top left.

    Tiles are so large that a face of `least_face_share` of the frame's width is `least_face_px` wide in them, and they
    overlap by a face that is just too small for the whole.
    """
    whole = float(max(width_px, height_px))
    found = [_window(_middle(width_px, whole), _middle(height_px, whole), whole, width_px, height_px)]
    larger = whole
    for side in _sides(least_face_share * width_px * input_px / looking.least_face_px, whole, input_px, looking):
        overlap = min(side / 2, _TALL * looking.least_face_px * larger / input_px)
        found += [
            _window(left, top, side, width_px, height_px)
            for top in _starts(height_px, side, overlap)
            for left in _starts(width_px, side, overlap)
        ]
        larger = side
    return tuple(found)


def _sides(least: float, whole: float, input_px: int, looking: Looking) -> list[float]:
    """Of the tiles, the largest first: one size is enough but in very long frames."""
    if least >= whole:
        return []
    ratio = max(2.0, input_px / (2 * _TALL * looking.least_face_px))  # so that tiles overlap by half at most
    count = max(1, math.ceil(math.log(whole / least) / math.log(ratio)))
    return [least * ratio**level for level in reversed(range(count))]


def _middle(length: float, side: float) -> float:
    return (length - side) / 2


def _starts(length: float, side: float, overlap: float) -> list[float]:
    """Where tiles begin along one side of the frame: evenly, at least `overlap` into each other."""
    if side >= length:
        return [_middle(length, side)]
    count = math.ceil((length - overlap) / (side - overlap))
    return [float(start) for start in np.linspace(0.0, length - side, count)]


def _window(left: float, top: float, side: float, width_px: int, height_px: int) -> Box:
    return Box(left / width_px, top / height_px, side / width_px, side / height_px)


def of_view(boxes: Floats, view: Box) -> Floats:
    """Boxes of a frame, n x 4 in its fractions (x, y, width, height), in fractions of one view; may reach beyond it."""
    size = np.array([view.width, view.height, view.width, view.height], np.float64)
    return ((boxes - [view.x, view.y, 0, 0]) / size).astype(np.float32)


def of_frame(boxes: Floats, view: Box) -> Floats:
    """Boxes of one view, n x 4 in its fractions, in fractions of the frame and cut to it."""
    size = np.array([view.width, view.height, view.width, view.height])
    x, y, width, height = (boxes * size + [view.x, view.y, 0, 0]).T
    left, top = np.clip(x, 0, 1), np.clip(y, 0, 1)
    right, bottom = np.clip(x + width, 0, 1), np.clip(y + height, 0, 1)
    return np.stack([left, top, right - left, bottom - top], axis=1).astype(np.float32)


def gathered(
    seen: Sequence[tuple[Floats, Floats]], looked: Sequence[Box], looking: Looking, least_score: float = 0.0
) -> tuple[Floats, Floats]:
    """What the program gave for each view, (N x 4, N), as the faces of the frame: n x 4 and n, the surest first.

    Boxes below `least_score`, empty ones, ones that a tile's inner edge cuts, and second sights are left out.
    """
    boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
    for (found, sure), view in zip(seen, looked, strict=True):
        keep = (sure >= least_score) & ~cut_off(found, view)
        boxes.append(of_frame(found[keep], view))
        scores.append(sure[keep].astype(np.float32))
    every, sure = np.concatenate(boxes), np.concatenate(scores)
    there = (every[:, 2] > 0) & (every[:, 3] > 0)
    every, sure = every[there], sure[there]
    kept = distinct(every, sure, looking.merge_iou)
    return every[kept], sure[kept]


def cut_off(boxes: Floats, view: Box) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which boxes of a view end at an edge of it beyond which the frame goes on."""
    x, y, width, height = boxes.T
    cut: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.zeros(len(boxes), bool)
    slack = 1e-6
    if view.x > slack:
        cut |= x < _EDGE
    if view.y > slack:
        cut |= y < _EDGE
    if view.x + view.width < 1 - slack:
        cut |= x + width > 1 - _EDGE
    if view.y + view.height < 1 - slack:
        cut |= y + height > 1 - _EDGE
    return cut


def distinct(boxes: Floats, scores: Floats, iou: float) -> list[int]:
    """Which boxes are faces of their own, the surest first.

    A box goes with a surer one that it overlaps, lies in, or holds.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for at in order:
        if not kept or not _same(boxes[at], boxes[kept], iou):
            kept.append(int(at))
    return kept


def _same(box: Floats, others: Floats, iou: float) -> bool:
    shared = intersections(box[None], others)[0]
    area = box[2] * box[3]
    union = area + others[:, 2] * others[:, 3] - shared
    smaller = np.minimum(area, others[:, 2] * others[:, 3])
    return bool(np.any(shared >= iou * union) or np.any(shared >= _INSIDE * smaller))


def overlaps(some: Floats, others: Floats) -> Floats:
    """Intersection over union of each of n boxes with each of m: n x m."""
    shared = intersections(some, others)
    areas = some[:, 2] * some[:, 3], others[:, 2] * others[:, 3]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(shared / np.where(union > 0, union, np.inf), np.float32)


def intersections(some: Floats, others: Floats) -> Floats:
    """The area that each of n boxes shares with each of m: n x m."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, :2] + some[:, None, 2:], others[None, :, :2] + others[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)
