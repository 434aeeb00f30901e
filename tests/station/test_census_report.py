"""The page and the tables of a census."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from station.animals import Known
from station.birth import BirthDate
from station.census import Census, CensusError, Ledger
from station.effort import Effort
from station.history import reading
from station.pictures import Picture
from station.portraits import likenesses, portraits
from station.report.exports import as_json, tables
from station.report.page import page
from station.report.write import write
from tests.conftest import picture
from tests.reserve import Reserve, reserve
from tests.station.test_census import ON, animal, taken, was
from tests.station.test_population import NOON

LONG = "Wolong_Hetaoping_female_2019_with_a_notch_in_the_left_ear"


def sample(animals: int = 5) -> Census:
    """Animals of all ages, of unsure ages too, some of whom only the machine tells apart."""
    born = [BirthDate(ON.toordinal() - 365 * years, 180, np.full(9, 1 / 9)) for years in (6, 3, 26, 9, 14)]
    before = was(taken(animal("a000", 20), animal("gone", 20), on=ON - timedelta(days=9)))
    history = (Known(ON - timedelta(days=90), *(ON - timedelta(days=days) for days in (4000, 3000, 2000))),)
    seen = [
        animal(
            f"a{n:03}", n, n + 30, birth=born[n % 5], sex=("f", "m", "")[n % 3], provisional=n % 4 == 1,
            confidence=0.8 if n % 4 == 1 else 1.0, name=LONG if n == 2 else "", history=history, told_stage="adult",
        )
        for n in range(animals)
    ]  # fmt: skip
    nights = np.arange(ON.toordinal() - 40, ON.toordinal(), dtype=np.int32)
    ledger = Ledger(
        "hut", "Asia/Shanghai", {"m1": 10, "m2": 90}, "m2", unusable={"faces: blurred": 3}, newest=ON.isoformat()
    )
    return taken(*seen, before=before, ledger=ledger, efforts=[Effort("ridge", nights, 40, 12, 3, "Upper_ridge")])


class Shown(HTMLParser):
    """The text of a page, and where it would go for more."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.addresses, self.skip = "", list[str](), False
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skip = tag == "style"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self.skip = False
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += "" if self.skip else data


def rows(of: Census, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables(of)[name])))


@pytest.mark.parametrize("animals", [0, 1, 3, 60, 75])
def test_the_same_census_gives_the_same_bytes(animals: int) -> None:
    assert page(sample(animals), {}).encode() == page(sample(animals), {}).encode()
    assert as_json(sample(animals)) == as_json(sample(animals))
    assert tables(sample(animals)) == tables(sample(animals))


@pytest.mark.parametrize("animals", [0, 5])
def test_the_page_needs_nothing_else(animals: int) -> None:
    shown = Shown(page(sample(animals), {"a000": "data:image/jpeg;base64,AAAA"}))
    assert all(address.startswith("data:") for address in shown.addresses)
    assert "<script" not in page(sample(animals), {})


def test_the_page_shows_the_figures_of_the_tables() -> None:
    of = sample()
    text = Shown(page(of, {})).text
    for row in rows(of, "counts.csv"):
        if row["sex"] == "all":
            sure = row["low"] == row["high"]
            assert (row["animals"] if sure else f"{row['animals']} ({row['low']}–{row['high']})") in text
    for one in rows(of, "individuals.csv"):
        assert (one["name"] or one["id"]) in text
        assert f"{float(one['age_years']):.1f}" in text
        assert f"{float(one['age_low_years']):.1f}–{float(one['age_high_years']):.1f}" in text
    [camera] = rows(of, "cameras.csv")
    for figure in ("nights", "images", "detections", "per_100_nights"):
        assert camera[figure] in text
    assert "faces: blurred 3" in text.replace("  ", " ")


def test_json_and_csv_say_the_same() -> None:
    of = sample()
    told = json.loads(as_json(of))
    assert told["schema"] == 1
    assert [one["id"] for one in told["individuals"]] == [row["id"] for row in rows(of, "individuals.csv")]
    totals = {row["life_stage"]: int(row["animals"]) for row in rows(of, "counts.csv") if row["sex"] == "all"}
    assert totals == {line["stage"]: line["animals"]["likely"] for line in told["counts"]} | {
        "all": told["total"]["likely"]
    }
    changes = {(row["individual"], row["change"]) for row in rows(of, "changes.csv")}
    assert changes == {(t["id"], "life stage") for t in told["transitions"]} | {("gone", "no longer counted")}


def test_it_says_that_counts_are_of_animals_seen_and_by_whom_ages_were_told() -> None:
    text = Shown(page(sample(), {})).text
    assert "not of animals there are" in text
    assert "abundance" in text
    assert "10 by m1, 90 by m2" in text
    assert "The model changed from m1 to m2" in text
    assert "1 of 5 listed animals are told apart by the machine alone" in text


