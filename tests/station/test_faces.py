from __future__ import annotations

import json
from pathlib import Path

import pytest

from station.detections import ResultsFile
from station.domain import WHOLE, Box, Face, Frame, Reason
from station.faces import Animals, Found, Whole
from station.pictures import BadPicture, Picture


def frame(path: Path) -> Frame:
    return Frame(1, "cam", str(path), 0, 0)


def results(folder: Path, images: list[dict[str, object]]) -> None:
    content = {"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal", "2": "person"}}
    (folder / "megadetector.json").write_text(json.dumps(content | {"images": images}))


def test_the_whole_picture_is_the_face(tmp_path: Path, jpeg: bytes) -> None:
    assert Whole().find(frame(tmp_path / "a.jpg"), Picture(jpeg)).faces == (Face(WHOLE),)


def find(root: Path, path: Path, jpeg: bytes) -> Found:
    return Animals(ResultsFile(root), 0.2).find(frame(path), Picture(jpeg))


ANIMAL = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2]}
FAINT = {"category": "1", "conf": 0.1, "bbox": [0.5, 0.1, 0.2, 0.2]}
PERSON = {"category": "2", "conf": 0.9, "bbox": [0.6, 0.6, 0.3, 0.3]}


def test_animals_above_the_threshold_are_faces(tmp_path: Path, jpeg: bytes) -> None:
    results(tmp_path, [{"file": "b/a.jpg", "detections": [ANIMAL, FAINT]}])
    found = find(tmp_path, tmp_path / "b" / "a.jpg", jpeg)
    assert (found.faces, found.people) == ((Face(Box(0.1, 0.1, 0.2, 0.2), 0.9),), 0)


def test_a_frame_that_shows_a_person_has_no_faces(tmp_path: Path, jpeg: bytes) -> None:
    results(tmp_path, [{"file": "a.jpg", "detections": [ANIMAL, PERSON]}])
    found = find(tmp_path, tmp_path / "a.jpg", jpeg)
    assert (found.faces, found.people) == ((), 1)


def test_the_nearest_results_file_counts(tmp_path: Path, jpeg: bytes) -> None:
    below = tmp_path / "b"
    below.mkdir()
    results(tmp_path, [{"file": "b/a.jpg", "detections": []}])
    results(below, [{"file": "a.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]}])
    assert len(find(tmp_path, below / "a.jpg", jpeg).faces) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no megadetector.json"),
        ('{"detection_categories": {}, "images": []}', "has no entry"),
        (
            '{"detection_categories": {}, "images": [{"file": "a.jpg", "failure": "broken"}]}',
            "failed on this picture: broken",
        ),
        ("not json", "is not a MegaDetector results file"),
        ('{"images": 3}', "is not a MegaDetector results file"),
    ],
)
def test_a_picture_without_detections_is_rejected_with_the_reason(
    tmp_path: Path, jpeg: bytes, content: str | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "megadetector.json").write_text(content)
    with pytest.raises(BadPicture, match=words) as caught:
        find(tmp_path, tmp_path / "a.jpg", jpeg)
    assert caught.value.reason is Reason.NO_DETECTIONS


def test_real_results_give_the_animals_and_none_of_the_people(data: Path, jpeg: bytes) -> None:
    folder = data / "camera_traps" / "field"
    raw = json.loads((folder / "megadetector.json").read_text())
    finder, seen = Animals(ResultsFile(folder), 0.2), 0
    for image in raw["images"]:
        found = finder.find(frame(folder / image["file"]), Picture(jpeg))
        above = [d for d in image.get("detections", []) if d["conf"] >= 0.2]
        wanted = [d for d in above if d["category"] == "1"] if all(d["category"] != "2" for d in above) else []
        assert [face.confidence for face in found.faces] == [d["conf"] for d in wanted]
        seen += len(found.faces)
    assert (len(raw["images"]), seen) == (27, 29)
