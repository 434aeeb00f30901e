"""The tables, one migration after the other.  A change to the schema is one more function at the end.

Times are ISO 8601 in UTC.  Ages are in years, boxes in fractions of the upright picture.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

from sqlite_utils import Database, Migrations

from station.domain import StationError

migrations = Migrations("station")


class StoreError(StationError):
    """The database cannot be used."""


@migrations()
def ledger(db: Database) -> None:
    """Frames and what became of them."""
    db.executescript("""
    CREATE TABLE runs (  -- of the program on this database
        id INTEGER PRIMARY KEY,
        started_at TEXT NOT NULL,
        ended_at TEXT  -- empty: it crashed, or is running
    );
    CREATE TABLE cameras (id TEXT PRIMARY KEY, first_seen_at TEXT NOT NULL);
    CREATE TABLE individuals (id TEXT PRIMARY KEY, first_seen_at TEXT NOT NULL);
    CREATE TABLE models (version TEXT PRIMARY KEY, card TEXT NOT NULL, first_used_at TEXT NOT NULL);
    CREATE TABLE frames (
        id INTEGER PRIMARY KEY,
        camera TEXT NOT NULL REFERENCES cameras (id),
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        individual TEXT REFERENCES individuals (id),  -- a person's word, from the path
        lane INTEGER NOT NULL,  -- 0 live, 1 backlog
        admitted_at TEXT NOT NULL,
        run INTEGER REFERENCES runs (id),  -- that took it in hand last
        attempts INTEGER NOT NULL DEFAULT 0,  -- that did not end in an outcome
        outcome TEXT CHECK (outcome IN ('observed', 'duplicate', 'rejected')),  -- empty: waiting
        done_at TEXT,
        reason TEXT,  -- of a rejection
        detail TEXT,
        digest TEXT,  -- SHA-256 of the content
        original INTEGER REFERENCES frames (id),  -- of a duplicate
        width_px INTEGER,
        height_px INTEGER,
        captured_at TEXT,
        captured_as_recorded TEXT,  -- local time, uncorrected, as in EXIF
        captured_source TEXT,
        captured_impossible INTEGER,  -- 1: the clock was wrong, leave the time out of ages
        make TEXT,
        model TEXT,
        UNIQUE (path, size_bytes, modified_ns, camera)
    );
    CREATE INDEX frames_waiting ON frames (lane, id) WHERE outcome IS NULL;
    CREATE UNIQUE INDEX frames_content ON frames (digest) WHERE outcome = 'observed';
    CREATE INDEX frames_captured ON frames (captured_at);
    CREATE TABLE faces (
        id INTEGER PRIMARY KEY,
        frame INTEGER NOT NULL REFERENCES frames (id),
        number INTEGER NOT NULL,  -- from 0, within its frame
        x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL,
        confidence REAL,  -- of the finder
        individual TEXT REFERENCES individuals (id),
        UNIQUE (frame, number)
    );
    CREATE INDEX faces_individual ON faces (individual);
    CREATE TABLE estimates (
        id INTEGER PRIMARY KEY,
        face INTEGER NOT NULL REFERENCES faces (id),
        model TEXT NOT NULL REFERENCES models (version),
        age_years REAL NOT NULL,
        sd_years REAL NOT NULL,
        low_years REAL,  -- of the 90% interval; empty: unknown
        high_years REAL,
        life_stage TEXT,
        estimated_at TEXT NOT NULL,
        UNIQUE (face, model)
    );
    """)


@migrations()
def messages(db: Database) -> None:
    """Pictures that came as messages, people, and what waits for the broker."""
    db.executescript("""
    ALTER TABLE frames ADD COLUMN topic TEXT;  -- it came on; empty: a file
    ALTER TABLE frames ADD COLUMN file_name TEXT;  -- its sender's name for it
    ALTER TABLE frames ADD COLUMN given_at TEXT;  -- capture time, as its sender gave it
    ALTER TABLE frames ADD COLUMN people INTEGER;  -- how many the finder saw
    ALTER TABLE frames ADD COLUMN unspooled_at TEXT;  -- its spool file was deleted
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order
        rank INTEGER NOT NULL,  -- lower goes first
        topic TEXT NOT NULL,
        payload TEXT NOT NULL,
        retained INTEGER NOT NULL,  -- 1: a state, only the newest of a topic waits
        queued_at TEXT NOT NULL
    );
    CREATE INDEX outbox_next ON outbox (rank, id);
    CREATE UNIQUE INDEX outbox_state ON outbox (topic) WHERE retained = 1;
    """)


@migrations()
def post(db: Database) -> None:
    """What was refused of the messages, and which pictures of the spool can go."""
    db.executescript("""
    CREATE TABLE refusals (
        reason TEXT NOT NULL,
        camera TEXT NOT NULL,  -- empty: its name was no camera's
        messages INTEGER NOT NULL,
        last_topic TEXT NOT NULL,
        last_detail TEXT NOT NULL,
        last_at TEXT NOT NULL,
        PRIMARY KEY (reason, camera)
    );
    CREATE INDEX frames_spooled ON frames (id) WHERE topic IS NOT NULL AND unspooled_at IS NULL;
    CREATE INDEX frames_people ON frames (id) WHERE people > 0 AND topic IS NOT NULL AND unspooled_at IS NULL;
    """)


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
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def open_database(file: Path, durable: bool = False) -> Database:
    """Opens or creates a database and brings it to the program's schema.  Raises `StoreError`.

    `durable`: what is committed survives a power cut.
    """
    connection = sqlite3.connect(file, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("PRAGMA foreign_keys = ON")
    db = Database(connection)
    migrate(db, file)
    return db


def migrate(db: Database, file: Path) -> None:
    """Brings a database to the program's schema.  Raises `StoreError` where it is foreign or newer."""
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
    migrations.apply(db)
