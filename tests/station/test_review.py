"""What is most worth a person's minute, asked of a real scan and answered by the real commands."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from station import doubts, profiles, review
from station.copies import copy_database
from station.doubts import Odds, Question
from station.hearing import hearing
from station.history import reading
from station.lifetime import Season
from station.pictures import Picture
from station.response import Response
from station.store import Store
from tests.conftest import picture
from tests.station.test_commands import station
from tests.station.test_line import rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MEGADETECTOR = (
    '{"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": ['
    '{"file": "both.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 0.5, 1]},'
    ' {"category": "1", "conf": 0.8, "bbox": [0.5, 0, 0.5, 1]}]}]}'
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """Bao, as a person says (faces 1, 2); new to the machine (3); unsure of (4); two in one picture (5, 6)."""
    folder = tmp_path_factory.mktemp("scanned")
    for number, name in enumerate(("bao/1.jpg", "bao/2.jpg", "other/3.jpg", "other/4.jpg", "two/both.jpg")):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(picture(90 + number, f"2026:05:0{number + 1} 10:00:00", seed=number))
    (folder / "two" / "megadetector.json").write_text(MEGADETECTOR)
    db = folder / "s.db"
    scan = ("--camera", "ridge", "--model", bundle, "--db", db)
    station("scan", folder / "bao", *scan)
    station("scan", folder / "other", *scan)
    station("scan", folder / "two", *scan, "--faces", "megadetector")
    with hearing(db, "wei", NOW) as heard:
        heard.confirm(1, "bao", new=True)
        heard.confirm(2, "bao")
    recognise(db, {3: ("new", "new-1"), 4: ("unsure", "bao"), 5: ("known", "bao"), 6: ("known", "bao")})
    return db


@pytest.fixture
def ledger(tmp_path: Path, scanned: Path) -> Path:
    copy_database(scanned, tmp_path / "s.db")
    return tmp_path / "s.db"


def recognise(db: Path, said: dict[int, tuple[str, str]]) -> None:
    """What the identity part of the Line writes: face 3 is rather like bao's, face 4 less so."""
    at, angles = NOW.isoformat(), {1: 0.0, 2: 0.1, 3: 1.0, 4: 1.1, 5: 0.2, 6: 0.9}
    with Store(db, NOW) as store, store.writing() as ledger:
        for face, angle in angles.items():
            vector = np.array([np.cos(angle), np.sin(angle)], np.float16).tobytes()
            ledger.execute("INSERT INTO embeddings (face, identity, vector) VALUES (?, 'e1', ?)", [face, vector])
        for face, (verdict, who) in said.items():
            ledger.execute(
                "INSERT OR IGNORE INTO individuals (id, first_seen_at, provisional) VALUES (?, ?, 1)", [who, at]
            )
            ledger.execute(
                "INSERT INTO recognitions (face, identity, verdict, individual, similarity, recognised_at) "
                "VALUES (?, 'e1', ?, ?, ?, ?)",
                [face, verdict, who, float(np.cos(angles[face])), at],
            )
            if verdict != "unsure":
                ledger.execute("UPDATE faces SET individual = ? WHERE id = ?", [who, face])
        store.end_run(NOW)


def asked(db: Path) -> list[Question]:
    with reading(db) as ledger:
        animals = profiles.profiles(ledger, Response.plain(1.0, 1.0), Season(), UTC)
        of = doubts.ledger(ledger, animals, Odds(), NOW - timedelta(days=365))
        return doubts.questions(ledger, of)


def shown(db: Path) -> list[str | None]:
    return [who for (who,) in rows(db, "SELECT individual FROM faces ORDER BY id")]


def words(db: Path) -> list[tuple[str, str | None, int | None]]:
    return rows(db, "SELECT verb, individual, face FROM words WHERE id > 2")


def fill(file: Path, answers: dict[str, str]) -> None:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = list(csv.DictReader(lines))
    for row in table:
        row["answer"] = answers.get(row["face"], "")
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, review.COLUMNS)
        writer.writeheader()
        writer.writerows(table)


def take(db: Path, file: Path, status: int = 0) -> str:
    return station("faces", "review", "--in", file, "--db", db, "--who", "wei", status=status)


def test_one_name_twice_in_a_picture_comes_first_then_what_may_be_one_animal_or_another(ledger: Path) -> None:
    questions = asked(ledger)
    assert [q.kind for q in questions[:2]] == ["together", "together"]
    assert questions[0].face == 6  # is less like bao
    assert {(q.kind, q.face, q.individual, q.shows) for q in questions[2:]} == {
        ("pair", 3, "bao", "new-1"), ("unsure", 4, "bao", None),
    }  # fmt: skip
    assert all(q.other != q.face for q in questions)


