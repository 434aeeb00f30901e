from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from station.domain import Pixels, StationError
from station.pictures import save_jpeg
from training import crop_cache, faces
from training.crop_cache import Index
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


def garbled(file: Path) -> None:
    """Other bytes, but as many and of the same time: whoever opens it finds no picture."""
    stat = file.stat()
    file.write_bytes(bytes(stat.st_size))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_crops_that_were_kept_open_no_picture_the_second_time(tmp_path: Path) -> None:
    rows, cache = [row(white_square(tmp_path), PixelBox(40, 20, 20, 20))], tmp_path / "cache"
    first = faces.load(rows, 32, 0.15, print, cache)
    garbled(rows[0].path)
    second = faces.load(rows, 32, 0.15, print, cache)
    assert (first.crops == second.crops).all()
    assert second.rows == tuple(rows)


def test_kept_crops_are_those_that_are_not_kept(tmp_path: Path) -> None:
    rows = [row(white_square(tmp_path), PixelBox(40, 20, 20, 20)), row(tmp_path / "square.jpg", line=3)]
    kept, fresh = (faces.load(rows, 32, 0.15, print, cache) for cache in (tmp_path / "cache", None))
    assert (kept.crops == fresh.crops).all()
    assert kept.individuals.tolist() == fresh.individuals.tolist()


def test_what_is_left_out_is_told_again_when_the_crops_were_kept(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"not a picture at all")
    rows = [row(tmp_path / "bad.jpg"), row(white_square(tmp_path), line=3)]
    first, again = list[str](), list[str]()
    for told in (first, again):
        known = faces.load(rows, 32, 0.0, told.append, tmp_path / "cache")
        assert (len(known.crops), known.left_out, known.rows[0].line) == (1, 1, 3)
    assert first == again
    assert "bad.jpg (line 2): not_an_image" in first[0]


def the_crops(cache: Path) -> Path:
    (file,) = cache.glob("*.npy")
    return file


@pytest.mark.parametrize("size", [0, 100, 3_000])
def test_kept_crops_that_lost_their_end_are_cut_again(tmp_path: Path, size: int) -> None:
    rows, cache, told = [row(white_square(tmp_path))], tmp_path / "cache", list[str]()
    first = faces.load(rows, 32, 0.0, told.append, cache).crops.copy()
    os.truncate(the_crops(cache), size)
    assert (faces.load(rows, 32, 0.0, told.append, cache).crops == first).all()
    assert "are damaged" in told[0]
    assert (faces.load(rows, 32, 0.0, told.append, cache).crops == first).all()
    assert len(told) == 1


def test_kept_crops_with_one_wrong_byte_are_cut_again(tmp_path: Path) -> None:
    rows, cache = [row(white_square(tmp_path))], tmp_path / "cache"
    first = faces.load(rows, 32, 0.0, print, cache).crops.copy()
    data = bytearray(the_crops(cache).read_bytes())
    data[-7] ^= 1
    the_crops(cache).write_bytes(data)
    assert (faces.load(rows, 32, 0.0, print, cache).crops == first).all()


def test_a_picture_that_changed_is_cut_again(tmp_path: Path) -> None:
    rows, cache = [row(white_square(tmp_path))], tmp_path / "cache"
    before = faces.load(rows, 32, 0.0, print, cache).crops.mean()
    rows[0].path.write_bytes(save_jpeg(np.full((80, 100, 3), 200, np.uint8)))
    assert faces.load(rows, 32, 0.0, print, cache).crops.mean() > before + 50


def test_another_size_margin_or_box_is_another_crop(tmp_path: Path) -> None:
    file = white_square(tmp_path)
    boxed, moved = row(file, PixelBox(40, 20, 20, 20)), row(file, PixelBox(41, 20, 20, 20))
    asked = [([boxed], 32, 0.0), ([boxed], 33, 0.0), ([boxed], 32, 0.1), ([moved], 32, 0.0)]
    assert len({crop_cache.key(*question) for question in asked}) == len(asked)


def test_what_is_written_to_kept_crops_stays_in_this_process(tmp_path: Path) -> None:
    rows, cache = [row(white_square(tmp_path))], tmp_path / "cache"
    known = faces.load(rows, 32, 0.0, print, cache)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.from_numpy(known.crops).zero_()
    assert faces.load(rows, 32, 0.0, print, cache).crops.any()


def test_a_refusal_keeps_no_crops(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none of the 1 pictures"):
        faces.load([row(tmp_path / "gone.jpg")], 32, 0.0, print, tmp_path / "cache")
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_folder_that_cannot_hold_crops_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StationError, match=r"the crops cannot be kept in .*: .*; give another folder"):
        faces.load([row(white_square(tmp_path))], 32, 0.0, print, tmp_path / "file")


def test_whoever_comes_while_crops_are_cut_waits_and_takes_them(tmp_path: Path) -> None:
    crop, others_wait, cuts = np.full((3, 32, 32), 7, np.uint8), threading.Event(), list[int]()

    def cut(take: Callable[[Pixels], None]) -> Index:
        cuts.append(1)
        assert others_wait.wait(60)
        take(crop)
        return Index((0,), ())

    def ask(_: int) -> Pixels:
        return crop_cache.kept(tmp_path, "key", 32, cut, lambda text: others_wait.set())[0]

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(ask, range(2))
    assert (one == crop).all() and (other == crop).all()
    assert len(cuts) == 1
