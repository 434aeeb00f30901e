"""The page of what a finder finds shows every box, and nothing of people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import picture
from tests.discs import GREEN, RED, photograph
from tests.station.test_commands import station


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    two = [(160.0, 120.0, 120.0, RED), (480.0, 300.0, 140.0, GREEN)]
    (folder / "<two>.jpg").write_bytes(photograph(640, 480, two))
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "person.jpg").write_bytes(picture(200))
    entry = [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]
    person = [{"category": "2", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2]}]
    images = [{"file": "<two>.jpg", "detections": entry}, {"file": "person.jpg", "detections": person}]
    results = {"detection_categories": {"1": "animal", "2": "person"}, "images": images}
    (folder / "megadetector.json").write_text(json.dumps(results))
    return folder


def page(folder: Path, out: Path, finder: Path, *more: object) -> str:
    station("faces", "preview", folder, "--finder", finder, "--out", out, "--device", "cpu", *more)
    return out.read_text()


def test_a_page_shows_boxes_crops_and_reasons_and_needs_nothing_else(folder: Path, discs: Path, tmp_path: Path) -> None:
    html = page(folder, tmp_path / "page.html", discs)
    assert "2 faces in 1 of 3 pictures; 1 can be used, 1 is not of the species" in " ".join(html.split())
    assert len(re.findall(r'<b class="', html)) == 2
    assert "&lt;two&gt;.jpg" in html
    assert "broken.jpg: not_an_image" in html
    assert set(re.findall(r'src="([^,]+),', html)) == {"data:image/jpeg;base64"}
    assert "http" not in re.sub(r"http-equiv", "", html)


def test_a_picture_with_people_is_told_of_and_not_shown(folder: Path, discs: Path, tmp_path: Path) -> None:
    html = page(folder, tmp_path / "page.html", discs, "--megadetector", "file")
    assert "person.jpg: 1 person, not shown" in html
    assert "1 with people is not shown" in " ".join(html.split())
    assert html.count("<section") == 1


def test_of_many_pictures_some_are_shown_and_the_page_says_so(folder: Path, discs: Path, tmp_path: Path) -> None:
    assert "2 of 3 pictures, evenly by name" in page(folder, tmp_path / "page.html", discs, "--most", 2)


def test_a_folder_without_pictures_is_told(discs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ("faces", "preview", tmp_path / "empty", "--finder", discs, "--out", tmp_path / "page.html")
    assert "holds no pictures; --recursive looks into the folders below" in station(*arguments, status=2)
