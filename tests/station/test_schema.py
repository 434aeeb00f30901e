"""Databases of every earlier schema, full of rows, opened by this program."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from station import history
from station.copies import problems
from station.migrations import migrations
from station.schema import StoreError
from station.store import Store
from tests.frames import candidate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = [migration.name for migration in migrations.pending(Database(memory=True))]
FRAMES = 500
LEDGER = f"""
INSERT INTO runs (id, started_at, ended_at) VALUES (1, '2026-01-01', NULL), (2, '2026-01-02', '2026-01-03');
INSERT INTO cameras (id, first_seen_at) VALUES ('ridge', '2026-01-01'), ('creek', '2026-01-01');
INSERT INTO individuals (id, first_seen_at) VALUES ('bao', '2026-01-01');
INSERT INTO models (version, card, first_used_at) VALUES ('tiny-1', '{{}}', '2026-01-01');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FRAMES})
INSERT INTO frames (id, camera, path, size_bytes, modified_ns, individual, lane, admitted_at, run, attempts, outcome,
    done_at, reason, detail, digest, original, width_px, height_px, captured_at, captured_impossible)
SELECT i, iif(i % 2, 'ridge', 'creek'), '/p/' || i || '.jpg', i, i, iif(i % 3, 'bao', NULL), i % 2, '2026-01-01', 1,
    i % 5, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'observed' WHEN 2 THEN 'rejected' ELSE 'duplicate' END, '2026-01-02',
    iif(i % 4 = 2, 'truncated', NULL), iif(i % 4 = 2, 'cut short', NULL), 'd' || iif(i % 4 = 3, i - 2, i),
    iif(i % 4 = 3, i - 2, NULL), 8, 6, '2026-01-01T00:00:00+00:00', 0 FROM n;
INSERT INTO faces (id, frame, number, x, y, width, height, confidence, individual)
    SELECT id, id, 0, 0.1, 0.1, 0.5, 0.5, 0.9, individual FROM frames WHERE outcome = 'observed';
INSERT INTO estimates (id, face, model, age_years, sd_years, life_stage, estimated_at)
    SELECT id, id, 'tiny-1', id * 0.01, 1.0, 'adult', '2026-01-02' FROM faces;
"""
MESSAGES = """
UPDATE frames SET topic = 'station/x/camera/ridge/image', file_name = 'a.jpg', given_at = '2026-01-01', people = 0
    WHERE id % 7 = 0;
INSERT INTO outbox (rank, topic, payload, retained, queued_at)
    SELECT 1, 'station/x/estimates', '{"id": ' || id || '}', 0, '2026-01-02' FROM estimates;
"""
ANNOUNCED = "INSERT INTO announced (topic) VALUES ('homeassistant/sensor/x/waiting/config');"
WORDS = """
INSERT INTO individuals (id, first_seen_at, provisional) VALUES ('new-1', '2026-01-02', 1);
INSERT INTO embeddings (face, identity, vector) SELECT id, 'e1', x'3c00' FROM faces;
INSERT INTO recognitions (face, identity, verdict, individual, similarity, recognised_at)
    SELECT id, 'e1', 'new', 'new-1', 0.4, '2026-01-02' FROM faces WHERE individual IS NULL;
