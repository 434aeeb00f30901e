"""The install script, run for real below a scratch folder, with the libraries of the tests' own Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.domain import Lane
from station.schema import lock
from station.store import Candidate, Store
from tests.station.test_line import rows

PROJECT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ONE_MORE = '''

@migrations()
def {name}(db: Database) -> None:
    """Of the next version."""
    db.execute("ALTER TABLE frames ADD COLUMN {name} TEXT")
    {then}
'''


class Box:
    """A box's root, and the source tree that is installed on it."""

    def __init__(self, home: Path) -> None:
        self.root, self.source = home / "root", home / "source"
        self.state, self.opt = self.root / "var/lib/station", self.root / "opt/station"
        self.config, self.database = self.root / "etc/station/station.toml", self.state / "station.db"
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("station", "training", "config", "deploy"):
            shutil.copytree(PROJECT / part, self.source / part, ignore=ignored)
        shutil.copy(PROJECT / "pyproject.toml", self.source)

    def install(self, *arguments: str, status: int = 0) -> str:
        command = [str(self.source / "deploy/install.sh"), *arguments, "--root", str(self.root)]
        environment = {"PATH": os.environ["PATH"], "STATION_PYTHON": sys.executable}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def station(self, *arguments: object, status: int = 0) -> str:
        command = [str(self.root / "usr/local/bin/station"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.state)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def venv(self) -> Path:
        return (self.opt / "venv").resolve()

    def next_version(self, name: str, then: str = "") -> None:
        with (self.source / "station/migrations.py").open("a") as file:
            file.write(ONE_MORE.format(name=name, then=then))

    def fill(self) -> list[tuple[object, ...]]:
        with Store(self.database, NOW) as store:
            store.admit([Candidate("ridge", f"/p/{i}.jpg", i, i, None, Lane.LIVE) for i in range(50)], NOW)
            store.end_run(NOW)
        return self.frames()

    def frames(self) -> list[tuple[object, ...]]:
        return rows(self.database, "SELECT id, path, camera, admitted_at FROM frames ORDER BY id")

    def columns(self) -> set[str]:
        return {row[1] for row in rows(self.database, "PRAGMA table_info(frames)")}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_it_installs_and_again_changes_nothing(box: Box, bundle: Path) -> None:
    assert "there is no model yet" in box.install()
    unit = box.root / "etc/systemd/system/station.service"
    assert unit.read_bytes() == (PROJECT / "deploy/station.service").read_bytes()
    assert "finder" in box.config.read_text()
    assert f'database = "{box.database}"' in box.config.read_text()
    assert (box.config.stat().st_mode & 0o777, box.state.stat().st_mode & 0o777) == (0o640, 0o750)
    shutil.copytree(bundle, box.state / "models/first")
    (box.state / "models/current").symlink_to("first")
    box.config.write_text(box.config.read_text() + "# mine\n")
    before = sorted((path, path.lstat().st_ino) for path in box.opt.rglob("*") if "__pycache__" not in path.parts)
    told = box.install()
    assert "installed already" in told
    assert "no model" not in told
    after = sorted((path, path.lstat().st_ino) for path in box.opt.rglob("*") if "__pycache__" not in path.parts)
    assert {path for path, _ in before} == {path for path, _ in after}
    assert dict(before)[box.venv() / "bin/station"] == dict(after)[box.venv() / "bin/station"]
    assert box.config.read_text().endswith("# mine\n")
    assert "golden outputs reproduced" in box.station("check", "--config", box.config, status=1)


def test_an_upgrade_keeps_the_data_and_can_go_back_and_forth(box: Box) -> None:
    box.install()
    before, old = box.fill(), box.venv()
    box.next_version("sooner")
    box.install()
    new = box.venv()
    assert new != old
    assert box.frames() == before
    assert "sooner" in box.columns()
    [backup] = (box.state / "backups").iterdir()
    assert backup.name.startswith("before-")
    assert (box.state / "station.db.before-sooner").is_file()
    box.install("rollback")
    assert box.venv() == old
    assert box.frames() == before
    assert "sooner" not in box.columns()
    assert "nothing to do" in box.station("migrate", "--config", box.config)
    box.install("rollback")
    assert box.venv() == new
    assert (box.frames(), "sooner" in box.columns()) == (before, True)


def test_where_opt_is_a_link_to_another_disk_an_upgrade_keeps_both_programs(box: Box, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    box.root.mkdir()
    (box.root / "opt").symlink_to(tmp_path / "disk")
    box.install()
    old = box.venv()
    box.next_version("sooner")
    box.install()
    assert sorted(path.name for path in (box.opt / "venvs").iterdir()) == sorted([old.name, box.venv().name])
    assert "nothing to do" in box.station("migrate", "--config", box.config)
    box.install("rollback")
    assert box.venv() == old


def test_going_back_to_a_program_that_knows_the_database_loses_nothing(box: Box) -> None:
    box.install()
    old = box.venv()
    box.fill()
    (box.source / "station/drawing.py").open("a").write("# a change\n")
    box.install()
    assert box.venv() != old
    with Store(box.database, NOW) as store:
        store.admit([Candidate("ridge", "/p/since.jpg", 1, 1, None, Lane.LIVE)], NOW)
        store.end_run(NOW)
    box.install("rollback")
    assert box.venv() == old
    assert len(box.frames()) == 51


@pytest.mark.parametrize(
    ("name", "then"), [("broken", "raise RuntimeError('no')"), ("half", "db.conn.commit(); raise RuntimeError('no')")]
)
def test_an_upgrade_that_fails_leaves_the_old_program_and_its_data(box: Box, name: str, then: str) -> None:
    box.install()
    before, old, columns = box.fill(), box.venv(), box.columns()
    box.next_version("sooner")
    box.next_version(name, then)
    assert "the old program and its database are in service again" in box.install(status=1)
    assert box.venv() == old
    assert (box.frames(), box.columns()) == (before, columns)
    assert sorted(path.name for path in (box.opt / "venvs").iterdir()) == [old.name]
    assert "nothing to do" in box.station("migrate", "--config", box.config)
    assert "no program to go back to" in box.install("rollback", status=1)


def test_a_model_is_found_where_the_configuration_has_it(box: Box, bundle: Path, tmp_path: Path) -> None:
    box.install()
    shutil.copytree(bundle, tmp_path / "models/mine")
    own = box.config.read_text().replace(f"{box.state}/models/current", f"{tmp_path}/models/mine")
    box.config.write_text(own)
    assert "no model" not in box.install()


def test_while_the_database_is_in_use_nothing_is_changed(box: Box) -> None:
    box.install()
    before, old = box.fill(), box.venv()
    box.next_version("sooner")
    with closing(lock(box.database)):
        told = box.install(status=1)
        assert "in use: stop the station first" in told
        assert "installing into" not in told
    assert (box.venv(), box.frames(), "sooner" in box.columns()) == (old, before, False)
    box.install()
    with closing(lock(box.database)):
        assert "in use: stop the station first" in box.install("rollback", status=1)
    assert "sooner" in box.columns()


def test_a_program_that_does_not_start_changes_nothing(box: Box) -> None:
    box.install()
    before, old = box.fill(), box.venv()
    (box.source / "station/__main__.py").write_text("this is no Python")
    assert "nothing was changed" in box.install(status=1)
    assert (box.venv(), box.frames()) == (old, before)
    assert sorted(path.name for path in (box.opt / "venvs").iterdir()) == [old.name]


def test_uninstalling_leaves_configuration_and_data(box: Box) -> None:
    box.install()
    before = box.fill()
    box.install("uninstall")
    assert not box.opt.exists()
    assert not (box.root / "etc/systemd/system/station.service").exists()
    assert not (box.root / "usr/local/bin/station").is_symlink()
    assert box.config.is_file()
    assert box.frames() == before
    box.install()
    assert box.frames() == before


def test_the_script_is_clean_and_says_what_it_does(box: Box) -> None:
    script = PROJECT / "deploy/install.sh"
    assert subprocess.run(["bash", "-n", script], check=False, capture_output=True).stderr == b""
    told = subprocess.run([script, "--help"], check=True, capture_output=True, text=True).stdout
    assert "rollback" in told
    assert "set -euo" not in told
    assert "is not known" in box.install("--nonsense", status=1)
