from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from station.pictures import save_jpeg
from training import faces
from training.manifest import ManifestError, PixelBox, Row


def row(path: Path, box: PixelBox | None = None, line: int = 2, individual: str = "ling") -> Row:
    return Row(line, path, individual, 3.0, box, {})


def white_square(folder: Path) -> Path:
    """A white square from (40, 20) to (60, 40) on black, 100 x 80 pixels."""
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[20:40, 40:60] = 255
    file = folder / "square.jpg"
    file.write_bytes(save_jpeg(pixels))
    return file


def test_a_crop_is_what_the_box_holds(tmp_path: Path) -> None:
    known = faces.load([row(white_square(tmp_path), PixelBox(40, 20, 20, 20))], 32, 0.0, print)
    assert known.crops.shape == (1, 3, 32, 32)
    assert known.crops.mean() > 240


def test_the_margin_widens_a_box(tmp_path: Path) -> None:
    known = faces.load([row(white_square(tmp_path), PixelBox(40, 20, 20, 20))], 32, 0.5, print)
    assert known.crops.mean() == pytest.approx(255 / 4, abs=15)


def test_a_whole_picture_has_no_margin(tmp_path: Path) -> None:
    file = white_square(tmp_path)
    with_margin, without = (faces.load([row(file)], 32, margin, print).crops for margin in (0.5, 0.0))
    assert (with_margin == without).all()


def test_boxes_are_trained_with_a_margin_and_whole_pictures_without(tmp_path: Path) -> None:
    assert faces.usual_margin([row(tmp_path)]) == 0.0
    assert faces.usual_margin([row(tmp_path), row(tmp_path, PixelBox(1, 1, 5, 5))]) == faces.BOXED_MARGIN


def test_a_bad_picture_is_told_with_its_reason_and_left_out(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not a picture at all")
    told: list[str] = []
    known = faces.load([row(bad, line=2), row(white_square(tmp_path), line=3)], 32, 0.0, told.append)
    assert (len(known.crops), known.left_out) == (1, 1)
    assert "bad.jpg (line 2): not_an_image" in told[0]


def test_a_box_outside_the_picture_is_told_and_left_out(tmp_path: Path) -> None:
    file, told = white_square(tmp_path), list[str]()
    known = faces.load([row(file, PixelBox(200, 20, 20, 20)), row(file)], 32, 0.0, told.append)
    assert known.left_out == 1
    assert "the box lies outside the picture of 100 x 80 pixels" in told[0]


def copied(folder: Path) -> tuple[Path, Path]:
    file, copy = white_square(folder), folder / "copy.jpg"
    copy.write_bytes(file.read_bytes())
    return file, copy


def test_the_same_picture_under_two_paths_counts_once(tmp_path: Path) -> None:
    file, copy = copied(tmp_path)
    told: list[str] = []
    known = faces.load([row(file), row(copy, line=3)], 32, 0.0, told.append)
    assert (len(known.crops), known.left_out) == (1, 1)
    assert "copy.jpg (line 3): the same face as" in told[0]


def test_the_same_picture_of_two_individuals_is_refused(tmp_path: Path) -> None:
    file, copy = copied(tmp_path)
    with pytest.raises(ManifestError, match=r"copy\.jpg \(line 3\) of mei: the same face as .* of ling"):
        faces.load([row(file), row(copy, line=3, individual="mei")], 32, 0.0, print)


def test_two_faces_of_one_picture_are_two_faces_under_two_paths_too(tmp_path: Path) -> None:
    file, copy = copied(tmp_path)
    one, other = PixelBox(40, 20, 20, 20), PixelBox(10, 20, 20, 20)
    assert len(faces.load([row(file, one), row(copy, other, 3, "mei")], 32, 0.0, print).crops) == 2


def test_no_picture_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none of the 1 pictures can be used"):
        faces.load([row(tmp_path / "gone.jpg")], 32, 0.0, lambda text: None)