INSERT INTO words (said_at, who, verb, individual, face) SELECT '2026-01-03', 'wei', 'confirm', 'bao', id FROM faces;
"""
SELFCHECKS = "INSERT INTO selfchecks (at, report, ok, baseline) VALUES ('2026-01-02', '{}', 1, 1);"
ROWS = {"ledger": LEDGER, "messages": MESSAGES, "announced": ANNOUNCED, "words": WORDS, "selfchecks": SELFCHECKS}
"""What a database of each version is filled with; a migration that adds tables adds its rows here."""


def made(file: Path, version: str) -> None:
    """A database as the program left it whose newest migration was `version`."""
    later = NAMES[NAMES.index(version) + 1 :]
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrations.apply(Database(connection), stop_before=later)
        for name in NAMES[: NAMES.index(version) + 1]:
            connection.executescript(ROWS.get(name, ""))
        connection.commit()


def test_who_asks_a_database_of_an_older_station_hears_the_remedy(file: Path) -> None:
    made(file, "selfchecks")
    with pytest.raises(StoreError, match="`station migrate`"), history.reading(file) as db:
        list(history.estimates(db))


def content(file: Path) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        names = [name for (name,) in tables if not name.startswith("_sqlite")]
        return {n: [dict(row) for row in connection.execute(f"SELECT * FROM {n} ORDER BY 1")] for n in names}


def kept(before: dict[str, list[dict[str, object]]], after: dict[str, list[dict[str, object]]]) -> None:
    for table, rows in before.items():
        now = [{column: row[column] for column in old} for row, old in zip(after[table], rows, strict=False)]
        assert now == rows, table


@pytest.mark.parametrize("version", NAMES[:-1])
def test_a_database_of_every_earlier_version_keeps_all_its_rows_and_a_copy_of_before(
    tmp_path: Path, version: str
) -> None:
    file = tmp_path / "station.db"
    made(file, version)
    before = content(file)
    assert len(before["frames"]) == FRAMES
    with Store(file, NOW) as store:
        store.end_run(NOW)
    after = content(file)
    assert after["runs"].pop()["started_at"] == "2026-06-01T00:00:00+00:00"
    kept(before, after)
    assert {table: len(rows) for table, rows in before.items()} == {table: len(after[table]) for table in before}
    copy = tmp_path / f"station.db.before-{NAMES[NAMES.index(version) + 1]}"
    assert content(copy) == before
    assert problems(file) == problems(copy) == []


def test_names_that_faces_had_are_kept_as_what_the_path_said_or_as_words(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    made(file, NAMES[NAMES.index("words") - 1])
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO individuals (id, first_seen_at) VALUES ('xin', '2026-01-01')")
        connection.execute("UPDATE faces SET individual = 'xin' WHERE id = 5")  # its path says bao
        second = "900, 9, 1, 0, 0, 1, 1, 'xin'"
        connection.execute(f"INSERT INTO faces (id, frame, number, x, y, width, height, individual) VALUES ({second})")
    before = content(file)["faces"]
    with Store(file, NOW) as store:
        store.end_run(NOW)
    after = content(file)
    assert [face["individual"] for face in after["faces"]] == [face["individual"] for face in before]
    said = [(word["verb"], word["individual"], word["face"], word["undone_at"]) for word in after["words"]]
    assert said == [("confirm", "xin", 5, None), ("confirm", "xin", 900, None)]
    assert {word["said_at"] for word in after["words"]} == {"2026-01-02"}
    assert all(row["provisional"] == 0 and row["merged_into"] is None for row in after["individuals"])


def test_nobody_sees_half_of_a_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, seen = tmp_path / "station.db", []

    class Watched:
        pending, applied = migrations.pending, migrations.applied

        @staticmethod
        def apply(db: Database) -> None:
            migrations.apply(db)
            seen.append(file.exists())

    monkeypatch.setattr("station.schema.migrations", Watched)
    with Store(file, NOW):
        assert seen[0] is False
    with history.reading(file) as db:
        assert not any(migrations.pending(db))


def test_what_a_database_that_is_gone_left_behind_does_not_come_into_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    with Store(file, NOW) as store:
        store.admit([candidate(1)], NOW)
        shutil.copy(f"{file}-wal", tmp_path / "wal")
    file.unlink()
    shutil.copy(tmp_path / "wal", f"{file}-wal")
    (tmp_path / ".station.db.half").write_bytes(b"cut off")
    with Store(file, NOW) as store, store.asking() as db:
        assert not list(db.query("SELECT id FROM frames"))
        assert problems(file) == []
    assert not (tmp_path / ".station.db.half").exists()


def test_a_database_of_this_version_and_a_new_one_are_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        with Store(tmp_path / "station.db", NOW) as store:
            store.end_run(NOW)
    assert not list(tmp_path.glob("*before*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_the_database_as_it_was(small_disk: Path) -> None:
    file = small_disk / "station.db"
    made(file, NAMES[0])
    before = content(file)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))
    with pytest.raises(StoreError, match="its disk is full: make room"):
        Store(file, NOW)
    filler.write_bytes(bytes(filler.stat().st_size - 65536 * 3))  # room for SQLite's own files, not for a copy
    with pytest.raises(StoreError, match=r"left as it was.*MB are wanted"):
        Store(file, NOW)
    assert content(file) == before
    assert problems(file) == []
    filler.unlink()
    with Store(file, NOW):
        kept(before, content(file))
    assert not [name for name in small_disk.iterdir() if name.name.endswith(".part")]


KILLED = """
import os, sys
from pathlib import Path
from datetime import UTC, datetime
from station.migrations import migrations
from station.store import Store
from tests.frames import candidate
@migrations()
def interrupted(db):
    db.execute("ALTER TABLE frames ADD COLUMN half TEXT")
    db.execute("DELETE FROM estimates")
    os.kill(os.getpid(), 9)
Store(Path(sys.argv[1]), datetime.now(UTC))
"""


def test_a_power_cut_within_a_migration_leaves_what_was_before_it(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    made(file, NAMES[-1])
    before = content(file)
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    assert content(file) == before
    assert content(tmp_path / "station.db.before-interrupted") == before
