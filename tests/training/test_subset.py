from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from station.domain import Pixels
from station.pictures import save_jpeg
from training import subset
from training.manifest import ManifestError
from training.subset import Rules, Subset, cut

NONE = Rules(None, None, None, None, None, None)


def scene(number: int, side: int = 128, blur: int = 1) -> Pixels:
    """uint8 S x S x 3, unlike every other number's."""
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(number))
    soft = functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 1)
    fine = torch.rand(1, 3, side // 2, side // 2, generator=torch.Generator().manual_seed(0))
    x = 40 + 120 * soft + 40 * functional.interpolate(fine, size=side)
    x = functional.avg_pool2d(x, blur, 1, blur // 2) if blur > 1 else x
    return x[0].permute(1, 2, 0).to(torch.uint8).numpy()


def white_but_for_an_edge() -> Pixels:
    pixels = scene(1)
    pixels[:, :100] = 255
    return pixels


def written(folder: Path, rows: Sequence[tuple[str, Pixels]], header: str = "path,individual,age_years") -> Path:
    """A manifest with a picture for each row; the text of a row is what follows the path."""
    (folder / "images").mkdir(parents=True)
    lines = [header]
    for number, (text, pixels) in enumerate(rows):
        (folder / "images" / f"{number}.jpg").write_bytes(save_jpeg(pixels))
        lines.append(f"images/{number}.jpg,{text}")
    file = folder / "manifest.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def names(out: Path) -> list[str]:
    with out.open(encoding="utf-8", newline="") as file:
        return [Path(row["path"]).stem for row in csv.DictReader(file)]


def counted(result: Subset) -> dict[str, int]:
    return {name: count for name, count in result.left_out if count}


def test_without_rules_everything_stays_as_it_stands(tmp_path: Path) -> None:
    header = "path,individual,age_years,note,camera"
    file = written(tmp_path, [('ling,3.50," says ""hm"", twice ",ridge', scene(0)), ("mei,,,", scene(1))], header)
    assert cut(file, tmp_path / "lite.csv", NONE, print).kept == 2
    assert (tmp_path / "lite.csv").read_text() == file.read_text()


def test_paths_lead_from_the_new_folder_to_the_pictures(tmp_path: Path) -> None:
    file = written(tmp_path / "full", [("ling,3", scene(0))])
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    cut(file, tmp_path / "link" / "cut" / "lite.csv", NONE, print)
    path = (tmp_path / "link" / "cut" / "lite.csv").read_text().splitlines()[1].split(",")[0]
    assert path == "../../full/images/0.jpg"
    assert (tmp_path / "link" / "cut" / path).is_file()


def test_small_faces_are_left_out_by_their_box_or_picture(tmp_path: Path) -> None:
    header = "path,individual,age_years,x,y,width,height"
    rows = [("ling,3,0,0,100,60", scene(0)), ("ling,3,0,0,70,70", scene(1)), ("ling,3,,,,", scene(2, side=50))]
    result = cut(written(tmp_path, rows, header), tmp_path / "lite.csv", Rules(smallest_px=64, burst_s=None), print)
    assert names(tmp_path / "lite.csv") == ["1"]
    assert counted(result) == {"face under 64 px": 2}


@pytest.mark.parametrize(
    ("rules", "bad", "name"),
    [
        (Rules(least_sharpness=0.05), scene(1, blur=9), "sharpness under 0.05"),
        (Rules(darkest=20), scene(1) // 20, "brightness under 20"),
        (Rules(most_blown=0.5), white_but_for_an_edge(), "more than 50% white"),
    ],
    ids=["blurred", "dark", "blown"],
)  # fmt: skip
def test_bad_faces_are_left_out(tmp_path: Path, rules: Rules, bad: Pixels, name: str) -> None:
    file = written(tmp_path, [("ling,3", scene(0)), ("ling,3", bad)])
    result = cut(file, tmp_path / "lite.csv", rules, print)
    assert names(tmp_path / "lite.csv") == ["0"]
    assert counted(result) == {name: 1}


def test_of_a_burst_the_sharpest_stays(tmp_path: Path) -> None:
    header = "path,individual,age_years,captured_at"
    rows = [
        ("ling,3,2024-05-01T06:30:00+08:00", scene(0, blur=3)),
        ("ling,3,2024-05-01T06:30:40+08:00", scene(1)),
        ("ling,3,2024-05-01T06:35:00+08:00", scene(2, blur=3)),
    ]
    result = cut(written(tmp_path, rows, header), tmp_path / "lite.csv", Rules(least_sharpness=None), print)
    assert names(tmp_path / "lite.csv") == ["1", "2"]
    assert counted(result) == {"a sharper one in the same burst": 1}


@pytest.mark.parametrize("captured_at", ["", "2024-05-01", "20240501", "01/05/2024 6:30"])
def test_without_a_time_of_day_a_burst_is_what_looks_the_same(tmp_path: Path, captured_at: str) -> None:
    header = "path,individual,age_years,captured_at"
    rows = [(f"ling,3,{captured_at}", picture) for picture in (scene(0, blur=3), scene(0), scene(1))]
    cut(written(tmp_path, rows, header), tmp_path / "lite.csv", Rules(least_sharpness=None), print)
    assert names(tmp_path / "lite.csv") == ["1", "2"]


def test_a_time_that_is_none_is_told_once(tmp_path: Path) -> None:
    header, told = "path,individual,age_years,captured_at", list[str]()
    file = written(tmp_path, [("ling,3,6:30", scene(0)), ("ling,3,6:31", scene(1))], header)
    cut(file, tmp_path / "lite.csv", Rules(), told.append)
    assert told == ["captured_at of 2 rows is not used: not a time like 2024-05-01T06:30:00+08:00 (line 2, '6:30')"]


def test_of_a_year_of_an_animal_the_sharpest_stay(tmp_path: Path) -> None:
    ages = ("ling,3.0", "ling,3.5", "ling,3.9", "ling,4.0", "mei,3.5")
    rows = [(text, scene(number, blur=3 if number == 1 else 1)) for number, text in enumerate(ages)]
    result = cut(written(tmp_path, rows), tmp_path / "lite.csv", Rules(most_a_year=2, least_sharpness=None), print)
    assert names(tmp_path / "lite.csv") == ["0", "2", "3", "4"]
    assert counted(result) == {"more than 2 a year and individual": 1}


def test_a_picture_that_cannot_be_read_is_told_and_counted(tmp_path: Path) -> None:
    file, told = written(tmp_path, [("ling,3", scene(0)), ("ling,3", scene(1))]), list[str]()
    (tmp_path / "images" / "1.jpg").write_bytes(b"not a picture at all")
    result = cut(file, tmp_path / "lite.csv", Rules(), told.append)
    assert counted(result) == {"picture cannot be used": 1}
    assert "1.jpg (line 3): not_an_image" in told[0]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = written(tmp_path, [("ling,3", scene(0))])
    (tmp_path / "lite.csv").write_text("mine")
    with pytest.raises(ManifestError, match=r"lite\.csv exists already, and nothing is overwritten"):
        cut(file, tmp_path / "lite.csv", Rules(), print)
    assert (tmp_path / "lite.csv").read_text() == "mine"


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    file = written(tmp_path, [("ling,3", scene(0))])
    with pytest.raises(ManifestError, match=r"no face .* would be left \(face under 500 px: 1\): loosen a rule"):
        cut(file, tmp_path / "lite.csv", Rules(smallest_px=500), print)
    assert not (tmp_path / "lite.csv").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, [("ling,3", scene(0))])
    with pytest.raises(ManifestError, match=r"cannot be written: .*; choose another --out"):
        cut(file, file / "lite.csv", Rules(), print)


def test_the_same_again_is_the_same_file(tmp_path: Path) -> None:
    rows = [(f"ling,{number % 3}", scene(number % 4)) for number in range(12)]
    file = written(tmp_path, rows)
    for name in ("one.csv", "other.csv"):
        cut(file, tmp_path / name, Rules(most_a_year=2), print)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_the_summary_counts_every_rule(tmp_path: Path) -> None:
    result = cut(written(tmp_path, [("ling,3", scene(0))]), tmp_path / "lite.csv", Rules(), print)
    said = subset.summary(result, tmp_path / "lite.csv")
    assert said.count("left out: ") == 7
    assert f"1 kept in {tmp_path / 'lite.csv'}" in said


def test_a_manifest_saved_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, [("líng,3", scene(0))])
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    os.truncate(file, file.stat().st_size - 1)  # and no newline at the end
    cut(file, tmp_path / "lite.csv", Rules(), print)
    assert "images/0.jpg,líng,3" in (tmp_path / "lite.csv").read_text(encoding="utf-8")
