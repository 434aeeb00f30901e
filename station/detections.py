"""What MegaDetector says of a picture: where animals and people are.  From its results file, or as it runs.

The file is `megadetector.json` (format 1.3 and later), looked for from the picture's folder up to the camera's; its
`file` entries are relative to its own folder.  It is read once, and again when it changes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from station.domain import Box, Face, Frame, Reason
from station.pictures import BadPicture, Picture

RESULTS = "megadetector.json"
FAINT = 0.05
"""Detections below are not kept unless they are asked for: files go down to 0.005, and most of that is nothing."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Of one picture, also faint ones; each with MegaDetector's confidence."""

    animals: tuple[Face, ...] = ()
    people: tuple[Face, ...] = ()


class Detector(Protocol):
    """Finds animals and people; may be called from many threads at once."""

    def detect(self, frame: Frame, picture: Picture) -> Detections:
        """Raises `BadPicture` where it cannot say."""
        ...


class ResultsFile:
    """The detector that reads the results files at or below `root`, and of them what is at least so sure."""

    def __init__(self, root: Path, least: float = FAINT) -> None:
        self._root, self._least = root, least
        self._read: dict[Path, tuple[int, dict[str, Detections | str]]] = {}
        self._lock = threading.Lock()

    def detect(self, frame: Frame, picture: Picture) -> Detections:
        """Its entry in the nearest file."""
        path = Path(frame.path)
        consulted = state_of_results(path.parent, self._root)
        results = nearest_results(path.parent, self._root)
        try:
            return self._found(path, results)
        except BadPicture as error:
            raise BadPicture(error.reason, error.detail, consulted) from None

    def _found(self, path: Path, results: Path | None) -> Detections:
        if results is None:
            raise BadPicture(Reason.NO_DETECTIONS, f"there is no {RESULTS} in {path.parent} or above it")
        entry = self._entries(results).get(path.relative_to(results.parent).as_posix())
        if entry is None:
            raise BadPicture(Reason.NO_DETECTIONS, f"{results} has no entry for this picture")
        return said(entry)

    def _entries(self, results: Path) -> dict[str, Detections | str]:
        with self._lock:
            try:
                stamp = results.stat().st_mtime_ns
                if self._read.get(results, (0, {}))[0] != stamp:
                    raw = json.loads(results.read_bytes())
                    self._read[results] = (stamp, dict(_entries(raw, self._least)))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise BadPicture(
                    Reason.NO_DETECTIONS, f"{results} is not a MegaDetector results file: {error!r}"
                ) from None
            return self._read[results][1]


def nearest_results(folder: Path, root: Path) -> Path | None:
    """The MegaDetector results file for the pictures of a folder, in it or above it up to `root`."""
    for above in (folder, *folder.parents):
        if (above / RESULTS).is_file():
            return above / RESULTS
        if above == root:
            break
    return None


def state_of_results(folder: Path, root: Path) -> str:
    """Which results file that is, and in which state; empty: there is none."""
    results = nearest_results(folder, root)
    try:
        stat = results.stat() if results else None
    except OSError:
        stat = None
    return f"{results} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}" if stat else ""


def said(entry: Detections | str) -> Detections:
    """An entry; raises `BadPicture` where MegaDetector failed."""
    if isinstance(entry, str):
        raise BadPicture(Reason.NO_DETECTIONS, f"MegaDetector failed on this picture: {entry}")
    return entry


def of_image(image: Mapping[str, Any], categories: Mapping[str, str], least: float) -> Detections | str:
    """One of the file's `images`, or what MegaDetector gives as it runs; why it failed."""
    detections = image.get("detections")
    if detections is None:
        return str(image.get("failure") or "no detections given")
    found: dict[str, list[Face]] = {"animal": [], "person": []}
    for one in detections:
        kind = str(categories.get(str(one["category"]), "")).lower()
        if kind in found and float(one["conf"]) >= least:
            found[kind].append(Face(_box(one["bbox"]), float(one["conf"])))
    return Detections(tuple(found["animal"]), tuple(found["person"]))


def _entries(raw: dict[str, Any], least: float) -> Iterator[tuple[str, Detections | str]]:
    for image in raw["images"]:
        file = str(image["file"]).replace("\\", "/").removeprefix("./")
        yield file, of_image(image, raw["detection_categories"], least)


def _box(bbox: list[float]) -> Box:
    x, y, width, height = (min(1.0, max(0.0, float(v))) for v in bbox)
    return Box(x, y, width, height)
