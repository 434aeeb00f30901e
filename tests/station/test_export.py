"""Packages of real scans: real pictures, the real commands, the standard's own schemas."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import frictionless
import pytest

from station.camtrap.check import mistakes
from station.camtrap.schema import FOLDER, STANDARD, columns
from station.copies import copy_database
from tests.conftest import picture
from tests.station.test_commands import station
from tests.station.test_line import rows

SETTINGS = """
[station]
database = "s.db"
bundle = "{bundle}"
timezone = "+08:00"
[project]
title = "Pandas of the ridge"
sampling_design = "targeted"
contact = "Wei"
email = "wei@example.org"
organization = "The reserve"
data_license = "CC0-1.0"
media_license = "CC-BY-4.0"
[cameras.ridge]
name = "Ridge, north"
latitude = 30.82345
longitude = 103.12345
deployment_start = 2026-04-01T00:00:00+08:00
"""
MORE = """
[cameras.field]
latitude = 31.0
longitude = 103.5
timezone = "-07:00"
"""


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """Two animals at one camera, one picture before the deployment began, and one with an impossible clock."""
    taken = {
        "bao/1.jpg": "2026:05:01 10:00:00", "bao/2.jpg": "2026:05:01 10:20:00", "xin/3.jpg": "2026:05:01 10:45:00",
        "xin/4.jpg": "2026:05:01 11:30:00", "bao/5.jpg": "2026:03:01 10:00:00", "bao/6.jpg": "2041:03:01 10:00:00",
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("ridge")
    for number, (name, when) in enumerate(taken.items()):
        (folder / "card" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "card" / name).write_bytes(picture(60 + 20 * number, when, seed=number))
    station("scan", folder / "card", "--camera", "ridge", "--pattern", "{individual}", "--recursive", "--model",
            bundle, "--db", folder / "s.db", "--timezone", "+08:00")  # fmt: skip
    return folder / "s.db"


@pytest.fixture
def ridge(tmp_path: Path, scanned: Path, bundle: Path) -> Path:
    copy_database(scanned, tmp_path / "s.db")
    (tmp_path / "station.toml").write_text(SETTINGS.format(bundle=bundle))
    return tmp_path


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def descriptor(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "datapackage.json").read_text()))


def export(ridge: Path, *more: object, status: int = 0) -> str:
    return station("export", "camtrap-dp", ridge / "dp", "--config", ridge / "station.toml", *more, status=status)


def test_the_copies_of_the_schemas_are_those_of_the_standard(data: Path) -> None:
    standard = data.parent / "standards" / "camtrap-dp-1.0.2"
    for file in standard.glob("*.json"):
        assert hashlib.sha256((FOLDER / file.name).read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert "MIT License" in (FOLDER / "LICENSE").read_text()


def test_a_package_of_a_scan_is_valid_by_the_command_of_frictionless_too(ridge: Path) -> None:
    assert "4 media" in export(ridge)
    dp = ridge / "dp"
    assert list(mistakes(dp)) == []
    for name in STANDARD:  # as others would: the standard's own schema against the file
        schema = frictionless.Schema.from_descriptor(str(FOLDER / f"{name}-table-schema.json"))
        schema.foreign_keys = []
        report = frictionless.Resource(path=f"{name}.csv", basepath=str(dp), schema=schema).validate()
        assert report.valid, report.flatten(["message"])
        assert list(table(dp, name)[0]) == columns(name)
    for name in ("individuals", "age-estimates"):
        [resource] = [r for r in descriptor(dp)["resources"] if r["name"] == name]
        assert isinstance(resource["schema"], dict)
        assert [field["name"] for field in resource["schema"]["fields"]] == list(table(dp, name)[0])


def test_media_and_event_observations_name_individuals_sexes_and_stages(ridge: Path) -> None:
    station("individuals", "set", "bao", "--sex", "f", "--born", "2025-01-01", "--db", ridge / "s.db", "--anyway")
    station("individuals", "confirm", "xin", "3.jpg", "--who", "Lan", "--db", ridge / "s.db")
    export(ridge)
    seen = table(ridge / "dp", "observations")
    media = [row for row in seen if row["observationLevel"] == "media"]
    events = [row for row in seen if row["observationLevel"] == "event"]
    assert [row["individualID"] for row in media] == ["bao", "bao", "xin", "xin"]
    assert {row["mediaID"] for row in media} == {row["mediaID"] for row in table(ridge / "dp", "media")}
    assert sorted(row["individualID"] for row in events) == ["bao", "xin", "xin"]  # the pause was 45 minutes
    assert events[0]["eventStart"] == "2026-05-01T10:00:00+08:00"
    assert events[0]["eventEnd"] == "2026-05-01T10:45:00+08:00"
    bao = events[0]
    assert (bao["sex"], bao["lifeStage"], bao["observationTags"]) == ("female", "juvenile", "lifeStage:cub")
    assert bao["scientificName"] == "Ailuropoda melanoleuca"
    assert {(row["classificationMethod"], row["classifiedBy"]) for row in media} == {
        ("human", "path"),
        ("human", "Lan"),
    }
    known = {row["individualID"]: row for row in table(ridge / "dp", "individuals")}
    assert known["bao"]["born"] == "2025-01-01"
    assert known["bao"]["bornIsKnown"] == "true"
    assert known["xin"]["bornLow"] < known["xin"]["born"] < known["xin"]["bornHigh"]
    ages = table(ridge / "dp", "age-estimates")
    assert {row["observationID"] for row in ages} == {row["observationID"] for row in media}
    assert {row["model"] for row in ages} == {"tiny-1"}


def test_coordinates_are_rounded_everywhere_when_that_is_asked_for(ridge: Path) -> None:
    export(ridge, "--round", "0.01")
    [row] = table(ridge / "dp", "deployments")
    assert (row["latitude"], row["longitude"]) == ("30.82", "103.12")
    assert 700 < int(row["coordinateUncertainty"]) < 800
    assert descriptor(ridge / "dp")["coordinatePrecision"] == 0.01
    assert "345" not in "".join(
        file.read_text() for file in (ridge / "dp").glob("*") if file.stem in ("datapackage", "deployments")
    )
    assert descriptor(ridge / "dp")["spatial"] == {"type": "Point", "coordinates": [103.12, 30.82]}


def test_the_descriptor_says_whose_it_is_and_what_it_covers(ridge: Path) -> None:
    export(ridge)
    told = descriptor(ridge / "dp")
    assert told["temporal"] == {"start": "2026-04-01", "end": "2026-05-01"}
    assert told["contributors"][0] == {
        "title": "Wei", "role": "contact", "email": "wei@example.org", "organization": "The reserve",
    }  # fmt: skip
    assert told["licenses"] == [{"name": "CC0-1.0", "scope": "data"}, {"name": "CC-BY-4.0", "scope": "media"}]
    assert told["project"]["individualAnimals"] is True


def test_what_the_configuration_does_not_say_is_named_all_at_once(ridge: Path, bundle: Path) -> None:
    (ridge / "station.toml").write_text(f'[station]\ndatabase = "s.db"\nbundle = "{bundle}"\n')
    told = export(ridge, status=2)
    for key in ("project.title", "project.sampling_design", "project.contact", "cameras.ridge.latitude"):
        assert key in told
    assert not list(ridge.glob("*dp*"))


def test_a_folder_that_is_there_is_left_as_it_is(ridge: Path) -> None:
    (ridge / "dp").mkdir()
    (ridge / "dp" / "mine.txt").write_text("x")
    assert "exists already and is left as it is" in export(ridge, status=2)
    assert [file.name for file in (ridge / "dp").iterdir()] == ["mine.txt"]


def test_pictures_go_along_when_that_is_asked_for_and_never_with_a_rounded_place(ridge: Path) -> None:
    assert "take --round or --pictures" in export(ridge, "--round", "0.1", "--pictures", status=2)
    assert "4 pictures copied" in export(ridge, "--pictures")
    for row in table(ridge / "dp", "media"):
        assert hashlib.sha256((ridge / "dp" / row["filePath"]).read_bytes()).hexdigest().startswith(row["mediaID"])


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory, bundle: Path, data: Path) -> Path:
    """Real camera-trap pictures with the detector's boxes, some with people."""
    db = tmp_path_factory.mktemp("field") / "s.db"
    station("scan", data / "camera_traps" / "field", "--recursive", "--camera", "field", "--faces", "megadetector",
            "--model", bundle, "--db", db, "--timezone", "-07:00")  # fmt: skip
    return db


