"""What becomes of faces that were found and cannot be used: through the whole station, with a finder that finds."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from station import daemon, history, settings
from station.domain import Flaw
from station.population import Population, Reading, read
from station.response import Response
from station.species import find
from station.store import Store
from tests.discs import GREEN, RED, WHITE, photograph, with_card
from tests.station.test_commands import station
from tests.station.test_line import now, rows
from tests.tiny import identity, tiny_bundle

FRAMES = {
    "both.jpg": [(160.0, 120.0, 120.0, RED), (480.0, 300.0, 140.0, GREEN)],
    "far.jpg": [(160.0, 120.0, 40.0, RED)],
    "green.jpg": [(300.0, 200.0, 120.0, GREEN)],
    "near.jpg": [(300.0, 200.0, 130.0, WHITE)],
    "empty.jpg": [],
}
PROJECT = """
[station]
database = "s.db"
bundle = "ages"
[faces]
finder = "finder"
[project]
title = "Pandas"
sampling_design = "targeted"
contact = "Wei"
email = "wei@example.org"
one_species = true
[cameras.ridge]
folder = "pictures"
latitude = 30.8
longitude = 103.1
"""


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, discs: Path) -> Path:
    folder = tmp_path_factory.mktemp("station")
    tiny_bundle(folder / "ages", identity=identity())
    with_card(discs, folder / "finder", quality={"size_px": 60.0})
    (folder / "pictures").mkdir()
    for number, (name, shown) in enumerate(FRAMES.items()):
        (folder / "pictures" / name).write_bytes(photograph(640, 480, shown, seed=number))
    (folder / "station.toml").write_text(PROJECT)
    with daemon.composed(settings.load(folder / "station.toml"), now) as made:
        list(made.scan())
    return folder


def faces(scanned: Path) -> dict[str, list[str | None]]:
    sql = "SELECT path, unusable FROM faces JOIN frames ON frames.id = frame ORDER BY path, number"
    told: dict[str, list[str | None]] = {}
    for path, unusable in rows(scanned / "s.db", sql):
        told.setdefault(Path(path).name, []).append(unusable)
    return told


def population(scanned: Path) -> Population:
    species = find("giant_panda")
    assert species
    with history.reading(scanned / "s.db") as db:
        return read(db, Reading(date(2026, 6, 1), UTC, species, Response.plain(1.0, 1.0), 365))


def test_every_face_that_was_found_is_kept_with_the_reason_why_it_cannot_be_used(scanned: Path) -> None:
    assert faces(scanned) == {
        "both.jpg": [None, Flaw.OTHER_SPECIES],
        "far.jpg": [Flaw.TOO_SMALL],
        "green.jpg": [Flaw.OTHER_SPECIES],
        "near.jpg": [None],
    }


def test_each_has_a_quality(scanned: Path) -> None:
    [[least, most]] = rows(scanned / "s.db", "SELECT min(quality), max(quality) FROM faces")
    assert 0 < least < most <= 1


def test_only_usable_faces_get_an_age(scanned: Path) -> None:
    sql = "SELECT count(*), count(unusable) FROM estimates JOIN faces ON faces.id = face"
    assert rows(scanned / "s.db", sql) == [(2, 0)]


def test_nobody_is_recognised_by_the_others(scanned: Path) -> None:
    of_unusable = "face IN (SELECT id FROM faces WHERE unusable IS NOT NULL)"
    for table in ("recognitions", "embeddings"):
        assert rows(scanned / "s.db", f"SELECT count(*) FROM {table} WHERE {of_unusable}") == [(0,)]
    [[animals]] = rows(scanned / "s.db", "SELECT count(*) FROM individuals")
    assert animals == 2


def test_the_census_counts_them_by_reason(scanned: Path) -> None:
    unusable = population(scanned).ledger.unusable
    assert unusable == {"faces: not of the species": 2, "faces: too small": 1}


def test_another_species_is_no_detection_of_a_camera(scanned: Path) -> None:
    [effort] = population(scanned).efforts
    assert (effort.images, effort.detections) == (5, 3)


def test_why_tells_the_reason(scanned: Path) -> None:
    told = " ".join(station("why", "far.jpg", "--db", scanned / "s.db").split())
    assert "cannot be used: too small" in told
    assert "no age is told" in told


def test_a_package_names_no_species_for_another_one(scanned: Path, tmp_path: Path) -> None:
    station("export", "camtrap-dp", tmp_path / "dp", "--config", scanned / "station.toml")
    with (tmp_path / "dp" / "observations.csv").open(newline="") as lines:
        seen = list(csv.DictReader(lines))
    named = {row["observationComments"]: row["scientificName"] for row in seen if row["observationLevel"] == "media"}
    assert named["face cannot be used: not of the species"] == ""
    assert named["face cannot be used: too small"] == "Ailuropoda melanoleuca"
    events = [row["count"] for row in seen if row["observationLevel"] == "event" and not row["scientificName"]]
    assert events == ["1"]


def test_other_tools_get_all_boxes_as_animals(scanned: Path, tmp_path: Path) -> None:
    station("export", "megadetector", tmp_path / "md.json", "--db", scanned / "s.db")
    images = json.loads((tmp_path / "md.json").read_text())["images"]
    assert {image["file"]: len(image["detections"]) for image in images} == {
        "both.jpg": 2, "empty.jpg": 0, "far.jpg": 1, "green.jpg": 1, "near.jpg": 1,
    }  # fmt: skip


def test_a_path_names_the_only_face_of_its_picture_also_where_it_cannot_be_used(scanned: Path, tmp_path: Path) -> None:
    """People saw whom it shows; the ledger would be found wanting otherwise."""
    (tmp_path / "pictures" / "bao").mkdir(parents=True)
    for name in ("far.jpg", "both.jpg"):
        (tmp_path / "pictures" / "bao" / name).write_bytes((scanned / "pictures" / name).read_bytes())
    (tmp_path / "station.toml").write_text(
        PROJECT.replace('"ages"', f'"{scanned}/ages"').replace('"finder"', f'"{scanned}/finder"')
        + 'pattern = "{individual}"\n'
    )
    with daemon.composed(settings.load(tmp_path / "station.toml"), now) as made:
        list(made.scan())
    sql = """SELECT path LIKE '%far.jpg', faces.individual FROM faces JOIN frames ON frames.id = frame
        WHERE unusable IS NOT NULL"""
    assert dict(rows(tmp_path / "s.db", sql)) == {1: "bao", 0: None}
    with Store(tmp_path / "s.db", datetime.now(UTC)) as store, store.asking() as db:
        from station.people import astray  # noqa: PLC0415

        assert astray(db) == []
