"""Damage of every kind, made on real files, found and mended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station import settings
from station.check import Level
from station.copies import problems
from station.doctor import BEFORE, doctor
from station.domain import Lane
from station.hearing import hearing
from station.individuals import recognise
from station.settings import Settings
from station.store import Candidate, Store
from tests.frames import observed, take
from tests.station.test_commands import station
from tests.station.test_line import rows
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)
COUNT = 400


@pytest.fixture
def read(tmp_path: Path) -> Settings:
    """A database with many frames, and an empty spool."""
    (tmp_path / "spool").mkdir()
    with Store(tmp_path / "station.db", NOW) as store:
        store.use_model(card(), NOW)
        store.admit([Candidate("ridge", f"/p/{i}.jpg", i, i, "bao", Lane.LIVE) for i in range(COUNT)], NOW)
        store.record([recognise(observed(frame, "", 3.0)) for frame in take(store, COUNT)], NOW)
        store.end_run(NOW)
    return settings.of({"station": {"database": tmp_path / "station.db"}, "mqtt": {"spool": tmp_path / "spool"}})


def change(read: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(read.station.database)) as connection, connection:
        for sql in statements:
            connection.execute(sql)


def told(read: Settings, fix: bool = False) -> str:
    return "\n".join(f"{'WRONG' if f.level is Level.WRONG else 'ok'} {f.what}" for f in doctor(read, fix))


def count(read: Settings, table: str) -> int:
    return int(rows(read.station.database, f"SELECT count(*) FROM {table}")[0][0])


def mended(read: Settings, *words: str) -> str:
    """Found without changing anything, mended, and then well."""
    before = read.station.database.read_bytes()
    found = told(read)
    assert read.station.database.read_bytes() == before
    for word in words:
        assert word in found
    said = told(read, fix=True)
    assert told(read) == ""
    assert problems(read.station.database) == []
    return said


def test_what_people_said_is_derived_anew_where_rows_were_lost(read: Settings) -> None:
    with hearing(read.station.database, "wei", NOW) as heard:
        heard.set("bao", {"sex": "f"})
        heard.confirm(7, "Mei", new=True)
    assert told(read) == ""
    change(read, "DELETE FROM individuals WHERE id = 'bao'", "UPDATE faces SET individual = NULL WHERE id = 7")
    change(read, "UPDATE faces SET individual = 'Mei' WHERE id = 8")
    mended(read, "name a row of individuals that is not there", "2 faces and ")
    asked = "SELECT id, sex FROM individuals ORDER BY id"
    assert rows(read.station.database, asked) == [("Mei", None), ("bao", "f")]
    named = "SELECT individual FROM faces WHERE id IN (7, 8) ORDER BY id"
    assert rows(read.station.database, named) == [("Mei",), ("bao",)]


def test_a_station_that_is_well_is_left_alone(read: Settings) -> None:
    assert told(read) == told(read, fix=True) == ""
    assert "all is well" in station("doctor", "--db", read.station.database)
    assert not list(read.station.database.parent.glob("*before*"))


def test_rows_that_name_what_is_not_there(read: Settings) -> None:
    change(
        read,
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM cameras",
        "DELETE FROM models",
        "UPDATE frames SET run = 77 WHERE id = 3",
        "DELETE FROM faces WHERE id = 5",
        "INSERT INTO faces (id, frame, number, x, y, width, height) VALUES (999, 9999, 0, 0, 0, 1, 1)",
        "INSERT INTO estimates (face, model, age_years, sd_years, estimated_at) VALUES (999, 'tiny-1', 1, 1, '')",
    )
    said = mended(read, f"{COUNT} rows of frames name a row of cameras", "1 rows of estimates name a row of faces")
    assert f"copied to {read.station.database}{BEFORE}" in said
    assert rows(read.station.database, "SELECT id FROM cameras") == [("ridge",)]
    assert rows(read.station.database, "SELECT run FROM frames WHERE id = 3") == [(None,)]
    assert (count(read, "frames"), count(read, "faces"), count(read, "estimates")) == (COUNT, COUNT - 1, COUNT - 1)
    assert rows(Path(f"{read.station.database}{BEFORE}"), "SELECT count(*) FROM faces") == [(COUNT,)]


def test_messages_that_are_no_json_or_stand_there_twice(read: Settings) -> None:
    put = "INSERT INTO outbox (rank, topic, payload, retained, queued_at) VALUES (1, 't', '{}', 0, '')"
    change(read, *(put.format(payload) for payload in ('{"id": 1}', '{"id": 2}', '{"id": 1}', "half a mess", "[1]")))
    change(read, "INSERT INTO outbox (rank, topic, payload, retained, queued_at) VALUES (0, 'forget this', '', 1, '')")
    mended(read, "2 messages of the outbox are not JSON objects", "1 messages of the outbox stand there twice")
    assert rows(read.station.database, "SELECT payload FROM outbox ORDER BY id") == [
        ('{"id": 1}',),
        ('{"id": 2}',),
        ("",),
    ]


def test_the_spool_and_the_database_that_do_not_agree(read: Settings) -> None:
    spool = read.mqtt.spool
    (spool / "ridge").mkdir()
    own = f"{'0' * 64}.jpg"  # the station takes it up by itself
    (spool / "ridge" / own).write_bytes(b"picture")
    (spool / "ridge" / "megadetector.json").write_text("{}")
    for name in ("known", "strange"):
        (spool / "ridge" / f"{name}.jpg").write_bytes(b"picture")
    (spool / "ridge" / "half.part").write_bytes(b"pict")
    (read.station.database.parent / ".station-backup-x").mkdir()
    change(
        read,
        "UPDATE frames SET topic = 't'  WHERE id < 4",
        f"UPDATE frames SET path = '{spool}/ridge/known.jpg' WHERE id = 1",
        f"UPDATE frames SET path = '{spool}/ridge/gone.jpg' WHERE id = 2",
        f"UPDATE frames SET path = '{spool}/ridge/noted.jpg', unspooled_at = '2026' WHERE id = 3",
    )
    mended(
        read,
        "1 files in the spool are none of the station's",
        "1 pictures are no longer in the spool",
        "2 half-written",
    )
    assert (spool.with_name("spool-strange") / "ridge" / "strange.jpg").read_bytes() == b"picture"
    assert sorted(file.name for file in spool.rglob("*.*")) == [own, "known.jpg", "megadetector.json"]
    assert rows(read.station.database, "SELECT count(*) FROM frames WHERE unspooled_at IS NOT NULL") == [(2,)]


def test_what_lies_elsewhere_or_is_somebody_elses_is_left_alone(read: Settings) -> None:
    upload = read.station.database.parent / "IMG_0001.jpg.part"
    upload.write_bytes(b"half")
    change(read, "UPDATE frames SET topic = 't', path = '/another/disk/spool/ridge/a.jpg' WHERE id = 1")
    assert "no longer in the spool" not in told(read, True)
    assert upload.exists()
    assert rows(read.station.database, "SELECT unspooled_at FROM frames WHERE id = 1") == [(None,)]


def test_a_picture_that_is_gone_before_its_turn_is_told_and_nothing_is_invented(read: Settings) -> None:
    change(read, f"UPDATE frames SET topic = 't', outcome = NULL, path = '{read.mqtt.spool}/a.jpg' WHERE id = 1")
    for fix in (False, True):
        assert "gone before their turn" in told(read, fix)
    assert rows(read.station.database, "SELECT outcome FROM frames WHERE id = 1") == [(None,)]


def test_a_damaged_index_is_made_anew(read: Settings) -> None:
    change(
        read,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX frames_captured ON frames (admitted_at)' "
        "WHERE name = 'frames_captured'",
    )
    change(read, "UPDATE frames SET admitted_at = admitted_at || id")
    change(
        read,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX frames_captured ON frames (captured_at)' "
        "WHERE name = 'frames_captured'",
    )
    assert "indexes are made anew" in mended(read, "is damaged")
    assert count(read, "frames") == COUNT


def test_of_a_damaged_table_every_readable_row_is_kept(read: Settings) -> None:
    database = read.station.database
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        [size] = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(database.read_bytes())
    pages = range(size, len(data), size)
    place = next(p for p in pages if data[p] == 13 and b"/p/200.jpg" in data[p : p + size])  # 13: a leaf of a table
    data[place : place + size] = b"\xff" * size
    database.write_bytes(data)
    said = mended(read, "is damaged")
    assert "unreadable parts of frames" in said
    assert rows(database, "SELECT sum(n) FROM frame_counts") == [(count(read, "frames"),)]
    assert rows(database, "SELECT sum(n) FROM estimate_counts") == [(count(read, "estimates"),)]
    assert COUNT - 60 < count(read, "frames") < COUNT
    assert rows(database, "SELECT count(*) FROM frames WHERE id IN (1, 400)") == [(2,)]
    assert count(read, "estimates") > COUNT - 60
    assert Path(f"{database}{BEFORE}").read_bytes() == bytes(data)
    with Store(database, NOW) as store:
        assert store.admit([Candidate("ridge", "/p/new.jpg", 1, 1, None, Lane.LIVE)], NOW) == 1


def test_what_cannot_be_read_at_all_is_said_with_what_helps(read: Settings) -> None:
    read.station.database.write_bytes(b"rust" * 4096)
    assert "is damaged" in told(read)
    said = station("doctor", "--fix", "--db", read.station.database, status=2)
    assert "`station restore` a backup" in said
    assert Path(f"{read.station.database}{BEFORE}").read_bytes() == b"rust" * 4096


def test_a_running_station_is_looked_at_but_not_mended(read: Settings) -> None:
    change(read, "UPDATE frames SET run = 77 WHERE id = 3")
    with Store(read.station.database, NOW):
        assert "1 rows of frames" in station("doctor", "--db", read.station.database, status=1)
        assert "in use by process" in station("doctor", "--fix", "--db", read.station.database, status=2)
    assert "mended" in station("doctor", "--fix", "--db", read.station.database)
    assert "no database" in station("doctor", "--db", "/nowhere/s.db", status=2)
