"""A database and its schema: who may write to it, and how it is brought to what this program needs.

The tables themselves stand in `station.migrations`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlite_utils import Database

from station.copies import CopyError, copy_database
from station.counts import recount
from station.domain import StationError
from station.migrations import migrations

PATIENCE_S = 30
"""For how long a writer waits while another one writes."""
LEAST_BYTES = 1_000_000
"""With less free space SQLite cannot place its own files beside the database."""
_PRIMARY = 0xFF
"""The part of SQLite's error number that tells the kind of error."""


class StoreError(StationError):
    """The database cannot be used."""


class ReadOnlyError(StoreError):
    """The database can be read, but nothing can be noted in it."""


def lock(file: Path) -> IO[str]:
    """One writer a database: two would take the same frames in hand."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.with_name(file.name + ".lock").open("a+")
    except OSError as error:
        raise StoreError(
            f"the database {file} cannot be opened for writing: {error.strerror}; "
            "give the user of the station write access to its folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        who = handle.read().strip() or "another program"
        handle.close()
        raise StoreError(
            f"the database {file} is in use by process {who}; stop it first, or take another --db"
        ) from error
    handle.truncate(0)
    with suppress(OSError):  # on a full disk it says nothing, and holds
        os.write(handle.fileno(), str(os.getpid()).encode())
    return handle


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """One transaction that may write from its beginning.

    One that begins by reading is refused, without waiting, where another connection has written in between.
    """
    if db.conn.in_transaction:
        with db.atomic():
            yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.conn.commit()
    except BaseException:
        db.conn.rollback()
        raise


@contextmanager
def beside(file: Path) -> Iterator[Database]:
    """One transaction of a second writer, beside the daemon that holds the lock; it takes no frames in hand.

    A database that nobody uses is brought to the program's schema first.  Raises `StoreError`.
    """
    if not file.is_file():
        raise StoreError(f"there is no database {file}; `station scan` and `station run` make one")
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE_S)) as connection:
            db = Database(connection)
            _refuse_foreign(db, file)
            if any(migrations.pending(db)):
                upgrade(file)
            connection.execute("PRAGMA synchronous = FULL")  # a person says it once
            connection.execute("PRAGMA foreign_keys = ON")
            with transaction(db):
                yield db
    except sqlite3.Error as error:
        if error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_READONLY:
            raise ReadOnlyError(f"nothing was changed, for the database {file} can only be read: {error}") from error
        full = shutil.disk_usage(file.parent).free < LEAST_BYTES
        why = "its disk is full: make room" if full else error
        raise StoreError(f"nothing was changed, for the database {file} cannot be used: {why}") from error


def open_database(file: Path, durable: bool = False) -> Database:
    """Opens or creates a database and brings it to the program's schema.  Raises `StoreError`.

    `durable`: what is committed survives a power cut.
    """
    if not file.exists():
        _create(file)
    connection = sqlite3.connect(file, check_same_thread=False, timeout=PATIENCE_S)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA foreign_keys = ON")
    db = Database(connection)
    try:
        migrate(db, file)
    except BaseException:
        connection.close()
        raise
    return db


def _create(file: Path) -> None:
    """A new database gets its name when it is whole: who reads meanwhile finds none, and never half of one."""
    half = file.with_name(f".{file.name}.half")
    try:
        for stale in (half, *(file.with_name(f"{file.name}-{kind}") for kind in ("journal", "shm", "wal"))):
            stale.unlink(missing_ok=True)
        with closing(sqlite3.connect(half)) as connection:
            migrations.apply(Database(connection))
        half.replace(file)
    except OSError as error:
        raise StoreError(f"the database {file} cannot be made: {error}") from error


def upgrade(file: Path) -> list[str]:
    """Brings a database that nobody uses to the program's schema; which migrations that took.  Raises `StoreError`."""
    with closing(lock(file)), closing(sqlite3.connect(file)) as connection:
        db = Database(connection)
        try:
            pending = [migration.name for migration in migrations.pending(db)]
            migrate(db, file)
        except sqlite3.Error as error:
            raise StoreError(f"the database {file} cannot be used: {error}") from error
    return pending


def migrate(db: Database, file: Path) -> None:
    """Brings a database to the program's schema, with a copy of it beside it before it is changed.

    Raises `StoreError` where it is foreign or newer, or where there is no room for the copy.
    """
    applied = _refuse_foreign(db, file)
    pending = [migration.name for migration in migrations.pending(db)]
    if applied and pending:
        _copy_before(pending[0], file)
    migrations.apply(db)


def _refuse_foreign(db: Database, file: Path) -> set[str]:
    applied = {migration.name for migration in migrations.applied(db)}
    newer = applied - {migration.name for migration in migrations.pending(Database(memory=True))}
    if newer:
        raise StoreError(
            f"the database {file} was made by a newer station ({', '.join(sorted(newer))}): upgrade this one"
        )
    foreign = set(db.table_names()) - {"_sqlite_migrations"}
    if not applied and foreign:
        raise StoreError(
            f"{file} is a database of another program (tables {', '.join(sorted(foreign)[:3])}): take another file"
        )
    return applied


def check_version(file: Path) -> None:
    """Raises `StoreError` where this program cannot open a database, which is only read."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _refuse_foreign(Database(connection), file)


def check_current(file: Path) -> None:
    """Raises `StoreError` where a database, which is only read, lacks what this program would add."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        db = Database(connection)
        if _refuse_foreign(db, file) and any(migrations.pending(db)):
            raise StoreError(
                f"the database {file} was made by an older station: `station migrate` brings it up to date, "
                "and `station run` does so by itself"
            )


def _copy_before(migration: str, file: Path) -> None:
    """The database as the program of before left it, for a way back.  Raises `StoreError`."""
    try:
        copy_database(file, file.with_name(f"{file.name}.before-{migration}"))
    except CopyError as error:
        raise StoreError(
            f"the database is left as it was, because no copy can be made before it is changed: {error}"
        ) from error


def recounted(file: Path) -> None:
    """Makes all counts of a database that nobody uses anew; one of before the counts is left alone."""
    with closing(sqlite3.connect(file)) as connection:
        db = Database(connection)
        if "frame_counts" in db.table_names():
            with db.atomic():
                recount(db)
