"""Copies of a database file, whole and checked, also while somebody writes to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from station.durable import replace


class CopyError(Exception):
    """The copy could not be made; nothing of it is left, and the original is as it was."""


def copy_database(source: Path, target: Path) -> None:
    """Makes `target` what `source` is at one instant (SQLite's online backup), complete or not at all.

    Raises `CopyError`.
    """
    scratch = target.with_name(f".{target.name}.part")
    try:
        scratch.unlink(missing_ok=True)
        _copy(source, scratch)
        if wrong := problems(scratch):
            raise CopyError(f"the copy of {source} is damaged: {wrong[0]}; see `station doctor`")
        _keep(scratch, target)
    except (sqlite3.Error, OSError) as error:
        raise CopyError(f"{source} cannot be copied to {target}: {error}") from error
    finally:
        for left in (scratch, *beside(scratch)):
            left.unlink(missing_ok=True)


def _copy(source: Path, scratch: Path) -> None:
    need, free = source.stat().st_size, shutil.disk_usage(scratch.parent).free
    if need > free:
        raise CopyError(
            f"{source} cannot be copied: {need / 1e6:.1f} MB are wanted in {scratch.parent}, {free / 1e6:.1f} are free"
        )
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as there,
        closing(sqlite3.connect(scratch)) as here,
    ):
        there.backup(here)
        here.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it


def _keep(scratch: Path, target: Path) -> None:
    shutil.copymode(target if target.exists() else scratch, scratch)
    replace(scratch, target)


def beside(database: Path) -> tuple[Path, Path]:
    """Where SQLite keeps what is not in the database file yet."""
    return database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")


def problems(database: Path) -> list[str]:
    """What SQLite's own check finds wrong with a file; nothing where it is sound."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def settle(database: Path) -> bool:
    """Brings what lies beside a database into it, so that it is one file; False where it is too damaged for that."""
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
    except sqlite3.Error:
        return False