def test_nobody_is_a_page_too_that_says_where_to_look() -> None:
    newest = replace(taken(), ledger=Ledger(newest="2024-05-03"))
    text = Shown(page(newest, {})).text
    assert "No animal that could be told apart was seen" in text
    assert "--date 2024-05-03" in text


@pytest.mark.parametrize(("low", "said"), [(0.0, False), (50.0, True)])
def test_two_ways_that_contradict_each_other_are_told(low: float, said: bool) -> None:
    of = sample()
    corrected = replace(of.histogram, corrected=(60.0,) * 4, low=(low,) * 4, high=(70.0,) * 4, refused=None)
    assert ("contradict each other" in Shown(page(replace(of, histogram=corrected), {})).text) == said


def test_it_is_told_why_the_list_adds_up_to_other_numbers_than_the_counts() -> None:
    of = sample()
    listed = [one.stage for one in of.individuals]
    own = tuple(replace(line, animals=replace(line.animals, likely=listed.count(line.stage))) for line in of.counts)
    why = "need not add up to the list"
    assert why not in Shown(page(replace(of, counts=own), {})).text
    moved = replace(own[0], animals=replace(own[0].animals, likely=own[0].animals.likely + 1))
    assert why in Shown(page(replace(of, counts=(moved, *own[1:])), {})).text


def test_names_from_people_are_no_markup() -> None:
    of = taken(animal("<b>bao</b>", 1, name="<script>alert(1)</script>"))
    html = page(of, {})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_of_many_animals_those_seen_last_are_drawn_and_the_tables_hold_all() -> None:
    of = sample(75)
    html = page(of, {})
    assert html.count('class="line"') == 60
    assert "Drawn are the 60 animals seen last of 75" in html
    assert len(rows(of, "individuals.csv")) == 75


def test_files_come_all_at_once_and_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    files = write(sample(), {}, tmp_path / "out")
    assert {file.name for file in files} == {file.name for file in (tmp_path / "out").iterdir()}
    assert {"census.html", "census.json", "counts.csv"} < {file.name for file in files}
    assert [file.name for file in write(sample(), {}, tmp_path / "json", ("json",))] == ["census.json"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CensusError, match="choose another --out"):
        write(sample(), {}, tmp_path / "file")


# Faces


def photograph(said: Reserve, individual: str, shade: int, people: int = 0, other: str = "") -> int:
    """A picture that lies where the ledger says."""
    data = picture(shade, seed=shade)
    frame = said.frame(NOON, digest=hashlib.sha256(data).hexdigest() + other, people=people)
    said.folder.mkdir(exist_ok=True)
    (said.folder / f"{frame}.jpg").write_bytes(data)
    return said.face(frame, individual)


def pictured(file: Path, *faces: int) -> dict[str, str]:
    with reading(file) as db:
        return portraits(db, [(f"a{face}", [face]) for face in faces])


def test_a_face_is_cut_from_its_picture_and_small(file: Path) -> None:
    with reserve(file) as said:
        face = photograph(said, "bao", 100)
    [address] = pictured(file, face).values()
    crop = Picture(base64.b64decode(address.removeprefix("data:image/jpeg;base64,")))
    assert (crop.width, crop.height) == (144, 144)
    assert len(address) < 30_000


@pytest.mark.parametrize("why", ["gone", "another now", "broken", "with people"])
def test_a_face_is_not_shown_of_a_picture_that_is(file: Path, why: str) -> None:
    with reserve(file) as said:
        face = photograph(said, "bao", 100, int(why == "with people"), "x" if why == "another now" else "")
    path = file.parent / "pictures" / "1.jpg"
    if why == "gone":
        path.unlink()
    if why == "broken":
        path.write_bytes(b"\xff\xd8\xff")
    assert pictured(file, face) == {}


def test_the_best_face_is_a_large_one_that_was_surely_found(file: Path) -> None:
    with reserve(file) as said:
        small = said.face(said.frame(NOON), "bao", width=0.1, height=0.1, confidence=0.9)
        doubtful = said.face(said.frame(NOON), "bao", confidence=0.2)
        good = said.face(said.frame(NOON), "bao", confidence=0.9)
    with reading(file) as db:
        first, second, third = likenesses(db, [small, doubtful, good])
    assert (first.path.name, first.box.width) == ("3.jpg", 1)
    assert second.path.name in ("1.jpg", "2.jpg")
    assert third.path.name != first.path.name


def test_only_so_many_faces_are_shown(file: Path) -> None:
    with reserve(file) as said:
        faces = [photograph(said, f"a{n}", n) for n in range(30)]
    assert len(pictured(file, *faces)) == 24
