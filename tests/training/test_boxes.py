"""Boxes of other tools become a manifest that the finder reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from station.pictures import save_jpeg
from training import manifest
from training.__main__ import main
from training.boxes import formats, marked
from training.manifest import ManifestError, PixelBox

NO_CATEGORY: frozenset[str] = frozenset()


def picture(file: Path, width: int = 200, height: int = 100) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(save_jpeg(np.zeros((height, width, 3), np.uint8)))
    return file


def imported(source: Path, out: Path, *, images: Path | None = None) -> list[tuple[str, PixelBox | None]]:
    marked.write(formats.read(source, images), out, NO_CATEGORY)
    [read] = manifest.read([out], required=("path",))
    return [(row.path.name, row.box) for row in read.rows]


def coco(folder: Path) -> Path:
    for name in ("a.jpg", "b.jpg"):
        picture(folder / name)
    file = folder / "coco.json"
    file.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
                "categories": [{"id": 7, "name": "head"}, {"id": 8, "name": "tail"}],
                "annotations": [
                    {"image_id": 1, "bbox": [10, 20, 30, 40], "category_id": 7},
                    {"image_id": 1, "bbox": [50, 20, 30, 40], "category_id": 8},
                ],
            }
        )
    )
    return file


def test_coco_boxes_are_taken_as_they_are_and_other_images_show_nothing(tmp_path: Path) -> None:
    assert imported(coco(tmp_path), tmp_path / "frames.csv") == [
        ("a.jpg", PixelBox(10, 20, 30, 40)), ("a.jpg", PixelBox(50, 20, 30, 40)), ("b.jpg", None)
    ]  # fmt: skip


def test_only_boxes_of_the_wanted_category_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "frames.csv"
    assert main(["boxes", str(coco(tmp_path)), "--category", "head", "--out", str(out)]) == 0
    assert "1 boxes in 2 frames" in capsys.readouterr().out
    assert [row["category"] for row in csv.DictReader(out.open())] == ["head", ""]


def test_a_category_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no box is of nose: there is head, tail"):
        marked.write(formats.read(coco(tmp_path), None), tmp_path / "frames.csv", frozenset({"nose"}))


def test_yolo_boxes_are_fractions_about_their_middle(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.jpg")
    picture(tmp_path / "images" / "b.JPG")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "labels" / "b.txt").write_text("")
    assert imported(tmp_path / "labels", tmp_path / "frames.csv") == [
        ("a.jpg", PixelBox(80, 30, 40, 40)), ("b.JPG", None)
    ]  # fmt: skip


def test_a_yolo_label_without_a_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    with pytest.raises(ManifestError, match=r"a.txt has no picture of its name"):
        formats.read(tmp_path / "labels", None)


def camtrap(folder: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        picture(folder / "media" / name)
    resources = [{"name": name, "path": f"{name}.csv"} for name in ("media", "observations")]
    (folder / "datapackage.json").write_text(json.dumps({"resources": resources}))
    media = "".join(f"{name},ridge,media/{name}.jpg\n" for name in "abc")
    (folder / "media.csv").write_text("mediaID,deploymentID,filePath\n" + media)
    (folder / "observations.csv").write_text(
        "mediaID,observationType,scientificName,bboxX,bboxY,bboxWidth,bboxHeight\n"
        "a,animal,Ailuropoda melanoleuca,0.1,0.2,0.3,0.4\nb,blank,,,,,\nc,animal,Ailuropoda melanoleuca,,,,\n"
    )
    return folder


def test_a_camtrap_dp_package_gives_its_boxes_and_its_blanks(tmp_path: Path) -> None:
    """An animal without a box is left out: nobody says where it is."""
    found = imported(camtrap(tmp_path), tmp_path / "frames.csv")
    assert [name for name, _ in found] == ["a.jpg", "b.jpg"]
    assert found[0][1] == PixelBox(20, 20, 60, 40)
    assert [row["camera"] for row in csv.DictReader((tmp_path / "frames.csv").open())] == ["ridge", "ridge"]


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    file = coco(tmp_path)
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(ManifestError, match=r"say with --images where\n.*b.jpg"):
        marked.write(formats.read(file, None), tmp_path / "frames.csv", NO_CATEGORY)


def test_what_is_none_of_the_three_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is none of these"):
        formats.read(tmp_path, None)


@pytest.mark.parametrize("text", ["", "[]", '{"images": []}'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "coco.json"
    file.write_text(text)
    with pytest.raises(ManifestError, match="cannot be read as coco"):
        formats.read(file, None)
