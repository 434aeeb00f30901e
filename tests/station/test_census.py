"""The census of a day: who is counted, and what is said of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta

import numpy as np
import pytest

from station import changes, species
from station.animals import Animal, Sightings
from station.birth import BirthDate
from station.census import Census, Ledger, Question, census
from station.changes import Before
from station.effort import Effort
from station.report.exports import as_json
from station.standing import Standing

ON = date(2026, 6, 30)
EPOCH = date(1970, 1, 1).toordinal()
CAMERAS = ("ridge", "river")


def seen_on(days: Sequence[date], camera: int = 0, images: int = 2) -> Sightings:
    ordinals = np.repeat([day.toordinal() for day in days], images)
    second = np.tile(np.arange(images), len(days))
    many = len(ordinals)
    return Sightings(
        (ordinals - EPOCH) * 86_400 + 40_000 + second,
        ordinals.astype(np.int32),
        np.full(many, camera, np.int32),
        ordinals.astype(np.int64),
        np.arange(many),
        CAMERAS,
    )


def ago(*days: int) -> list[date]:
    return [ON - timedelta(days=day) for day in sorted(days, reverse=True)]


def animal(id: str, *days_ago: int, born: date = date(2016, 8, 1), **more: object) -> Animal:
    return replace(Animal(id, seen_on(ago(*days_ago)), BirthDate.on(born)), **more)  # type: ignore[arg-type]


def taken(
    *animals: Animal,
    before: Before | None = None,
    on: date = ON,
    ledger: Ledger | None = None,
    efforts: Sequence[Effort] | None = None,
) -> Census:
    panda = species.find("giant_panda")
    assert panda
    always = np.arange(ON.toordinal() - 400, ON.toordinal() + 400, dtype=np.int32)
    looked = [Effort(camera, always, 10, 5) for camera in CAMERAS] if efforts is None else efforts
    return census(animals, looked, ledger or Ledger(model="m1"), Question(on, panda, draws=200), before)


def standing(of: Census, id: str) -> Standing:
    return next(one for one in of.individuals if one.id == id)


def was(of: Census) -> Before:
    return Before.of(json.loads(as_json(of)))


def test_who_was_seen_in_the_window_is_counted_by_life_stage_and_sex() -> None:
    found = taken(
        animal("bao", 3, sex="f"), animal("mei", 10, sex="m"), animal("cub", 5, born=date(2025, 9, 1)),
        animal("gone", 365), animal("edge", 364),
    )  # fmt: skip
    assert [one.id for one in found.individuals] == ["bao", "cub", "mei", "edge"]
    assert {line.stage: line.animals.likely for line in found.counts} == {
        "cub": 1, "subadult": 0, "adult": 3, "old": 0
    }  # fmt: skip
    adults = found.counts[2]
    assert {sex: number.likely for sex, number in adults.by_sex.items()} == {"f": 1, "m": 1, "unknown": 1}
    assert found.total.likely == 4


def test_who_is_known_to_have_died_is_not_counted() -> None:
    found = taken(animal("bao", 3), animal("mei", 10, died_on=ON), animal("xin", 10, died_on=ON + timedelta(days=1)))
    assert [one.id for one in found.individuals] == ["bao", "xin"]


def test_the_same_input_gives_the_same_census() -> None:
    animals = [animal(f"a{n}", n, provisional=True, confidence=0.7) for n in range(8)]
    assert as_json(taken(*animals)) == as_json(taken(*animals))


def test_it_is_said_who_was_seen_that_day_who_is_new_and_who_was_seen_again() -> None:
    yesterday = was(taken(animal("bao", 3), on=ON - timedelta(days=2)))
    found = taken(animal("bao", 0, 3), animal("mei", 1), animal("xin", 9), before=yesterday)
    told = {one.id: (one.seen_tonight, one.new, one.again) for one in found.individuals}
    assert told == {"bao": (True, False, True), "mei": (False, True, False), "xin": (False, False, False)}


WEEKLY = range(70, 371, 7)


def test_an_animal_is_overdue_by_its_own_rhythm() -> None:
    found = taken(animal("often", *WEEKLY), animal("seldom", *range(70, 365, 36)), animal("once", 70))
    assert standing(found, "often").overdue_since == (ON - timedelta(days=70)).isoformat()
    assert standing(found, "often").allowed_days == 14
    assert standing(found, "seldom").overdue_since is None
    assert standing(found, "once").allowed_days is None


def test_an_animal_is_not_overdue_while_nobody_looked() -> None:
    still = [Effort("ridge", np.arange(ON.toordinal() - 400, ON.toordinal() - 65, dtype=np.int32), 10, 5)]
    assert standing(taken(animal("often", *WEEKLY), efforts=still), "often").overdue_since is None


def test_it_is_said_how_long_an_animal_had_been_away_that_is_back() -> None:
    yesterday = was(taken(animal("often", *WEEKLY), on=ON - timedelta(days=1)))
    back = standing(taken(animal("often", 0, *WEEKLY), before=yesterday), "often")
    assert back.returned_after_days == 70
    assert back.overdue_since is None


YEARLING = date(2024, 12, 25)
"""Becomes a subadult, by 1.5 years, a few days before the census."""


@pytest.mark.parametrize(
    ("born_then", "word", "model", "cause"),
    [
        (YEARLING, "", "m1", changes.GREW),
        (date(2025, 3, 1), "2024-11-01||", "m1", changes.WORD),
        (date(2025, 3, 1), "", "m2", changes.MODEL),
        (date(2025, 3, 1), "", "m1", changes.PICTURES),
    ],
)
def test_a_life_stage_that_changed_is_told_with_its_cause(born_then: date, word: str, model: str, cause: str) -> None:
    a_month_ago = was(taken(animal("bao", 40, born=born_then), on=ON - timedelta(days=30)))
    now = animal("bao", 3, 40, born=min(born_then, date(2024, 11, 1)) if word or born_then != YEARLING else YEARLING)
    found = taken(replace(now, word=word), before=a_month_ago, ledger=Ledger(model=model))
    assert [(t.id, t.was, t.now, t.cause) for t in found.transitions] == [("bao", "cub", "subadult", cause)]


@pytest.mark.parametrize(
    ("then", "now", "cause"),
    [
        ({"m1": 5}, {"m1": 8}, changes.PICTURES),
        ({"m1": 5}, {"m1": 5, "m2": 1}, changes.MODEL),
        ({"m1": 3, "m2": 2}, {"m1": 1, "m2": 4}, changes.MODEL),
        ({"m1": 3, "m2": 2}, {"m1": 3, "m2": 9}, changes.PICTURES),
    ],
)
def test_a_model_that_comes_to_older_pictures_night_by_night_is_the_cause_of_what_it_changes(
    then: dict[str, int], now: dict[str, int], cause: str
) -> None:
    """The model in service is the same on both nights."""
    in_service = Ledger(model="m2")
    before = was(
        taken(animal("bao", 40, born=date(2025, 3, 1), models=then), on=ON - timedelta(days=30), ledger=in_service)
    )
    found = taken(animal("bao", 3, 40, born=date(2024, 11, 1), models=now), before=before, ledger=in_service)
    assert [t.cause for t in found.transitions] == [cause]


def test_who_is_no_longer_counted_is_told_with_the_reason() -> None:
    before = was(taken(*(animal(id, 3) for id in ("dead", "far", "same", "others")), on=ON - timedelta(days=2)))
    panda = species.find("giant_panda")
    assert panda
    found = census(
        [animal("dead", 3, died_on=ON)], [], Ledger(), Question(ON, panda), before,
        {"same": "is the same animal as far", "far": "last seen on 2025-01-01, before the window"},
    )  # fmt: skip
    assert {one.id: one.why for one in found.left} == {
        "dead": f"died on {ON}",
        "far": "last seen on 2025-01-01, before the window",
        "same": "is the same animal as far",
        "others": "its pictures are now said to show others",
    }


def test_detections_are_told_per_100_trap_nights() -> None:
    nights = np.arange(ON.toordinal() - 49, ON.toordinal() + 1, dtype=np.int32)
    found = taken(animal("bao", 3), efforts=[Effort("ridge", nights, 40, 10), Effort("river", nights[:0], 0, 0)])
    ridge, river = found.effort
    assert (ridge.nights, ridge.per_100_nights, ridge.individuals) == (50, 20.0, 1)
    assert (river.nights, river.per_100_nights, river.individuals) == (0, None, 0)


def test_days_of_many_animals_are_told_of_those_seen_last() -> None:
    found = taken(*(animal(f"a{n:03}", n) for n in range(70)))
    assert all(one.days for one in found.individuals[:60])
    assert not any(one.days for one in found.individuals[60:])
    assert len(asdict(found)["individuals"]) == 70


def test_nobody_is_a_census_too() -> None:
    found = taken()
    assert found.total.likely == 0
    assert found.individuals == ()