@pytest.fixture
def field(tmp_path: Path, boxed: Path, bundle: Path) -> Path:
    copy_database(boxed, tmp_path / "s.db")
    (tmp_path / "station.toml").write_text(SETTINGS.format(bundle=bundle) + MORE)
    return tmp_path


def test_people_are_never_exported_as_animals(field: Path) -> None:
    export(field, "--pictures")
    people = {path.rpartition("/")[2] for (path,) in rows(field / "s.db", "SELECT path FROM frames WHERE people > 0")}
    assert people
    shown = {row["mediaID"]: row for row in table(field / "dp", "media") if row["fileName"] in people}
    assert shown
    for row in table(field / "dp", "observations"):
        assert (row["mediaID"] in shown) <= (row["observationType"] == "human")
        assert row["observationType"] != "animal" or row["scientificName"] != "Homo sapiens"
    for row in shown.values():
        assert row["filePublic"] == "false"
        assert not (field / "dp" / row["filePath"]).exists()
    detections = field / "md.json"
    station("export", "megadetector", detections, "--db", field / "s.db")
    for image in json.loads(detections.read_text())["images"]:
        if image["file"].rpartition("/")[2] in people:
            assert [found["category"] for found in image["detections"]] == ["2"]


def test_the_station_does_not_say_the_species_of_animals_that_nobody_knows(field: Path) -> None:
    export(field)
    animals = [row for row in table(field / "dp", "observations") if row["observationType"] == "animal"]
    assert {row["scientificName"] for row in animals} == {""}
    assert {row["classificationMethod"] for row in animals} == {"machine"}


