"""`station individuals`, as a person types it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from station.copies import copy_database
from tests.conftest import picture
from tests.station.test_commands import station
from tests.station.test_line import rows
from tests.station.test_schema import NAMES, made


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """Four pictures of bao (faces 1 to 4) and two of xin (5, 6), over two years."""
    folder = tmp_path_factory.mktemp("scanned")
    for number, who in enumerate(("bao",) * 4 + ("xin",) * 2):
        file = folder / "card" / who / f"IMG_{number + 1}.JPG"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(100 + 5 * number, f"202{4 + number % 2}:0{number + 1}:01 10:00:00", seed=number))
    station("scan", folder / "card", "--camera", "ridge", "--pattern", "{individual}", "--recursive", "--model", bundle,
            "--db", folder / "s.db")  # fmt: skip
    return folder / "s.db"


@pytest.fixture
def db(tmp_path: Path, scanned: Path) -> Path:
    copy_database(scanned, tmp_path / "s.db")
    return tmp_path / "s.db"


def listed(db: Path) -> dict[str, dict[str, str]]:
    told = station("individuals", "--db", db, "--format", "csv")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(told))}


def test_all_that_is_known_is_listed_as_table_csv_and_json(db: Path) -> None:
    station("individuals", "name", "bao", "Bao Bao", "--db", db)
    table = station("individuals", "--db", db)
    assert "Bao Bao" in table
    assert "2024-01-01" in table
    objects = json.loads(station("individuals", "--db", db, "--format", "json"))
    csv_rows = listed(db)
    assert [one["id"] for one in objects] == list(csv_rows) == ["bao", "xin"]
    bao = objects[0]
    assert (bao["images"], bao["cameras"], bao["first_seen"][:10]) == (4, "ridge", "2024-01-01")
    assert bao["born_low"] < bao["born"] < bao["born_high"] < bao["first_seen"]
    assert bao["age_low_years"] < bao["age_years"] < bao["age_high_years"]
    assert bao["life_stage"] in ("subadult", "adult")
    assert not bao["born_is_known"]


def test_a_known_birth_date_labels_all_its_pictures(db: Path) -> None:
    station("individuals", "set", "bao", "--born", "2019-08-21", "--sex", "f", "--db", db)
    bao = listed(db)["bao"]
    assert bao["born"] == bao["born_low"] == bao["born_high"] == "2019-08-21"
    assert (bao["born_is_known"], bao["sex"]) == ("True", "f")
    shown = station("individuals", "show", "bao", "--db", db)
    assert "female" in shown
    assert "IMG_4.JPG" in shown


def test_commands_know_individuals_by_name_and_faces_by_picture(db: Path) -> None:
    station("individuals", "name", "xin", "Xin Xin", "--db", db)
    told = station("individuals", "confirm", "Xin Xin", "IMG_4.JPG", "3", "--db", db, "--who", "Lan")
    assert "noted as 2 to 3; 2 faces show another individual now" in told
    assert listed(db)["xin"]["images"] == "4"
    assert rows(db, "SELECT who FROM words WHERE face = 4") == [("Lan",)]
    station("individuals", "deny", "xin", "IMG_4.JPG", "--db", db)
    assert listed(db)["bao"]["images"] == "3"


def test_days_are_those_of_the_stations_zone_as_in_the_census(db: Path) -> None:
    config = db.with_name("station.toml")
    config.write_text(f'[station]\ndatabase = "{db}"\ntimezone = "+14:00"\n')
    told = json.loads(station("individuals", "--config", config, "--format", "json"))
    assert told[0]["first_seen"] == "2024-01-02T00:00:00+14:00"
    assert "2024-01-02 to" in station("individuals", "show", "bao", "--config", config)


def test_facts_that_change_no_face_are_noted_without_a_word_of_faces(db: Path) -> None:
    assert station("individuals", "set", "bao", "--sex", "f", "--db", db).strip() == "noted as 1"


def test_without_an_identity_in_the_bundle_it_is_said_why_nobody_is_known(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "1.jpg").write_bytes(picture(100))
    station("scan", tmp_path / "card", "--camera", "ridge", "--model", bundle, "--db", tmp_path / "n.db")
    assert "its bundle has no identity" in " ".join(station("individuals", "--db", tmp_path / "n.db").split())
    assert json.loads(station("individuals", "--db", tmp_path / "n.db", "--format", "json")) == []


def test_what_was_said_is_listed_and_undone(db: Path) -> None:
    station("individuals", "split", "bao", "IMG_1.JPG", "IMG_2.JPG", "--into", "mei", "--db", db)
    station("individuals", "merge", "mei", "xin", "--db", db)
    station("individuals", "undo", 3, "--db", db)
    history = json.loads(station("individuals", "history", "--db", db, "--format", "json"))
    assert [(word["word"], word["what"], bool(word["undone_at"])) for word in history] == [
        (1, "face 1 is another one, mei", False),
        (2, "face 2 is another one, mei", False),
        (3, "mei is xin", True),
        (4, "word 3 is taken back", False),
    ]
    assert [word["word"] for word in json.loads(
        station("individuals", "history", "xin", "--db", db, "--format", "json"))] == [1, 2, 3, 4]  # fmt: skip
    assert {id: row["images"] for id, row in listed(db).items()} == {"bao": "2", "mei": "2", "xin": "2"}


def test_mistakes_are_told_in_words_and_change_nothing(db: Path) -> None:
    for arguments, words in {
        ("merge", "bao", "xim"): "there is no individual xim; did you mean xin?",
        ("confirm", "bao", "IMG_77.JPG"): "no picture IMG_77.JPG was ever admitted",
        ("set", "bao", "--born", "21.8.2019"): "write 2019-08-21",
        ("set", "bao", "--born", "0019-08-21"): "lies before 1900: write the year in full",
        ("set", "bao", "--sex", "x"): "a sex is f or m, not x",
        ("set", "bao", "--born", "2025-01-01"): "but seen on 2024-01-01",
        ("undo", "1"): "there is no word 1",
    }.items():
        assert words in station("individuals", *arguments, "--db", db, status=2)
    assert "which database?" in station("individuals", status=2)
    assert rows(db, "SELECT count(*) FROM words") == [(0,)]


def test_a_database_of_before_is_named_when_it_is_read_and_brought_up_to_date_when_something_is_said(
    tmp_path: Path,
) -> None:
    file = tmp_path / "old.db"
    made(file, NAMES[NAMES.index("words") - 1])
    assert "made by an older station: `station migrate`" in station("individuals", "history", "--db", file, status=2)
    station("individuals", "set", "bao", "--sex", "m", "--db", file)
    assert rows(file, "SELECT sex FROM individuals WHERE id = 'bao'") == [("m",)]
    assert (tmp_path / "old.db.before-words").is_file()