def test_what_was_answered_is_not_asked_again(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    for answers in ({"6": "n", "5": "y"}, {"3": "n", "4": "n"}):
        station("faces", "review", "--out", out, "--db", ledger)
        fill(out, answers)
        assert "2 answers taken, 0 were known already" in take(ledger, out)
    assert shown(ledger) == ["bao", "bao", "new-1", None, "bao", None]
    assert asked(ledger) == []


def test_the_same_pair_is_a_merge_and_an_unsure_face_a_confirmation(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    station("faces", "review", "--out", out, "--db", ledger)
    fill(out, {"3": "yes", "4": "Y"})
    assert "2 answers taken, 0 were known already, 2 without an answer" in take(ledger, out)
    assert shown(ledger)[2:4] == ["bao", "bao"]
    assert sorted(words(ledger)) == [("confirm", "bao", 4), ("merge", "new-1", None)]


def test_a_file_is_applied_once_also_after_an_undo(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    station("faces", "review", "--out", out, "--db", ledger)
    fill(out, {"3": "y", "4": "n", "6": "n"})
    take(ledger, out)
    said = words(ledger)
    assert "0 answers taken, 3 were known already, 1 without an answer, 0 not taken" in take(ledger, out)
    assert words(ledger) == said
    station("individuals", "undo", 3, "--db", ledger)
    said = words(ledger)
    assert "0 answers taken, 3 were known already" in take(ledger, out)
    assert words(ledger) == said


def test_wrong_rows_are_told_by_line_and_the_others_are_taken(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.csv"
    station("faces", "review", "--out", out, "--db", ledger)
    fill(out, {"6": "maybe", "3": "y", "4": "y"})
    station("individuals", "confirm", "new-1", 4, "--db", ledger)
    told = take(ledger, out, status=1)
    assert "answer 'maybe': write y (the same animal), n (another one) or nothing" in told
    assert "face 4 showed nobody known when this was asked, and shows new-1 now: ask again" in told
    assert "1 answer taken" in told
    assert "line 2" in told
    (tmp_path / "mine.csv").write_text("face,answer\n1,y\n")
    told = station("faces", "review", "--in", tmp_path / "mine.csv", "--db", ledger, status=2)
    assert "has no column kind, other_face, individual, shows" in told


def test_pairs_are_drawn_beside_each_other(ledger: Path, tmp_path: Path) -> None:
    station("faces", "review", "--out", tmp_path / "r.csv", "--pairs", tmp_path / "pairs", "--db", ledger)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as lines:
        files = [row["pair"] for row in csv.DictReader(lines)]
    drawn = Picture(Path(files[0]).read_bytes())
    assert (drawn.width, drawn.height) == (2 * review.SIDE_PX + 8, review.SIDE_PX)


def test_a_picture_that_is_gone_is_not_drawn_and_asked_about_all_the_same(ledger: Path, tmp_path: Path) -> None:
    with Store(ledger, NOW) as store, store.writing() as db:
        db.execute("UPDATE frames SET path = '/gone/both.jpg' WHERE path LIKE '%both.jpg'")
    with reading(ledger) as db:
        drawn = [review.row(db, question, tmp_path / "pairs")["pair"] for question in asked(ledger)]
    assert drawn[:2] == ["", ""]


def test_answers_from_the_terminal_are_kept_one_by_one(ledger: Path) -> None:
    command = [sys.executable, "-m", "station", "faces", "review", "--db", str(ledger), "--who", "wei"]
    done = subprocess.run(command, input="n\ns\nq\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 of 4: one picture shows bao twice" in done.stdout
    assert "both.jpg" in done.stdout
    assert words(ledger) == [("deny", "bao", 6)]


def test_without_doubts_there_is_nothing_to_ask(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "1.jpg").write_bytes(picture(90))
    station("scan", tmp_path / "card", "--camera", "ridge", "--model", bundle, "--db", tmp_path / "s.db")
    assert "nothing to ask" in station("faces", "review", "--db", tmp_path / "s.db")


def test_an_animal_that_does_not_age_is_asked_about_its_strangest_picture(tmp_path: Path, bundle: Path) -> None:
    """Two animals by one name: for three years it looks four years old, then twelve."""
    (tmp_path / "card" / "bao").mkdir(parents=True)
    shades = [100, 101, 102, 103, 104, 105, 250, 251]
    for number, shade in enumerate(shades):
        taken = f"{2020 + number // 2}:0{1 + 6 * (number % 2)}:01 10:00:00"
        (tmp_path / "card" / "bao" / f"{number}.jpg").write_bytes(picture(shade, taken, seed=number))
    db = tmp_path / "s.db"
    station("scan", tmp_path / "card", "--camera", "ridge", "--model", bundle, "--db", db, "--pattern",
            "{individual}", "--recursive")  # fmt: skip
    with reading(db) as ledger:
        animals = profiles.profiles(ledger, Response.plain(0.3, 0.3), Season(), UTC)
        of = doubts.ledger(ledger, animals, Odds(), NOW - timedelta(days=3650))
        [question] = [q for q in doubts.questions(ledger, of) if q.kind == "swap"]
    assert "two animals may go by this name" in question.why
    assert question.individual == question.shows == "bao"
