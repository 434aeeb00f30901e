"""Frames with their face boxes, from manifests and from folders of pictures that show none.

A manifest has one row a face, and one row without a box for a frame that shows none.  Frames of one `camera` (a column,
or the folder of pictures without faces) stay on one side of a split: they look alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from station.finder_card import FrameData
from station.pictures import SUFFIXES
from training import manifest
from training.manifest import Manifest, ManifestError, PixelBox, Row

FOLDS = 5


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """One picture and every face in it, in pixels of the upright picture."""

    path: Path
    boxes: tuple[PixelBox, ...]
    fold: int
    """In which part of the cross-validation it is judged."""
    camera: str
    """Pictures of one camera look alike."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows are taken, and how they are split."""

    fold_column: str | None = None
    """Each of its values is a fold.  Frames of manifests without it are dealt, those of one camera together."""
    leave_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Column -> values: a frame with such a row is left out whole, for a face in it is not to be learnt."""
    folds: int = FOLDS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Frames:
    """All frames, and where they come from."""

    all: tuple[LabelledFrame, ...]
    folds: int
    data: tuple[FrameData, ...]
    left_out: int
    """Frames that `Wanted.leave_out` named."""


def read(files: Sequence[Path], without: Sequence[Path], wanted: Wanted) -> Frames:
    """Manifests of frames, and folders of pictures `without` a face.  Raises `ManifestError`."""
    manifests = manifest.read(files, required=("path",))
    frames = [frame for one in manifests for frame in _of(one, wanted)]
    left_out = sum(frame.out for frame in frames)
    frames = [frame for frame in frames if not frame.out]
    frames += [_Raw(path, (), "", f"folder {path.parent}") for folder in without for path in _pictures(folder)]
    if not any(frame.boxes for frame in frames):
        raise ManifestError(
            "no row has a box: a finder learns from frames in which faces are marked (x,y,width,height)"
        )
    known = sorted({frame.fold for frame in frames if frame.fold}, key=lambda name: (len(name), name))
    if wanted.fold_column and len(known) < 2:
        raise ManifestError(f"the column {wanted.fold_column} names fewer than two folds: nothing to judge on")
    folds = len(known) or wanted.folds
    numbers = _dealt([frame for frame in frames if not frame.fold], folds, wanted.seed)
    all_ = tuple(
        LabelledFrame(
            frame.path, frame.boxes, known.index(frame.fold) if frame.fold else numbers[frame.camera], frame.camera
        )
        for frame in frames
    )
    counts = [FrameData(str(one.file), one.sha256, len({r.path for r in one.rows}), _faces(one)) for one in manifests]
    counts += [FrameData(str(folder), "", len(_pictures(folder)), 0) for folder in without]
    return Frames(all_, folds, tuple(counts), left_out)


@dataclass(frozen=True, slots=True)
class _Raw:
    path: Path
    boxes: tuple[PixelBox, ...]
    fold: str
    camera: str
    out: bool = False


def _faces(one: Manifest) -> int:
    return sum(row.box is not None for row in one.rows)


def _of(one: Manifest, wanted: Wanted) -> Iterable[_Raw]:
    rows: dict[Path, list[Row]] = defaultdict(list)
    for row in one.rows:
        rows[row.path].append(row)
    for path, own in rows.items():
        boxes = tuple(row.box for row in own if row.box is not None)
        place = f"{one.file}, line {own[-1].line}"
        if boxes and len(boxes) < len(own):
            raise ManifestError(
                f"{place}: a row without a box says that {path.name} shows no face, "
                "another row marks one: keep one of the two"
            )
        named = wanted.fold_column is not None and wanted.fold_column in own[0].extra
        folds = {row.extra.get(wanted.fold_column or "", "") for row in own}
        if len(folds) > 1:
            raise ManifestError(f"{place}: the rows of {path.name} name several folds: a frame is in one")
        if named and folds == {""}:
            raise ManifestError(f"{place}: {wanted.fold_column} is empty: name the fold in which the frame is judged")
        out = any(row.extra.get(column) in values for row in own for column, values in wanted.leave_out.items())
        yield _Raw(path, boxes, folds.pop(), own[0].extra.get("camera") or str(path), out)


def _pictures(folder: Path) -> list[Path]:
    """All pictures of a folder and below; raises `ManifestError` where there are none."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not found:
        raise ManifestError(f"{folder} holds no pictures: name a folder of pictures that show no face of the species")
    return found


def _dealt(frames: Sequence[_Raw], folds: int, seed: int) -> dict[str, int]:
    """The fold of each camera: the largest first, always to the fold that has least."""
    sizes: dict[str, int] = defaultdict(int)
    for frame in frames:
        sizes[frame.camera] += 1
    shuffled = np.random.default_rng(seed).permutation(sorted(sizes))
    held = [0] * folds
    chosen: dict[str, int] = {}
    for camera in sorted(shuffled.tolist(), key=lambda name: -sizes[name]):
        chosen[camera] = int(np.argmin(held))
        held[chosen[camera]] += sizes[camera]
    return chosen
