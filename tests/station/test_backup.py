"""Backups of real stations, also running ones, and their way back."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station import daemon, settings
from station.backup import BackupError, backup, unpack
from station.copies import problems
from station.domain import Lane
from station.finder_card import read_finder_card
from station.restore import restore
from station.schema import StoreError
from station.store import Candidate, Store
from tests.conftest import picture
from tests.station.test_commands import station
from tests.station.test_flow import until
from tests.station.test_line import observed, rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONFIGURATION = """
[station]
id = "hut"
bundle = "models/current"
[line]
linger_s = 0.02
[mqtt]
host = "localhost"
password_file = "{home}/password"
spool = "{home}/spool"
[cameras.ridge]
folder = "pictures"
settle_s = 0.1
"""


@pytest.fixture
def hut(tmp_path: Path, bundle: Path) -> Path:
    """A station with some pictures done, one from the broker waiting, and a secret."""
    home = tmp_path / "hut"
    (home / "pictures").mkdir(parents=True)
    (home / "spool").mkdir()
    shutil.copytree(bundle, home / "models" / "first")
    (home / "models" / "current").symlink_to("first")
    (home / "station.toml").write_text(CONFIGURATION.format(home=home))
    (home / "password").write_text("correct horse")
    for number in range(5):
        (home / "pictures" / f"{number}.jpg").write_bytes(picture(40 * number, seed=number))
    with daemon.composed(settings.load(home / "station.toml"), lambda: NOW) as composed:
        list(composed.scan())
        waiting = home / "spool" / "ridge" / "waiting.jpg"
        waiting.parent.mkdir()
        waiting.write_bytes(picture(111, seed=99))
        status = waiting.stat()
        composed.store.admit(
            [Candidate("ridge", str(waiting), status.st_size, status.st_mtime_ns, None, Lane.LIVE)], NOW
        )
    return home


DONE = "SELECT path, outcome, digest FROM frames ORDER BY id"


def test_a_backup_comes_back_in_another_place_whole_and_goes_on(hut: Path, tmp_path: Path) -> None:
    archive = tmp_path / "hut.tar.gz"
    told = station("backup", archive, "--config", hut / "station.toml")
    assert "found sound" in told
    assert archive.stat().st_mode & 0o777 == 0o600
    before = rows(hut / "station.db", DONE)
    gone = tmp_path / "gone"
    hut.rename(gone)
    hut.mkdir()
    station("restore", archive, "--config", hut / "station.toml")
    assert rows(hut / "station.db", DONE) == before
    assert (hut / "models" / "current").readlink() == Path("first")
    for file in ("station.toml", "spool/ridge/waiting.jpg", "models/first/program.pt2", "models/first/card.json"):
        assert (hut / file).read_bytes() == (gone / file).read_bytes()
    assert sorted(p.name for p in hut.iterdir()) == ["models", "spool", "station.db", "station.db.lock", "station.toml"]
    (hut / "pictures").mkdir()
    with daemon.composed(settings.load(hut / "station.toml"), lambda: NOW) as composed:
        list(composed.scan())
    assert rows(hut / "station.db", "SELECT count(*) FROM frames WHERE outcome = 'observed'") == [(6,)]


def with_finder(hut: Path, discs: Path) -> None:
    """A finder named twice, of which one camera has its own, and a manifest beside its picture."""
    for name in ("eyes", "ridge-eyes"):
        shutil.copytree(discs, hut / "models" / name)
    (hut / "labels").mkdir()
    (hut / "labels" / "cubs.csv").write_text("path,individual,age_years\nbao.jpg,bao,2\n")
    (hut / "labels" / "bao.jpg").write_bytes(picture(9))
    with (hut / "station.toml").open("a") as file:
        file.write(
            'faces = { finder = "models/ridge-eyes" }\n[faces]\nfinder = "models/eyes"\n'
            '[cameras.den]\nfaces = { finder = "models/eyes" }\n'
            '[retraining]\nbase = ["labels/cubs.csv", "labels/lost.csv"]\n'
        )


def test_a_restored_station_starts_with_its_finders_and_has_its_manifests(
    hut: Path, discs: Path, tmp_path: Path
) -> None:
    with_finder(hut, discs)
    archive = tmp_path / "b.tar.gz"
    told = station("backup", archive, "--config", hut / "station.toml")
    moved = tmp_path / "elsewhere" / "station.toml"
    assert told.splitlines()[1:] == station("restore", archive, "--config", moved).splitlines()[1:]
    assert "the pictures that they name are not" in told and "labels/lost.csv" in told
    assert sorted(p.name for p in moved.parent.glob("labels/*")) == ["cubs.csv"]
    read = settings.load(moved)
    assert read.finders() == [moved.parent / "models" / "eyes", moved.parent / "models" / "ridge-eyes"]
    (moved.parent / "pictures").mkdir()
    with daemon.composed(read, lambda: NOW) as composed:
        assert list(composed.scan())
    with tarfile.open(archive) as tar:
        assert [name for name in tar.getnames() if name.endswith("gate.pt2")] == [
            "finders/0/gate.pt2", "finders/1/gate.pt2",
        ]  # fmt: skip


def test_another_finder_that_stands_there_is_kept_aside(hut: Path, discs: Path, tmp_path: Path) -> None:
    with_finder(hut, discs)
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    (hut / "models" / "eyes" / "card.json").write_text("{}")
    restore(tmp_path / "b.tar.gz", hut / "station.toml")
    assert read_finder_card(hut / "models" / "eyes") == read_finder_card(discs)
    assert (hut / "models" / "eyes.before-restore" / "card.json").read_text() == "{}"
    assert not (hut / "models" / "ridge-eyes.before-restore").exists()


def test_a_finder_that_is_missing_is_told_and_holds_no_backup_up(hut: Path, discs: Path, tmp_path: Path) -> None:
    with_finder(hut, discs)
    shutil.rmtree(hut / "models" / "eyes")
    with (hut / "station.toml").open("a") as file:
        file.write('[cameras.creek]\nfaces = { megadetector = "md.pt" }\n')
    told = station("backup", tmp_path / "b.tar.gz", "--config", hut / "station.toml")
    assert told.count("models/eyes is not in it, for there is no such bundle: a restored station does not start") == 1
    assert "MegaDetector's weights are not in it" in told


def test_no_secret_is_in_it(hut: Path, tmp_path: Path) -> None:
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    with tarfile.open(tmp_path / "b.tar.gz") as tar:
        texts = [file.read() for member in tar if (file := tar.extractfile(member))]
    assert len(texts) == 7
    assert not any(b"correct horse" in text for text in texts)


def test_what_stood_there_is_kept_and_what_is_the_same_is_left(hut: Path, tmp_path: Path) -> None:
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    before, card = rows(hut / "station.db", DONE), (hut / "models/first/card.json").read_bytes()
    with Store(hut / "station.db", NOW) as store:
        store.admit([Candidate("creek", "/p/later.jpg", 1, 1, None, Lane.LIVE)], NOW)
        store.end_run(NOW)
    later = rows(hut / "station.db", DONE)
    (hut / "station.toml").write_text('[station]\nid = "changed"\n')
    (hut / "models/first/card.json").write_text("{}")
    for _ in range(2):  # again, it changes nothing
        restore(tmp_path / "b.tar.gz", hut / "station.toml")
        assert rows(hut / "station.db", DONE) == before
        assert (hut / "models/first/card.json").read_bytes() == card
        assert settings.load(hut / "station.toml").station.id == "hut"
    assert (hut / "models/first.before-restore/card.json").read_text() == "{}"
    assert "changed" in (hut / "station.toml.before-restore").read_text()
    assert rows(hut / "station.db.before-restore", DONE) == later != before
    assert not list(hut.rglob(".*"))


def test_the_database_of_before_is_kept_with_what_was_not_in_its_file_yet(hut: Path, tmp_path: Path) -> None:
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    crashing = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from station.store import Candidate, Store
now = datetime.now(UTC)
store = Store(Path(sys.argv[1]), now)
store.admit([Candidate("ridge", "/p/in-the-wal.jpg", 1, 1, None, 0)], now)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", crashing, str(hut / "station.db")], check=False)
    assert (hut / "station.db-wal").stat().st_size > 0
    restore(tmp_path / "b.tar.gz", hut / "station.toml")
    asked = "SELECT count(*) FROM frames WHERE path = '/p/in-the-wal.jpg'"
    assert rows(hut / "station.db", asked) == [(0,)]
    assert rows(hut / "station.db.before-restore", asked) == [(1,)]


def test_a_damaged_database_can_be_restored_over_and_is_kept(hut: Path, tmp_path: Path) -> None:
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    before = rows(hut / "station.db", DONE)
    (hut / "station.db").write_bytes(b"SQLite format 3\0" + b"rust" * 5000)
    restore(tmp_path / "b.tar.gz", hut / "station.toml")
    assert rows(hut / "station.db", DONE) == before
    assert b"rust" in (hut / "station.db.before-restore").read_bytes()


def test_a_running_station_is_backed_up_but_not_restored_over(hut: Path, tmp_path: Path) -> None:
    for number in range(1000):
        (hut / "pictures" / f"n{number}.jpg").write_bytes(picture(number % 250, seed=number, width=48, height=48))
    command = [sys.executable, "-m", "station", "run", "--config", str(hut / "station.toml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert until(lambda: observed(hut) > 20, 90)
        archive = tmp_path / "b.tar.gz"
        station("backup", archive, "--config", hut / "station.toml")
        unpack(archive, tmp_path / "seen")
        found = rows(tmp_path / "seen" / "station.db", "SELECT count(*) FROM frames WHERE outcome IS NOT NULL")
        assert found[0][0] > 20
        assert rows(tmp_path / "seen" / "station.db", "PRAGMA foreign_key_check") == []
        told = station("restore", archive, "--config", hut / "station.toml", status=2)
        assert f"in use by process {process.pid}; stop it first" in told
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    finally:
        process.kill()
    assert not list(hut.glob("*before-restore"))


def test_what_is_damaged_cut_short_or_foreign_is_refused_and_nothing_is_touched(hut: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "b.tar.gz", tmp_path / "bad.tar.gz"
    backup(hut / "station.toml", good, NOW)
    data, before = good.read_bytes(), sorted(hut.rglob("*"))
    for place in (*range(20, len(data), len(data) // 40), len(data) - 1):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with pytest.raises(BackupError, match="damaged"):
            restore(bad, hut / "station.toml")
    for end in (0, 100, len(data) // 2, len(data) - 600):
        bad.write_bytes(data[:end])
        with pytest.raises(BackupError, match="not a station's backup"):
            restore(bad, hut / "station.toml")
    bad.write_text("Dear ranger")
    with pytest.raises(BackupError, match="not a station's backup"):
        restore(bad, hut / "station.toml")
    with pytest.raises(BackupError, match="No such file"):
        restore(tmp_path / "none.tar.gz", hut / "station.toml")
    assert sorted(hut.rglob("*")) == before


def test_a_backup_cannot_write_outside_its_place(hut: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("../../owned")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"bad"))
    with pytest.raises(BackupError, match="has no place in it"):
        restore(tmp_path / "evil.tar.gz", hut / "station.toml")
    assert not list(tmp_path.rglob("owned"))


def test_a_backup_of_a_newer_station_is_refused(hut: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(hut / "station.db")) as connection:
        row = ("station", "later", "2030-01-01")
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)", row)
        connection.commit()
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    with pytest.raises(StoreError, match="newer station"):
        restore(tmp_path / "b.tar.gz", hut / "station.toml")
    assert problems(hut / "station.db") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_put_back_by_root_all_belongs_to_whom_it_belonged(hut: Path, tmp_path: Path) -> None:
    backup(hut / "station.toml", tmp_path / "b.tar.gz", NOW)
    for path in (hut, *hut.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    os.chown(hut / "station.toml", 0, 12345)
    (hut / "station.toml").chmod(0o640)
    shutil.rmtree(hut / "models" / "first")
    shutil.rmtree(hut / "spool" / "ridge")
    for file in ("station.db", "station.db.lock"):
        (hut / file).unlink()
    restore(tmp_path / "b.tar.gz", hut / "station.toml")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in hut.rglob("*") if path.name != "station.toml"}
    assert owners == {(12345, 12345)}
    status = (hut / "station.toml").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 12345, 0o640)


def test_what_cannot_be_backed_up_is_said(hut: Path, tmp_path: Path) -> None:
    assert "is a .tar.gz" in station("backup", tmp_path / "b.zip", "--config", hut / "station.toml", status=2)
    assert "No such file" in station("backup", tmp_path / "no" / "b.tgz", "--config", hut / "station.toml", status=2)
    (hut / "station.db").unlink()
    assert "no database" in station("backup", tmp_path / "b.tgz", "--config", hut / "station.toml", status=2)
    assert not [p for p in tmp_path.iterdir() if "backup" in p.name]
