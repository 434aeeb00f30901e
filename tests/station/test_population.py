"""What the census takes from a real ledger."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from station import population, species
from station.animals import Animal
from station.hearing import hearing
from station.history import reading
from station.population import Population, Reading
from station.response import Response
from station.schema import StoreError
from station.times import iso
from tests.reserve import Reserve, reserve

ON = date(2026, 6, 30)
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def read(file: Path, on: date = ON, zone: str = "UTC", as_known: datetime | None = None, days: int = 365) -> Population:
    panda = species.find("giant_panda")
    assert panda
    with reading(file) as db:
        return population.read(db, Reading(on, ZoneInfo(zone), panda, Response.plain(1, 1), days, as_known))


def one(of: Population, id: str) -> Animal:
    return next(animal for animal in of.animals if animal.id == id)


def test_an_empty_ledger_is_nobody_and_no_error(file: Path) -> None:
    with reserve(file):
        pass
    found = read(file)
    assert (found.animals, found.efforts, found.ledger.unusable, found.ledger.model) == ((), (), {}, None)


def test_a_ledger_of_an_older_station_is_refused_with_the_remedy(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE frames (id INTEGER)")
    with pytest.raises(StoreError, match="station migrate"):
        read(file)


def test_faces_become_sightings_in_order_of_time_and_bursts_one_reading(file: Path) -> None:
    with reserve(file) as said:
        for seconds in (4000, 0, 3, 6):
            said.seen("bao", NOON + timedelta(seconds=seconds))
        said.seen("bao", NOON + timedelta(seconds=2), camera="river")
    bao = one(read(file), "bao").sightings
    assert [bao.cameras[place] for place in bao.camera] == ["ridge", "river", "ridge", "ridge", "ridge"]
    assert len(set(bao.event.tolist())) == 3
    assert bao.places == ("ridge", "river")


def test_days_are_those_of_the_stations_zone(file: Path) -> None:
    with reserve(file) as said:
        said.seen("bao", datetime(2026, 6, 30, 15, 59, tzinfo=UTC))
        said.seen("mei", datetime(2026, 6, 30, 16, 1, tzinfo=UTC))
    assert {animal.id for animal in read(file, zone="Asia/Shanghai").animals} == {"bao"}
    assert {animal.id for animal in read(file, zone="UTC").animals} == {"bao", "mei"}
    summer = read(file, date(2026, 7, 1), "Asia/Shanghai")
    assert one(summer, "mei").sightings.day.tolist() == [date(2026, 7, 1).toordinal()]


def test_what_people_know_of_an_animal_comes_with_it(file: Path) -> None:
    with reserve(file) as said:
        said.individual("bao", name="Bao Bao", sex="f", born_on="2016-08-01", died_on="2026-06-29")
        said.seen("bao", NOON)
    bao = one(read(file), "bao")
    assert (bao.name, bao.sex, bao.birth.median(), bao.died_on) == ("Bao Bao", "f", date(2016, 8, 1), date(2026, 6, 29))
    assert bao.word == "2016-08-01||"


def test_the_ages_of_the_newest_model_count_and_it_is_said_who_told_how_many(file: Path) -> None:
    with reserve(file) as said:
        faces = [said.seen("bao", NOON - n * DAY, 3.0) for n in range(3)]
        said.model("tiny-2", NOON)
        for face in faces[:2]:
            said.estimate(face, 12.0, NOON, "tiny-2")
    found = read(file)
    assert found.ledger.models == {"tiny-1": 1, "tiny-2": 2}
    assert found.ledger.model == "tiny-2"
    assert one(found, "bao").told_stage == "adult"


def test_what_cannot_be_used_is_counted_by_reason(file: Path) -> None:
    with reserve(file) as said:
        said.seen(None, NOON)
        said.face(said.frame(NOON), "bao", unusable="blurred")
        said.face(said.frame(NOON, captured_impossible=1), "bao")
        said.face(said.frame(None, done=NOON), "bao")
        said.face(said.frame(NOON), "bao")
        said.frame(NOON, people=2)
        said.frame(None, done=NOON, outcome="rejected", reason="not_an_image")
        said.face(said.frame(NOON - 400 * DAY), None)
    assert read(file).ledger.unusable == {
        "faces: blurred": 1,
        "faces whose picture has an impossible time": 1,
        "faces whose picture has no time": 1,
        "faces that nobody could name": 1,
        "faces without an age": 1,
        "pictures with people, in which no face is looked for": 1,
        "pictures that could not be read: not an image": 1,
    }


def test_an_animal_without_an_age_is_counted_all_the_same(file: Path) -> None:
    with reserve(file) as said:
        said.face(said.frame(NOON), "bao")
    bao = one(read(file), "bao")
    assert bao.told_stage is None
    assert sum(bao.birth.probability) == pytest.approx(1)


def test_a_face_in_a_picture_with_people_is_never_a_sighting(file: Path) -> None:
    with reserve(file) as said:
        said.face(said.frame(NOON, people=1), "bao")
    assert read(file).animals == ()


def test_effort_is_told_by_camera_with_its_empty_pictures(file: Path) -> None:
    with reserve(file) as said:
        for days in range(5):
            said.frame(NOON - days * DAY, "river")
        said.seen("bao", NOON, camera="ridge")
        said.seen("bao", NOON - 400 * DAY, camera="old")
    found = {effort.camera: (effort.nights, effort.images, effort.detections) for effort in read(file).efforts}
    assert found == {"ridge": (1, 1, 1), "river": (5, 5, 0)}


def test_who_is_absent_is_told_with_the_reason(file: Path) -> None:
    with reserve(file) as said:
        said.seen("bao", NOON)
        said.seen("far", NOON - 366 * DAY)
        said.individual("same", merged_into="bao")
    absent = read(file).absent
    assert absent["far"] == f"last seen on {ON - 366 * DAY}, before the window"
    assert absent["same"] == "is the same animal as bao"


def by_machine(said: Reserve, id: str, at: datetime, verdict: str = "new") -> int:
    said.individual(id, provisional=1)
    face = said.face(said.frame(at), id)
    said.estimate(face, 8.0, at)
    row = {"face": face, "identity": "e1", "verdict": verdict, "individual": id, "similarity": 0.5}
    said.db.table("recognitions").insert(row | {"recognised_at": iso(at)})
    return face


def test_the_machine_is_believed_less_than_people_and_the_more_the_oftener_it_was_right(file: Path) -> None:
    with reserve(file) as said:
        said.seen("bao", NOON)
        by_machine(said, "new-1", NOON)
        by_machine(said, "new-2", NOON)
    found = read(file)
    assert one(found, "bao").confidence == 1
    assert one(found, "new-1").provisional
    assert one(found, "new-1").confidence == pytest.approx(0.8)
    with hearing(file, "wei", NOON) as heard:
        heard.name("new-1", "Xin")
    better = read(file)
    assert one(better, "new-2").confidence > 0.8
    assert one(better, "new-1").confidence > 0.8
    assert not one(better, "new-1").provisional


def test_what_people_merged_makes_splinters_likelier(file: Path) -> None:
    with reserve(file) as said:
        said.seen("bao", NOON)
        by_machine(said, "new-1", NOON)
        by_machine(said, "new-2", NOON)
    with hearing(file, "wei", NOON) as heard:
        heard.merge("new-1", "bao")
    found = read(file)
    assert (found.doubt.splinters, found.doubt.lumps) == (1.5, 0.5)
    assert {animal.id for animal in found.animals} == {"bao", "new-2"}
    assert len(one(found, "bao").sightings) == 2


def test_as_known_then_is_what_was_said_and_estimated_by_then(file: Path) -> None:
    with reserve(file) as said:
        by_machine(said, "new-1", NOON - 2 * DAY)
        said.seen("bao", NOON - 3 * DAY)
        late = said.face(said.frame(NOON - 3 * DAY, done=NOON + 5 * DAY, individual="bao"), "bao")
        said.estimate(late, 20.0, NOON + 5 * DAY)
    with hearing(file, "wei", NOON + 4 * DAY) as heard:
        heard.merge("new-1", "bao")
        heard.set("bao", {"sex": "f"})
    then, now = read(file, as_known=NOON + DAY), read(file)
    assert {animal.id: len(animal.sightings) for animal in then.animals} == {"bao": 1, "new-1": 1}
    assert {animal.id: len(animal.sightings) for animal in now.animals} == {"bao": 3}
    assert (one(then, "bao").sex, one(now, "bao").sex) == ("", "f")
    assert one(then, "new-1").provisional
    assert (then.ledger.as_known_then, now.ledger.as_known_then) == (True, False)


def test_the_interval_of_a_birth_date_shrinks_with_what_is_seen(file: Path) -> None:
    with reserve(file) as said:
        said.often("bao", NOON, 20)
    history = one(read(file), "bao").history
    assert [known.on for known in history] == sorted(known.on for known in history)
    assert history[-1].high - history[-1].low < history[0].high - history[0].low
