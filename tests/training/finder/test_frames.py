"""Which frames a finder learns from, and on which side of a split they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training import framed
from training.finder import frames
from training.finder.frames import Frames, Wanted
from training.manifest import ManifestError

ANY = Wanted()


def read(folder: Path, *lines: str, wanted: Wanted = ANY) -> Frames:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).touch()
    file = folder / "frames.csv"
    file.write_text("\n".join(lines) + "\n")
    return frames.read([file], [], wanted)


def test_rows_of_one_picture_are_one_frame_with_several_faces(tmp_path: Path) -> None:
    known = read(tmp_path, "path,x,y,width,height", "a.jpg,1,2,3,4", "a.jpg,5,6,7,8", "b.jpg,,,,")
    assert [len(frame.boxes) for frame in known.all] == [2, 0]


def test_a_frame_cannot_have_a_face_and_none(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"line 3: a row without a box says that a.jpg shows no face"):
        read(tmp_path, "path,x,y,width,height", "a.jpg,1,2,3,4", "a.jpg,,,,")


def test_a_fold_column_says_where_a_frame_is_judged(tmp_path: Path) -> None:
    lines = ("path,x,y,width,height,fold", "a.jpg,1,2,3,4,10", "b.jpg,1,2,3,4,9", "c.jpg,,,,,9")
    known = read(tmp_path, *lines, wanted=Wanted("fold"))
    assert [frame.fold for frame in known.all] == [1, 0, 0]


def test_a_frame_without_a_fold_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="fold is empty: name the fold"):
        read(tmp_path, "path,x,y,width,height,fold", "a.jpg,1,2,3,4,", wanted=Wanted("fold"))


def test_a_frame_with_a_row_to_leave_out_is_left_out_whole(tmp_path: Path) -> None:
    lines = ("path,x,y,width,height,quality", "a.jpg,1,2,3,4,clear", "a.jpg,5,6,7,8,toy", "b.jpg,1,2,3,4,clear")
    known = read(tmp_path, *lines, wanted=Wanted(leave_out={"quality": frozenset({"toy"})}))
    assert [frame.path.name for frame in known.all] == ["b.jpg"]
    assert known.left_out == 1


def test_frames_of_one_camera_stay_on_one_side(tmp_path: Path) -> None:
    lines = ("path,x,y,width,height,camera", "a.jpg,1,2,3,4,ridge", "b.jpg,1,2,3,4,creek", "c.jpg,,,,,ridge")
    known = read(tmp_path, *lines, wanted=Wanted(folds=2))
    fold = {frame.path.name: frame.fold for frame in known.all}
    assert fold["a.jpg"] == fold["c.jpg"] != fold["b.jpg"]


def test_a_folder_without_faces_brings_empty_frames(tmp_path: Path) -> None:
    file = framed.manifest(tmp_path / "framed")
    (tmp_path / "empty" / "cam1").mkdir(parents=True)
    (tmp_path / "empty" / "cam1" / "x.JPG").touch()
    known = frames.read([file], [tmp_path / "empty"], Wanted())
    assert not known.all[-1].boxes
    assert [data.frames for data in known.data] == [8, 1]


def test_without_any_box_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no row has a box"):
        read(tmp_path, "path,x,y,width,height", "a.jpg,,,,")


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    file = framed.manifest(tmp_path / "framed")
    (tmp_path / "none").mkdir()
    with pytest.raises(ManifestError, match="none holds no pictures"):
        frames.read([file], [tmp_path / "none"], Wanted())
