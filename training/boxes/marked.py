"""Marked frames, whichever tool marked them, and the manifest they become."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from station.pictures import BadPicture, Picture
from training.files import replacing
from training.manifest import ManifestError, PixelBox

_HEADER = ("path", "camera", "x", "y", "width", "height", "category")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Mark:
    """One box and what is in it."""

    box: PixelBox
    category: str


@dataclass(frozen=True, slots=True)
class MarkedFrame:
    """A picture with its marks; none: somebody looked, and there was nothing."""

    path: Path
    marks: tuple[Mark, ...]
    camera: str = ""
    """Pictures of one camera stay on one side of a split; empty: not known."""


def write(frames: Sequence[MarkedFrame], out: Path, categories: frozenset[str]) -> tuple[int, int]:
    """Writes a manifest; of marks only those of `categories`, all of them where it is empty.

    Returns how many frames and boxes it has.  Raises `ManifestError` where `out` exists, pictures are missing, or no
    mark is of the categories.
    """
    if out.exists():
        raise ManifestError(f"{out} exists already: choose another --out")
    missing = [f"  {frame.path}" for frame in frames if not frame.path.is_file()]
    if missing:
        more = [f"  and {len(missing) - _SHOWN:,} more"] if len(missing) > _SHOWN else []
        raise ManifestError(
            "\n".join(["these pictures are not there; say with --images where", *missing[:_SHOWN], *more])
        )
    kept = [(frame, [m for m in frame.marks if not categories or m.category in categories]) for frame in frames]
    boxes = sum(len(marks) for _, marks in kept)
    if not boxes:
        named = sorted({mark.category for frame in frames for mark in frame.marks})
        raise ManifestError(
            f"no box is of {', '.join(sorted(categories)) or 'anything'}: there is {', '.join(named) or 'none'}"
        )
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(_HEADER)
    for frame, marks in kept:
        path = os.path.relpath(frame.path, out.parent)
        rows.writerows([path, frame.camera, *_cells(mark), mark.category] for mark in marks)
        if not marks:
            rows.writerow([path, frame.camera, "", "", "", "", ""])
    with replacing(out) as file:
        file.write(text.getvalue().encode())
    return len(kept), boxes


def _cells(mark: Mark) -> Iterable[str]:
    return (f"{value:.6g}" for value in (mark.box.x, mark.box.y, mark.box.width, mark.box.height))


def size_px(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture; raises `ManifestError` where it cannot be read."""
    try:
        picture = Picture(path.read_bytes())
    except (BadPicture, OSError) as error:
        raise ManifestError(f"{path} cannot be read, and its boxes are fractions of its size: {error}") from error
    return picture.width, picture.height


def of_fractions(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> PixelBox:
    """A box in pixels."""
    return PixelBox(x * size[0], y * size[1], width * size[0], height * size[1])
