"""A damaged database built anew from what can still be read of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from station.copies import beside, problems
from station.durable import replace


def salvage(database: Path) -> str:
    """Mends an index, or writes every readable row into a new file that takes the old one's place; tells which.

    Raises `sqlite3.Error` where not even the list of tables can be read: then only a backup helps.
    """
    if _reindexed(database):
        return "its indexes are made anew; no row was touched"
    fresh = database.with_name(f".station-salvage-{database.name}")
    fresh.unlink(missing_ok=True)
    kept, holes = _rebuilt(database, fresh)
    for journal in beside(database):
        journal.unlink(missing_ok=True)
    shutil.copymode(database, fresh)
    if os.geteuid() == 0:
        os.chown(fresh, database.stat().st_uid, database.stat().st_gid)
    replace(fresh, database)
    lost = f"unreadable parts of {', '.join(holes)} are lost" if holes else "none was lost"
    return f"built anew with {kept} rows; {lost}"


def _reindexed(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.execute("REINDEX")
    except sqlite3.Error:
        return False
    return not problems(database)


def _rebuilt(database: Path, fresh: Path) -> tuple[int, list[str]]:
    """Tables with their rows first, then indexes and triggers, which must not act on rows that are only moved."""
    kept, holes = 0, []
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(fresh)) as new:
        made = old.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        tables = [(name, sql) for kind, name, sql in made if kind == "table" and not name.startswith("sqlite_")]
        for name, sql in tables:
            new.execute(sql)
            columns = [str(row[1]) for row in new.execute(f'PRAGMA table_info("{name}")')]
            found = _Rows(old, name, columns)
            marks = ", ".join("?" for _ in columns)
            done = new.executemany(f'INSERT OR IGNORE INTO "{name}" ({", ".join(columns)}) VALUES ({marks})', found)
            kept += done.rowcount
            holes += [name] if found.broken else []
        for kind, name, sql in made:
            if kind in ("index", "trigger", "view"):
                _made_if_possible(new, sql, name, holes)
        _numbering(old, new)
        new.commit()
        new.execute("PRAGMA journal_mode = WAL")
    return kept, holes


def _made_if_possible(new: sqlite3.Connection, sql: str, name: str, holes: list[str]) -> None:
    try:
        new.execute(sql)
    except sqlite3.IntegrityError:
        holes.append(f"the index {name}")


def _numbering(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Numbers that were given once are not given again."""
    try:
        rows = old.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite3.Error:
        return
    new.execute("DELETE FROM sqlite_sequence")
    new.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", rows)


class _Rows:
    """The readable rows of a table: forwards to where it is broken, then backwards to there."""

    def __init__(self, old: sqlite3.Connection, table: str, columns: list[str]) -> None:
        self._old = old
        self._asked = f'SELECT {", ".join(columns)} FROM "{table}" NOT INDEXED'
        self.broken = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._old.execute(self._asked)
        except sqlite3.DatabaseError:
            self.broken = True
            yield from self._backwards()

    def _backwards(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._old.execute(f"{self._asked} ORDER BY rowid DESC")
        except sqlite3.DatabaseError:
            return
