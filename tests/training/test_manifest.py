from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from training.manifest import ManifestError, PixelBox, Row, aged, read


def write(folder: Path, *lines: str, name: str = "manifest.csv") -> Path:
    for picture in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / picture).touch()
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def rows(folder: Path, *lines: str) -> tuple[Row, ...]:
    return read([write(folder, *lines)])[0].rows


def mistakes(folder: Path, *lines: str) -> str:
    with pytest.raises(ManifestError) as raised:
        read([write(folder, *lines)])
    return str(raised.value)


def test_a_row_says_who_how_old_and_where_the_face_is(tmp_path: Path) -> None:
    [row] = rows(tmp_path, "path,individual,age_years,x,y,width,height", "a.jpg,ling,3.5,120,80,200,210")
    assert row == Row(2, tmp_path / "a.jpg", "ling", 3.5, PixelBox(120, 80, 200, 210), {})


def test_an_age_follows_from_birth_and_capture(tmp_path: Path) -> None:
    born = "path,individual,born_on,captured_at"
    [row] = rows(tmp_path, born, "a.jpg,ling,2015-08-01,2019-08-01T06:30:00+08:00")
    assert row.age_years == pytest.approx(4.0, abs=0.01)


def test_a_stated_age_goes_before_dates(tmp_path: Path) -> None:
    [row] = rows(tmp_path, "path,individual,age_years,born_on,captured_at", "a.jpg,ling,7,2015-08-01,2019-08-01")
    assert row.age_years == 7


def test_a_row_without_a_box_is_a_face_as_a_whole(tmp_path: Path) -> None:
    [row] = rows(tmp_path, "path,individual,age_years,x,y,width,height", "a.jpg,ling,3.5,,,,")
    assert row.box is None


def test_other_columns_are_kept(tmp_path: Path) -> None:
    [row] = rows(tmp_path, "path,individual,age_years,sex", "a.jpg,ling,3.5,female")
    assert row.extra == {"sex": "female"}


def test_a_byte_order_mark_from_a_spreadsheet_is_no_mistake(tmp_path: Path) -> None:
    [row] = rows(tmp_path, "\ufeffpath,individual,age_years", "a.jpg,ling,3.5")
    assert row.individual == "ling"


def test_the_digest_is_of_the_file_as_it_is(tmp_path: Path) -> None:
    file = write(tmp_path, "path,individual", "a.jpg,ling")
    assert read([file])[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.jpg,ling,young,,,,,,", "age_years 'young' is not a number"),
        ("a.jpg,ling,nan,,,,,,", "age_years 'nan' is not a number"),
        ("a.jpg,ling,-1,,,,,,", "the age is -1 years"),
        ("a.jpg,ling,2015,,,,,,", "a birth date goes into born_on"),
        ("a.jpg,,3,,,,,,", "individual is empty"),
        (",ling,3,,,,,,", "path is empty"),
        ("gone.jpg,ling,3,,,,,,", "gone.jpg is not there"),
        ("a.jpg,ling,,2019-08-01,2015-08-01,,,,", "captured_at 2015-08-01 lies before born_on 2019-08-01"),
        ("a.jpg,ling,,2019-08-01,,,,,", "born_on needs captured_at"),
        ("a.jpg,ling,,01.08.2019,2020-01-01,,,,", "born_on '01.08.2019' is not a date: write it like 2019-07-31"),
        ("a.jpg,ling,3,,,1,2,3,", "the box has only x, y, width"),
        ("a.jpg,ling,3,,,1,2,wide,4", "width 'wide' is not a number"),
        ("a.jpg,ling,3,,,1,2,0,4", "width and height must be more than 0"),
        ("a.jpg,ling,3,,,1,2,3,4,5", "more cells than the header"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    header = "path,individual,age_years,born_on,captured_at,x,y,width,height"
    told = mistakes(tmp_path, header, "b.jpg,ling,3,,,,,,", line)
    assert "line 3: " in told
    assert said in told
    assert "has 1 mistake:" in told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "path,individual,age_years", "a.jpg,,old", "gone.jpg,ling,-2")
    assert "has 4 mistakes" in told


def test_the_mistakes_of_all_manifests_are_told_at_once(tmp_path: Path) -> None:
    one = write(tmp_path, "path,individual", "gone.jpg,ling", name="one.csv")
    two = write(tmp_path, "path,individual", "lost.jpg,ling", name="two.csv")
    with pytest.raises(ManifestError, match=r"(?s)one\.csv, line 2.*two\.csv, line 2"):
        read([one, two])


def test_very_many_mistakes_are_counted_after_the_first_twenty(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "path,individual", *(f"gone{k}.jpg,ling" for k in range(50)))
    assert "has 50 mistakes" in told
    assert "and 30 more" in told


def test_missing_columns_are_named(tmp_path: Path) -> None:
    assert "the column individual is missing; it has path, age" in mistakes(tmp_path, "path,age", "a.jpg,3")


def test_semicolons_between_columns_are_pointed_out(tmp_path: Path) -> None:
    assert "separate the columns with commas" in mistakes(tmp_path, "path;individual", "a.jpg;ling")


def test_half_a_box_in_the_header_is_refused(tmp_path: Path) -> None:
    assert "width, height is missing" in mistakes(tmp_path, "path,individual,x,y", "a.jpg,ling,1,2")


def test_the_same_face_twice_is_refused(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "path,individual", "a.jpg,ling", "./a.jpg,mei")
    assert "line 3: the same face as" in told


def test_two_faces_in_one_picture_are_two_faces(tmp_path: Path) -> None:
    header = "path,individual,x,y,width,height"
    assert len(rows(tmp_path, header, "a.jpg,ling,1,1,9,9", "a.jpg,mei,20,1,9,9")) == 2


def test_a_manifest_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read([tmp_path / "none.csv"])


def test_a_manifest_in_another_encoding_is_an_error_in_words(tmp_path: Path) -> None:
    file = tmp_path / "manifest.csv"
    file.write_bytes("path,individual\na.jpg,Zoë".encode("latin-1"))
    with pytest.raises(ManifestError, match="save it as CSV in UTF-8"):
        read([file])


def test_rows_without_an_age_are_named_when_ages_are_needed(tmp_path: Path) -> None:
    manifests = read([write(tmp_path, "path,individual,age_years", "a.jpg,ling,3", "b.jpg,mei,")])
    with pytest.raises(ManifestError, match="line 3: no age: give age_years, or born_on and captured_at"):
        aged(manifests)


def test_no_rows_at_all_are_too_little_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nothing to train on"):
        aged(read([write(tmp_path, "path,individual,age_years")]))
