"""The three formats: COCO (one JSON file), YOLO (a text file a picture) and Camtrap DP 1.0 (a package of tables)."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from station.pictures import SUFFIXES
from training.boxes.marked import Mark, MarkedFrame, of_fractions, size_px
from training.manifest import ManifestError, PixelBox

_PACKAGE = "datapackage.json"
_BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")


def read(source: Path, images: Path | None) -> list[MarkedFrame]:
    """The frames of whichever format `source` is; pictures lie in `images`, else beside it.  Raises `ManifestError`."""
    reader = _reader(source)
    try:
        return list(reader(source, images))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{source} cannot be read as {reader.__name__.strip('_')}: {error!r}") from error


def _reader(source: Path) -> Callable[[Path, Path | None], Iterator[MarkedFrame]]:
    if source.name == _PACKAGE or (source / _PACKAGE).is_file():
        return camtrap_dp
    if source.suffix.lower() == ".json":
        return coco
    if source.is_dir() and next(source.rglob("*.txt"), None):
        return yolo
    raise ManifestError(
        f"{source} is none of these: a COCO .json file, a folder with YOLO's labels (.txt), a Camtrap DP package "
        f"(a folder with {_PACKAGE})"
    )


def coco(source: Path, images: Path | None) -> Iterator[MarkedFrame]:
    """Boxes in pixels by image; an image without annotations shows nothing."""
    raw: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    names = {category["id"]: str(category["name"]) for category in raw.get("categories", [])}
    marks: dict[Any, list[Mark]] = defaultdict(list)
    for each in raw["annotations"]:
        x, y, width, height = (float(value) for value in each["bbox"])
        if width > 0 and height > 0:
            marks[each["image_id"]].append(Mark(PixelBox(x, y, width, height), names.get(each.get("category_id"), "")))
    for image in raw["images"]:
        place = _place(source.parent if images is None else images, str(image["file_name"]))
        yield MarkedFrame(place, tuple(marks[image["id"]]), str(image.get("location", "")))


def yolo(source: Path, images: Path | None) -> Iterator[MarkedFrame]:
    """`class cx cy width height` a line, in fractions; the picture has the label's name, in `images` for `labels`."""
    names = _yolo_names(source)
    for label in sorted(source.rglob("*.txt")):
        if label.name == "classes.txt":
            continue
        path = _picture_of(label, source, images)
        lines = [line.split() for line in label.read_text(encoding="utf-8").splitlines() if line.strip()]
        size = size_px(path) if lines else (1, 1)
        marks = []
        for cells in lines:
            cx, cy, width, height = (float(value) for value in cells[1:5])
            box = of_fractions(cx - width / 2, cy - height / 2, width, height, size)
            marks.append(Mark(box, names.get(int(cells[0]), cells[0])))
        yield MarkedFrame(path, tuple(marks))


def _yolo_names(source: Path) -> dict[int, str]:
    """From `classes.txt`, a name a line, in the folder or above it; without, classes are called by their numbers."""
    for folder in (source, source.parent):
        if (file := folder / "classes.txt").is_file():
            return dict(enumerate(file.read_text(encoding="utf-8").split("\n")))
    return {}


def _picture_of(label: Path, source: Path, images: Path | None) -> Path:
    parts = ["images" if part == "labels" else part for part in label.relative_to(source.parent).parts]
    beside = source.parent.joinpath(*parts)
    looked = [images / label.relative_to(source)] if images else [label, beside]
    for place in looked:
        for suffix in sorted(SUFFIXES | {suffix.upper() for suffix in SUFFIXES}):
            if place.with_suffix(suffix).is_file():
                return place.with_suffix(suffix)
    raise ManifestError(f"{label} has no picture of its name beside it: say with --images where the pictures are")


def camtrap_dp(source: Path, images: Path | None) -> Iterator[MarkedFrame]:
    """Media with observations of their own: boxes by observation; `blank` says that there is nothing.

    Media without a word about themselves, or with an animal but no box, are left out: nobody says where it is.
    """
    folder = source if source.is_dir() else source.parent
    media, observations = (_table(folder, name) for name in ("media", "observations"))
    by_media: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in observations:
        if row.get("mediaID"):
            by_media[row["mediaID"]].append(row)
    for one in media:
        own = by_media.get(one["mediaID"], [])
        boxed = [row for row in own if all(row.get(name) for name in _BOX)]
        if not own or (not boxed and any(row["observationType"] != "blank" for row in own)):
            continue
        name = one["fileName"] if images and "://" in one["filePath"] else one["filePath"]
        path = _place(folder if images is None else images, name)
        size = size_px(path) if boxed else (1, 1)
        marks = (Mark(_bounds(row, size), row.get("scientificName") or row["observationType"]) for row in boxed)
        yield MarkedFrame(path, tuple(marks), one.get("deploymentID", ""))


def _bounds(row: dict[str, str], size: tuple[int, int]) -> PixelBox:
    x, y, width, height = (float(row[name]) for name in _BOX)
    return of_fractions(x, y, width, height, size)


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    package: dict[str, Any] = json.loads((folder / _PACKAGE).read_text(encoding="utf-8"))
    paths = [resource["path"] for resource in package["resources"] if resource["name"] == name]
    if not paths:
        raise ManifestError(f"{folder / _PACKAGE} names no resource {name}: a Camtrap DP package has one")
    text = (folder / str(paths[0])).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _place(folder: Path, name: str) -> Path:
    if "://" in name:
        raise ManifestError(f"{name} is an address: fetch the pictures, and say with --images where they are")
    return folder / name
