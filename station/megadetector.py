"""What the station found, as a MegaDetector results file, which other camera-trap tools read.

Boxes are the faces that were looked at.  A picture with people has one detection of a person over the whole picture,
for where they are in it is not kept; and none of an animal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from sqlite_utils import Database

from station.domain import StationError
from station.durable import replace

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
_FRAMES = """
SELECT frames.id, path, outcome, reason, detail, coalesce(people, 0) AS people, x, y, width, height, confidence
FROM frames LEFT JOIN faces ON faces.frame = frames.id
WHERE outcome IN ('observed', 'rejected') AND topic IS NULL ORDER BY path, frames.id, number
"""


class DetectionsError(StationError):
    """The results file cannot be written."""


def export(db: Database, file: Path, now: datetime, detector: str) -> int:
    """Writes the file, complete or not at all; how many pictures are in it.  Paths count from its pictures' folder."""
    first, last = db.execute(f"SELECT min(path), max(path) FROM ({_FRAMES})").fetchone()
    if first is None:
        raise DetectionsError("there is nothing to export: no picture of a folder was looked at yet")
    root = os.path.commonpath([str(Path(path).parent) for path in (first, last)])  # all others begin alike
    scratch = file.with_name(f".{file.name}.part")
    try:
        with scratch.open("w", encoding="utf-8") as out:
            count = _write(out, images(db, Path(root)), now, detector, root)
        replace(scratch, file)
    except OSError as error:
        raise DetectionsError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return count


def _write(out: IO[str], images: Iterator[dict[str, Any]], now: datetime, detector: str, root: str) -> int:
    info = {
        "format_version": "1.4",
        "detector": detector,
        "detection_completion_time": now.strftime("%Y-%m-%d %H:%M:%S"),
        "folder": root,
    }
    out.write(f'{{"info": {json.dumps(info)},\n"detection_categories": {json.dumps(CATEGORIES)},\n"images": [')
    count = 0
    for count, image in enumerate(images, 1):
        out.write((",\n " if count > 1 else "\n ") + json.dumps(image, ensure_ascii=False))
    out.write("\n]}\n")
    return count


def images(db: Database, root: Path) -> Iterator[dict[str, Any]]:
    """One object a picture; of a path that was read twice, the newest."""
    newest: dict[str, Any] = {}
    for path, rows in groupby(db.query(_FRAMES), itemgetter("path")):
        for _, own in groupby(rows, itemgetter("id")):
            newest = _image(list(own), Path(path).relative_to(root).as_posix())
        yield newest


def _image(rows: list[dict[str, Any]], file: str) -> dict[str, Any]:
    first = rows[0]
    if first["outcome"] == "rejected":
        return {"file": file, "failure": f"{first['reason']}: {first['detail']}"}
    if first["people"]:
        return {"file": file, "detections": [{"category": "2", "conf": 1.0, "bbox": [0.0, 0.0, 1.0, 1.0]}]}
    faces = [row for row in rows if row["x"] is not None]
    return {"file": file, "detections": [_detection(face) for face in faces]}


def _detection(face: dict[str, Any]) -> dict[str, Any]:
    box = [round(face[side], 6) for side in ("x", "y", "width", "height")]
    sure = 1.0 if face["confidence"] is None else round(face["confidence"], 4)
    return {"category": "1", "conf": sure, "bbox": box}
