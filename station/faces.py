"""Where the faces are in a frame.

A finder is anything with `find`.  Two come first: `Whole`, for pictures that were cropped upstream, and
`MegaDetector`, which reads the boxes from a results file beside the pictures.  A frame that shows a person has
no faces: none of it is cropped.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from station.domain import WHOLE, Box, Face, Frame, Reason
from station.pictures import BadPicture, Picture

RESULTS = "megadetector.json"


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of a frame, or how many people there are; with people in it, it has no faces."""

    faces: tuple[Face, ...]
    people: int = 0


class Finder(Protocol):
    """Finds the faces in a frame; may be called from many threads at once."""

    def find(self, frame: Frame, picture: Picture) -> Found:
        """Raises `BadPicture` where it cannot say."""
        ...


class Whole:
    """The whole picture is one face."""

    def find(self, frame: Frame, picture: Picture) -> Found:
        """The picture."""
        return Found((Face(WHOLE),))


class MegaDetector:
    """Animal boxes from the MegaDetector results file (format 1.3 and later) in a picture's folder or above it.

    The file is `megadetector.json`, looked for from the picture's folder up to `root`; its `file` entries are
    relative to its own folder.  It is read once, and again when it changes.
    """

    def __init__(self, root: Path, threshold: float) -> None:
        self._root = root
        self._threshold = threshold
        self._read: dict[Path, tuple[int, dict[str, Found | str]]] = {}
        self._lock = threading.Lock()

    def find(self, frame: Frame, picture: Picture) -> Found:
        """The `animal` boxes at or above the threshold, of a frame without people."""
        path = Path(frame.path)
        consulted = state_of_results(path.parent, self._root)
        results = nearest_results(path.parent, self._root)
        try:
            return self._found(path, results)
        except BadPicture as error:
            raise BadPicture(error.reason, error.detail, consulted) from None

    def _found(self, path: Path, results: Path | None) -> Found:
        if results is None:
            raise BadPicture(Reason.NO_DETECTIONS, f"there is no {RESULTS} in {path.parent} or above it")
        entry = self._entries(results).get(path.relative_to(results.parent).as_posix())
        if entry is None:
            raise BadPicture(Reason.NO_DETECTIONS, f"{results} has no entry for this picture")
        if isinstance(entry, str):
            raise BadPicture(Reason.NO_DETECTIONS, f"MegaDetector failed on this picture: {entry}")
        return entry

    def _entries(self, results: Path) -> dict[str, Found | str]:
        with self._lock:
            try:
                stamp = results.stat().st_mtime_ns
                if self._read.get(results, (0, {}))[0] != stamp:
                    raw = json.loads(results.read_bytes())
                    self._read[results] = (stamp, dict(_entries(raw, self._threshold)))
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


def _entries(raw: dict[str, Any], threshold: float) -> Iterable[tuple[str, Found | str]]:
    names = {key: str(name).lower() for key, name in raw["detection_categories"].items()}
    for image in raw["images"]:
        file = str(image["file"]).replace("\\", "/").removeprefix("./")
        detections = image.get("detections")
        if detections is None:
            yield file, str(image.get("failure") or "no detections given")
            continue
        above = [d for d in detections if float(d["conf"]) >= threshold]
        people = sum(names.get(str(d["category"])) == "person" for d in above)
        animals = (Face(_box(d), float(d["conf"])) for d in above if names.get(str(d["category"])) == "animal")
        yield file, Found((), people) if people else Found(tuple(animals))


def _box(detection: dict[str, Any]) -> Box:
    x, y, width, height = (min(1.0, max(0.0, float(v))) for v in detection["bbox"])
    return Box(x, y, width, height)
