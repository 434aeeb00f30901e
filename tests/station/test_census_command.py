"""`station census` as a person calls it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest

from tests.reserve import reserve
from tests.station.test_commands import folder, scan, station, summary
from tests.station.test_line import rows
from tests.station.test_population import DAY, NOON

__all__ = ["folder"]


@pytest.fixture
def ledger(file: Path) -> Path:
    with reserve(file) as said:
        said.often("bao", NOON, 20)
        said.often("mei", NOON - 3 * DAY, 5, age=2.0)
    return file


def census(ledger: Path, *arguments: object, status: int = 0) -> str:
    return station("census", "--db", ledger, "--date", "2026-06-30", *arguments, status=status)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_it_tells_a_person_who_was_seen(ledger: Path) -> None:
    told = census(ledger)
    assert "Age census, 30 June 2026" in told
    assert "2 animals were seen in the 365 days to 30 June 2026" in told
    assert "not of animals there are" in told
    assert "subadult" in told


def test_a_scanned_folder_has_a_census(folder: Path, bundle: Path) -> None:
    scan(folder, bundle)
    told = station("census", "--db", folder / "s.db", "--date", "2026-05-03", "--model", bundle)
    assert "1 animal was seen" in told
    assert "cut short" not in told
    assert "1: pictures that could not be read: truncated" in station("census", "--db", folder / "s.db")


def test_page_tables_and_json_come_together_or_alone(ledger: Path, tmp_path: Path) -> None:
    told = census(ledger, "--out", tmp_path / "all")
    assert "census.html" in told
    assert {"census.html", "census.json", "counts.csv", "individuals.csv"} < names(tmp_path / "all")
    census(ledger, "--out", tmp_path / "html", "--format", "html")
    assert names(tmp_path / "html") == {"census.html"}
    whole = json.loads(census(ledger, "--format", "json"))
    counts = list(csv.DictReader(io.StringIO(census(ledger, "--format", "csv"))))
    assert whole["total"]["likely"] == int(counts[-4]["animals"]) == 2
    assert "--out DIR says where" in census(ledger, "--format", "html", status=2)


def test_the_same_night_again_gives_the_same_bytes_and_is_kept_once(ledger: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        census(ledger, "--out", tmp_path / name)
    one, two = ([file.read_bytes() for file in sorted((tmp_path / name).iterdir())] for name in ("one", "two"))
    assert one == two
    assert rows(ledger, "SELECT day FROM censuses") == [("2026-06-30",)]


def test_the_next_census_says_what_changed(ledger: Path) -> None:
    station("census", "--db", ledger, "--date", "2026-06-20")
    assert json.loads(census(ledger, "--format", "json"))["since"] == "2026-06-20"
    assert "none changed" in census(ledger)
    then = json.loads(census(ledger, "--format", "json", "--as-known-then"))
    assert then["since"] is None  # that census was made later than the night it would be known in


def test_it_is_said_where_the_errors_of_another_model_are_taken(ledger: Path, bundle: Path) -> None:
    with sqlite3.connect(ledger) as db:
        db.execute("INSERT INTO models SELECT 'other-2', card, first_used_at FROM models")
        db.execute("UPDATE estimates SET model = 'other-2'")
        db.execute("INSERT INTO services (model, since) VALUES ('other-2', '2026-06-30T00:00:00+00:00')")
    told = json.loads(census(ledger, "--format", "json", "--model", bundle))
    assert "taken from another model, tiny-1" in told["ledger"]["ages_by"]


def test_as_known_then_is_not_kept(ledger: Path) -> None:
    census(ledger, "--as-known-then")
    assert rows(ledger, "SELECT count(*) FROM censuses") == [(0,)]


def test_a_database_that_can_only_be_read_has_a_census_that_is_not_kept(ledger: Path) -> None:
    with sqlite3.connect(ledger) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    with ledger.open("r+b") as file:
        file.seek(18)
        file.write(bytes([3]))  # a version of the format that SQLite reads and does not write
    assert "2 animals were seen" in (told := census(ledger))
    assert "this census is not kept" in told
    assert rows(ledger, "SELECT count(*) FROM censuses") == [(0,)]


def test_an_empty_window_says_where_the_pictures_are(ledger: Path) -> None:
    told = station("census", "--db", ledger, "--date", "2024-06-30")
    assert "No animal that could be told apart was seen" in told
    assert "--date 2026-06-30" in told


def test_what_a_person_must_mend_is_one_message(ledger: Path, tmp_path: Path) -> None:
    assert "write 2026-06-30" in station("census", "--db", ledger, "--date", "30.6.", status=2)
    assert "still to come" in station("census", "--db", ledger, "--date", "2999-01-01", status=2)
    assert "there is no database" in station("census", "--db", tmp_path / "none.db", status=2)
    assert "which database" in station("census", status=2)


def test_real_faces_sorted_by_animal_have_a_census_with_their_faces(data: Path, tmp_path: Path, bundle: Path) -> None:
    """Twenty pandas, each in a folder of its own; their pictures have no time, so the files' is taken."""
    with (data / "panda_faces" / "manifest.csv").open() as lines:
        for row in csv.DictReader(lines):
            animal = tmp_path / "card" / row["individual"]
            animal.mkdir(parents=True, exist_ok=True)
            picture = data / "panda_faces" / row["path"]
            (animal / picture.name).symlink_to(picture)
    told = station(
        "scan", tmp_path / "card", "-r", "--camera", "zoo", "--pattern", "{individual}", "--file-time",
        "--model", bundle, "--db", tmp_path / "s.db",
    )  # fmt: skip
    assert summary(told)["estimates"] > 200
    taken = rows(tmp_path / "s.db", "SELECT substr(max(captured_at), 1, 10) FROM frames")[0][0]
    station("census", "--db", tmp_path / "s.db", "--date", taken, "--window", 9999, "--out", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "census.json").read_text())
    assert len(told["individuals"]) == told["total"]["likely"] == 20
    assert (tmp_path / "out" / "census.html").read_text().count("data:image/jpeg") == 20