def test_a_results_file_is_read_by_the_stations_own_finder_with_the_same_faces(
    field: Path, data: Path, bundle: Path
) -> None:
    """Out, beside copies of the pictures, and in again."""
    sides = "round(x, 4), round(y, 4), round(width, 4), round(height, 4)"
    asked = f"SELECT digest, number, {sides} FROM faces JOIN frames ON frames.id = frame ORDER BY 1, 2"
    card = field / "card"
    pictures = (file for file in (data / "camera_traps" / "field").rglob("*") if file.suffix.lower() == ".jpg")
    for file in pictures:
        target = card / file.relative_to(data / "camera_traps" / "field")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    told = station("export", "megadetector", card / "megadetector.json", "--db", field / "s.db")
    raw = json.loads((card / "megadetector.json").read_text())
    assert raw["info"]["format_version"] == "1.4"
    assert f"{len(raw['images'])} pictures" in told
    station("scan", card, "--recursive", "--camera", "field", "--faces", "megadetector", "--model", bundle,
            "--db", field / "again.db", "--timezone", "-07:00")  # fmt: skip
    assert rows(field / "again.db", asked) == rows(field / "s.db", asked) != []


def test_a_wrong_package_is_told_with_table_and_reason(ridge: Path) -> None:
    export(ridge)
    seen = (ridge / "dp" / "observations.csv").read_text()
    (ridge / "dp" / "observations.csv").write_text(
        seen.replace(",animal,", ",panda,", 1).replace(",human,", ",ghost,", 1)
    )
    told = list(mistakes(ridge / "dp"))
    assert any("observations" in line and "panda" in line for line in told), told
    raw = descriptor(ridge / "dp")
    raw["project"].pop("samplingDesign")
    (ridge / "dp" / "datapackage.json").write_text(json.dumps(raw))
    assert any("samplingDesign" in line for line in mistakes(ridge / "dp"))


def test_the_standards_own_example_is_valid_here(data: Path) -> None:
    assert list(mistakes(data / "camera_traps" / "camtrap_dp_example")) == []
