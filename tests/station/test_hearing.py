"""What people say, on a real ledger, and what follows from it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from station.domain import Duplicate, Frame
from station.hearing import Hearing, WordError, find_face, hearing
from station.herald import Herald
from station.history import reading
from station.individuals import recognise
from station.schema import StoreError
from station.store import Store
from tests.frames import candidate, observed, take
from tests.station.conftest import NOW
from tests.station.test_line import rows
from tests.tiny import card

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def known(file: Path, store: Store) -> Path:
    """Faces 1 and 2 of bao and 3 of xin by their paths, 4 and 5 in one picture of none, 6 new to the machine."""
    people = ["bao", "bao", "xin", None, None]
    store.admit([candidate(n, individual=who) for n, who in enumerate(people, 1)], NOW)
    frames = take(store, 5)
    store.record([recognise(observed(frame, "", *ages)) for frame, ages in zip(frames, AGES, strict=True)], NOW)
    machine(store, 6, "new", "new-1")
    return file


AGES = [(4.0,), (5.0,), (6.0,), (7.0, 8.0), (2.0,)]


def machine(store: Store, face: int, verdict: str, individual: str) -> None:
    """What the identity part of the Line writes."""
    with store.writing() as db:
        at = NOW.isoformat()
        db.execute(
            "INSERT OR IGNORE INTO individuals (id, first_seen_at, provisional) VALUES (?, ?, 1)", [individual, at]
        )
        db.execute("INSERT INTO recognitions (face, identity, verdict, individual, similarity, recognised_at) "
                   "VALUES (?, 'e1', ?, ?, 0.5, ?)", [face, verdict, individual, at])  # fmt: skip
        if verdict != "unsure":
            db.execute("UPDATE faces SET individual = ? WHERE id = ?", [individual, face])


def names(file: Path) -> list[str | None]:
    return [who for (who,) in rows(file, "SELECT individual FROM faces ORDER BY id")]


def row(file: Path, individual: str) -> dict[str, Any]:
    with reading(file) as db:
        [found] = db.query("SELECT * FROM individuals WHERE id = ?", [individual])
    return dict(found)


def say(file: Path, said: Callable[[Hearing], object], who: str = "wei") -> None:
    with hearing(file, who, LATER) as heard:
        said(heard)


BEFORE = ["bao", "bao", "xin", None, None, "new-1"]


def test_words_are_said_while_the_store_is_open_and_are_seen_by_it(known: Path, store: Store) -> None:
    assert names(known) == BEFORE
    say(known, lambda heard: heard.confirm(4, "xin"))
    with store.asking() as db:
        assert db.execute("SELECT individual FROM faces WHERE id = 4").fetchone() == ("xin",)
    assert rows(known, "SELECT who, verb, individual, face, undone_at FROM words") == [
        ("wei", "confirm", "xin", 4, None)
    ]


def test_a_merge_derives_all_faces_anew_and_its_undoing_restores_them(known: Path) -> None:
    say(known, lambda heard: heard.merge("new-1", "bao"))
    assert names(known) == ["bao", "bao", "xin", None, None, "bao"]
    assert row(known, "new-1")["merged_into"] == "bao"
    say(known, lambda heard: heard.undo(1))
    assert names(known) == BEFORE
    assert row(known, "new-1")["merged_into"] is None
    assert row(known, "new-1")["provisional"] == 1
    assert rows(known, "SELECT verb, undone_at IS NULL FROM words") == [("merge", 0), ("undo", 1)]
    say(known, lambda heard: heard.undo(2))
    assert names(known)[5] == "bao"


def test_a_provisional_individual_is_one_until_somebody_says_something_of_it(known: Path) -> None:
    assert row(known, "new-1")["provisional"] == 1
    say(known, lambda heard: heard.name("new-1", "Mei"))
    assert (row(known, "new-1")["provisional"], row(known, "new-1")["name"]) == (0, "Mei")
    say(known, lambda heard: heard.set("Mei", {"sex": "f", "born_on": "2024-08-21"}))
    say(known, lambda heard: heard.merge("mei".capitalize(), "xin"))
    assert {key: row(known, "xin")[key] for key in ("sex", "born_on", "name")} == {
        "sex": "f", "born_on": "2024-08-21", "name": "Mei",
    }  # fmt: skip
    for number in (3, 2, 1):
        say(known, lambda heard, number=number: heard.undo(number))  # type: ignore[misc]
    assert row(known, "new-1")["provisional"] == 1
    assert row(known, "xin")["born_on"] is None


def test_a_split_takes_faces_off_and_can_be_undone_as_one(known: Path) -> None:
    say(known, lambda heard: heard.split([1, 2], "bao"))
    assert names(known) == ["bao-2", "bao-2", "xin", None, None, "new-1"]
    with pytest.raises(WordError, match="word 2 is a part of word 1"):
        say(known, lambda heard: heard.undo(2))
    say(known, lambda heard: heard.undo(1))
    assert names(known) == BEFORE
    say(known, lambda heard: heard.split([2], "bao", "xin"))
    assert names(known)[:3] == ["bao", "xin", "xin"]


def test_what_the_machine_says_later_of_a_merged_individual_or_a_path_is_followed(known: Path, store: Store) -> None:
    say(known, lambda heard: heard.merge("xin", "bao"))
    store.admit([candidate(9, individual="xin")], LATER)
    store.record([recognise(observed(take(store, 1)[0], "", 3.0))], LATER)
    assert names(known)[-1] == "bao"
    say(known, lambda heard: heard.undo(1))
    assert names(known)[-1] == "xin"


def test_a_sorted_copy_is_a_persons_word_where_there_is_none(known: Path, store: Store) -> None:
    def copy(number: int, of: str, who: str) -> Frame:
        store.admit([candidate(number, individual=who, path=f"/sorted/{number}.jpg")], LATER)
        [frame] = take(store, 1)
        store.record([Duplicate(frame, of)], LATER)
        return frame

    copy(21, "d5", "xin")  # the machine's new-1
    copy(22, "d5", "bao")  # named already
    copy(23, "d1", "xin")  # its own path named it
    copy(24, "d4", "xin")  # shows two
    assert names(known) == ["bao", "bao", "xin", None, None, "xin"]
    say(known, lambda heard: heard.undo(1))
    assert names(known) == BEFORE


def test_all_that_one_asks_for_is_done_or_nothing(known: Path) -> None:
    with (
        pytest.raises(WordError, match=r"no individual boa; did you mean bao\?"),
        hearing(known, "wei", LATER) as heard,
    ):
        heard.merge("xin", "bao")
        heard.confirm(4, "boa")
    assert names(known) == BEFORE
    assert rows(known, "SELECT count(*) FROM words") == [(0,)]


WRONG: list[tuple[Callable[[Hearing], object], str]] = [
    (lambda h: h.confirm(99, "bao"), "there is no face 99"),
    (lambda h: h.confirm(1, "bao", new=True), "there is an individual bao already: leave --new out"),
    (lambda h: h.merge("bao", "bao"), "one individual already"),
    (lambda h: h.split([], "bao"), "which faces of bao"),
    (lambda h: h.split([3], "bao"), "face 3 is not one of bao: it shows xin"),
    (lambda h: h.split([4], "bao"), "it shows nobody known"),
    (lambda h: h.split([1], "bao", "bao"), "nothing would be split off"),
    (lambda h: h.set("bao", {}), "what is to be set"),
    (lambda h: h.set("bao", {"sex": "x"}), "a sex is f or m"),
    (lambda h: h.set("bao", {"born_on": "21.8.2019"}), "is no date; write 2019-08-21"),
    (lambda h: h.set("bao", {"born_on": "2031-01-01"}), "lies in the future"),
    (lambda h: h.set("bao", {"born_on": "2019-01-01", "died_on": "2018-01-01"}), "cannot both be"),
    (lambda h: h.set("bao", {"died_on": "2020-01-01"}), "died on 2020-01-01, but seen on 2026-06-01.*--anyway"),
    (lambda h: h.undo(7), "there is no word 7"),
    (lambda h: h.differ(1, 1), "cannot differ from itself"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_cannot_be_is_refused_in_words(known: Path, said: Callable[[Hearing], object], why: str) -> None:
    with pytest.raises(WordError, match=why):
        say(known, said)
    assert rows(known, "SELECT count(*) FROM words") == [(0,)]


def test_a_word_is_undone_once(known: Path) -> None:
    say(known, lambda heard: heard.confirm(4, "bao"))
    say(known, lambda heard: heard.undo(1))
    with pytest.raises(WordError, match="word 1 is undone already"):
        say(known, lambda heard: heard.undo(1))


def test_two_animals_in_one_picture_are_not_merged_by_mistake(known: Path) -> None:
    say(known, lambda heard: (heard.confirm(4, "bao"), heard.confirm(5, "xin")))
    with pytest.raises(WordError, match=r"bao and xin are two animals: /p/4.jpg shows both; --anyway"):
        say(known, lambda heard: heard.merge("bao", "xin"))
    say(known, lambda heard: heard.merge("bao", "xin", anyway=True))
    assert set(names(known)) == {"xin", "new-1"}


def test_two_faces_that_differ_lose_the_weaker_name(known: Path, store: Store) -> None:
    machine(store, 4, "known", "new-1")
    say(known, lambda heard: heard.differ(4, 6))
    assert names(known)[3:] == ["new-1", None, None]


def test_a_face_is_found_by_its_number_or_its_picture(known: Path) -> None:
    with reading(known) as db:
        assert find_face(db, "3") == 3
        assert find_face(db, "1.jpg") == 1
        assert find_face(db, "/p/4.jpg#1") == 5
        with pytest.raises(WordError, match=r"4\.jpg shows 2 faces: say 4\.jpg#0 to 4\.jpg#1"):
            find_face(db, "4.jpg")
        with pytest.raises(WordError, match=r"no picture 77\.jpg was ever admitted"):
            find_face(db, "77.jpg")


def told(store: Store) -> dict[str, dict[str, Any] | None]:
    with store.asking() as db:
        found = db.execute("SELECT topic, payload FROM outbox WHERE retained = 1").fetchall()
    return {topic.rpartition("/")[2]: json.loads(payload) if payload else None for topic, payload in found}


def test_subscribers_hear_what_a_word_changes_and_a_merged_individual_is_cleared(file: Path) -> None:
    with Store(file, NOW, herald=Herald("hut")) as store:
        store.use_model(card(), NOW)
        store.admit([candidate(1, individual="bao"), candidate(2, individual="xin")], NOW)
        store.record([recognise(observed(frame, "", 4.0 + frame.id)) for frame in take(store, 2)], NOW)
        store.admit([candidate(3)], NOW)
        with store.writing() as db:
            db.execute("DELETE FROM outbox")
        say(file, lambda heard: heard.merge("bao", "xin"))
        assert told(store) == {}
        store.retell(LATER)
        heard = told(store)
        assert heard["bao"] is None
        assert heard["xin"] and heard["xin"]["age_years"] == 6.0
        say(file, lambda heard: heard.undo(1))
        store.record([recognise(observed(frame, "", 1.0)) for frame in take(store, 1)], LATER)  # a record tells it too
        heard = told(store)
        assert heard["bao"] and heard["bao"]["age_years"] == 5.0
        assert rows(file, "SELECT * FROM untold") == []


def test_two_writers_wait_for_each_other_and_neither_is_refused(known: Path, store: Store) -> None:
    """A transaction that reads first and then writes would be refused at once where the other wrote in between."""
    with closing(sqlite3.connect(known, timeout=0, isolation_level=None)) as other:
        with store.writing() as db:
            db.execute("SELECT count(*) FROM frames").fetchall()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE frames SET detail = 'x' WHERE id = 1")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")


def test_a_missing_a_foreign_and_an_older_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database"):
        say(tmp_path / "none.db", lambda heard: heard.undo(1))
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE birds (id)")
    with pytest.raises(StoreError, match="another program"):
        say(tmp_path / "other.db", lambda heard: heard.undo(1))


def test_a_newly_named_individual_is_made_only_when_that_is_asked_for(known: Path) -> None:
    say(known, lambda heard: heard.confirm(4, "Lan", new=True))
    assert names(known)[3] == "Lan"
