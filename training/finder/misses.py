"""The worst misses of a finder, as one page with pictures: for the eye, beside the figures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from station.domain import WHOLE, Box, Floats, Pixels
from station.pictures import Picture, save_jpeg
from training.finder.judge import Judged, matches

_SIDE_PX = 480
_TRUE, _FOUND, _FALSE = (255, 60, 60), (60, 220, 90), (255, 210, 0)
_HEAD = """<!doctype html><meta charset="utf-8"><title>Worst misses</title>
<style>body{font:15px/1.4 system-ui;margin:2em;max-width:72em}figure{display:inline-block;margin:.5em;width:320px;
vertical-align:top}img{width:100%}figcaption{overflow-wrap:anywhere}</style>
<h1>Worst misses</h1><p>Frames that the finder was not fitted on. Red: a marked face that was not found. Green: a box
that is a face. Yellow: a box that is none. Only boxes at or above the threshold of the other folds are drawn.</p>
"""


@dataclass(frozen=True, slots=True, eq=False)
class Miss:
    """A frame, what went wrong in it, and how much."""

    path: Path
    badness: float
    words: str
    lost: Floats
    right: Floats
    false: Floats


def worst(paths: Sequence[Path], judged: Sequence[Judged], thresholds: Sequence[float], most: int) -> list[Miss]:
    """Frames with a lost or a false face: false ones by how sure they were, then lost ones by how large they are."""
    found = (_miss(path, one, thresholds[one.fold]) for path, one in zip(paths, judged, strict=True))
    return sorted((miss for miss in found if miss.badness > 0), key=lambda miss: -miss.badness)[:most]


def _miss(path: Path, one: Judged, threshold: float) -> Miss:
    kept = one.scores >= threshold
    what = np.array(matches(one, 0.5), int)
    lost = np.array([at for at in range(len(one.truth)) if at not in set(what[kept].tolist())], int)
    false = kept & (what < 0)
    words = []
    if false.any():
        words.append(f"{int(false.sum())} false (the surest {one.scores[false].max():.2f})")
    if len(lost):
        words.append(f"{len(lost)} of {len(one.truth)} not found")
    badness = float(1 + one.scores[false].max()) if false.any() else 0.0
    badness += float(one.truth[lost, 2].sum()) if len(lost) else 0.0
    return Miss(path, badness, "; ".join(words), one.truth[lost], one.boxes[kept & (what >= 0)], one.boxes[false])


def page(misses: Sequence[Miss]) -> str:
    """Self-contained HTML."""
    return _HEAD + ("".join(_figures(misses)) or "<p>None: every face was found, and nothing else.</p>")


def _figures(misses: Sequence[Miss]) -> Iterator[str]:
    for miss in misses:
        data = base64.b64encode(save_jpeg(overlaid(miss))).decode()
        words = html.escape(f"{miss.path.name}: {miss.words}")
        image = f'<img alt="{words}" src="data:image/jpeg;base64,{data}">'
        yield f"<figure>{image}<figcaption>{words}</figcaption></figure>\n"


def overlaid(miss: Miss) -> Pixels:
    """The frame with its boxes, uint8 H x W x 3, grey around it."""
    picture = Picture(miss.path.read_bytes())
    drawn: Pixels = picture.crops([WHOLE], _SIDE_PX)[0].transpose(1, 2, 0).copy()
    longest = max(picture.width, picture.height)
    for boxes, colour in ((miss.lost, _TRUE), (miss.right, _FOUND), (miss.false, _FALSE)):
        for x, y, width, height in boxes.tolist():
            box = Box(x, y, width, height)
            _outline(drawn, box, (picture.width / longest, picture.height / longest), colour)
    return drawn


def _outline(drawn: Pixels, box: Box, size: tuple[float, float], colour: tuple[int, int, int]) -> None:
    """Draws a rectangle; `size` is the frame's, as a share of the square it lies in the middle of."""
    side = drawn.shape[0]
    left, right = (round(side * ((1 - size[0]) / 2 + at * size[0])) for at in (box.x, box.x + box.width))
    top, bottom = (round(side * ((1 - size[1]) / 2 + at * size[1])) for at in (box.y, box.y + box.height))
    for offset in range(3):
        low, high = max(0, top), min(side, bottom + 1)
        first, last = max(0, left), min(side, right + 1)
        for row in (top + offset, bottom - offset):
            if 0 <= row < side:
                drawn[row, first:last] = colour
        for column in (left + offset, right - offset):
            if 0 <= column < side:
                drawn[low:high, column] = colour
