"""The tables, one migration after the other.  A change to the schema is one more function at the end.

Times are ISO 8601 in UTC.  Ages are in years, boxes in fractions of the upright picture.
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

from sqlite_utils import Database, Migrations

from station.copies import CopyError, copy_database
from station.domain import StationError

PATIENCE_S = 30
"""For how long a writer waits while another one writes."""
LEAST_BYTES = 1_000_000
"""With less free space SQLite cannot place its own files beside the database."""
_PRIMARY = 0xFF
"""The part of SQLite's error number that tells the kind of error."""

migrations = Migrations("station")


class StoreError(StationError):
    """The database cannot be used."""


class ReadOnlyError(StoreError):
    """The database can be read, but nothing can be noted in it."""


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


_COUNTED = ("camera", "lane", "outcome", "reason", "clock")


def _kind(row: str) -> str:
    """Which count a row of `frames` belongs to, as SQL, in the order of `_COUNTED`."""
    return f"""{row}.camera, {row}.lane, coalesce({row}.outcome, 'waiting'), coalesce({row}.reason, ''),
        CASE WHEN {row}.outcome IS NOT 'observed' THEN '' WHEN {row}.captured_impossible THEN 'impossible'
            WHEN {row}.captured_at IS NULL THEN 'unknown' ELSE 'believable' END"""


def _count(table: str, key: tuple[str, ...], kind: str, step: int) -> str:
    """One more or one less, as SQL for a trigger; an upsert there would obey an outer INSERT OR IGNORE."""
    columns = ", ".join(key)
    return f"""INSERT INTO {table} ({columns}, n) SELECT {kind}, 0
            WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE ({columns}) = ({kind}));
        UPDATE {table} SET n = n + {step} WHERE ({columns}) = ({kind});"""


def _counted_frames(step: int, row: str) -> str:
    return _count("frame_counts", _COUNTED, _kind(row), step)


def _counted_estimates(step: int, row: str) -> str:
    return _count("estimate_counts", ("model", "interval_known"), f"{row}.model, {row}.low_years IS NOT NULL", step)


@migrations()
def health(db: Database) -> None:
    """Counts that triggers keep, so that a look at the station's health costs the same at a million frames."""
    db.executescript(f"""
    ALTER TABLE runs ADD COLUMN alive_at TEXT;  -- the daemon's newest sign of life; empty: a command's run
    CREATE TABLE frame_counts (
        camera TEXT NOT NULL,
        lane INTEGER NOT NULL,
        outcome TEXT NOT NULL,  -- or waiting
        reason TEXT NOT NULL,  -- of a rejection
        clock TEXT NOT NULL,  -- of an observed frame: believable, impossible or unknown
        n INTEGER NOT NULL,
        PRIMARY KEY (camera, lane, outcome, reason, clock)
    ) WITHOUT ROWID;
    CREATE TRIGGER frames_counted AFTER INSERT ON frames BEGIN {_counted_frames(1, "NEW")} END;
    CREATE TRIGGER frames_recounted AFTER UPDATE OF camera, lane, outcome, reason, captured_at, captured_impossible
        ON frames BEGIN {_counted_frames(-1, "OLD")} {_counted_frames(1, "NEW")} END;
    CREATE TRIGGER frames_discounted AFTER DELETE ON frames BEGIN {_counted_frames(-1, "OLD")} END;
    CREATE TABLE estimate_counts (
        model TEXT NOT NULL, interval_known INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (model, interval_known)
    ) WITHOUT ROWID;
    CREATE TRIGGER estimates_counted AFTER INSERT ON estimates BEGIN {_counted_estimates(1, "NEW")} END;
    CREATE TRIGGER estimates_discounted AFTER DELETE ON estimates BEGIN {_counted_estimates(-1, "OLD")} END;
    CREATE TABLE arrivals (  -- of a camera's pictures, less than half an hour apart
        camera TEXT NOT NULL, began_at TEXT NOT NULL, last_at TEXT NOT NULL, PRIMARY KEY (camera, began_at)
    ) WITHOUT ROWID;
    CREATE TRIGGER frames_arrived AFTER INSERT ON frames
        WHEN NEW.admitted_at > coalesce(
            (SELECT last_at FROM arrivals WHERE camera = NEW.camera ORDER BY began_at DESC LIMIT 1), '') BEGIN
        UPDATE arrivals SET last_at = NEW.admitted_at WHERE camera = NEW.camera
            AND began_at = (SELECT max(began_at) FROM arrivals WHERE camera = NEW.camera)
            AND julianday(NEW.admitted_at) - julianday(last_at) <= 0.5 / 24;
        INSERT INTO arrivals (camera, began_at, last_at) SELECT NEW.camera, NEW.admitted_at, NEW.admitted_at
            WHERE NOT EXISTS (SELECT 1 FROM arrivals WHERE camera = NEW.camera AND last_at >= NEW.admitted_at);
    END;
    CREATE INDEX frames_done ON frames (done_at) WHERE done_at IS NOT NULL;
    CREATE INDEX frames_camera_captured ON frames (camera, captured_at) WHERE captured_impossible = 0;
    """)
    recount(db)


def recount(db: Database) -> None:
    """Makes all counts anew from what they count, as after the repair of a damaged database."""
    for counts in ("frame_counts", "estimate_counts"):
        db.execute(f"DELETE FROM {counts}")
    db.execute(f"""INSERT INTO frame_counts ({", ".join(_COUNTED)}, n)
        SELECT {_kind("frames")}, count(*) FROM frames GROUP BY 1, 2, 3, 4, 5""")
    db.execute("""INSERT INTO estimate_counts (model, interval_known, n)
        SELECT model, low_years IS NOT NULL, count(*) FROM estimates GROUP BY 1, 2""")
    _arrive_anew(db)


def _arrive_anew(db: Database) -> None:
    db.execute("DELETE FROM arrivals")
    db.execute("""INSERT INTO arrivals (camera, began_at, last_at)
        SELECT camera, min(at), max(at) FROM (
            SELECT camera, at, sum(apart) OVER (PARTITION BY camera ORDER BY at) AS number FROM (
                SELECT camera, at, julianday(at) - lag(julianday(at)) OVER (PARTITION BY camera ORDER BY at)
                    > 0.5 / 24 AS apart
                FROM (SELECT DISTINCT camera, admitted_at AS at FROM frames)))
        GROUP BY camera, coalesce(number, 0)""")


def recounted(file: Path) -> None:
    """Does that to a database that nobody uses; one of before the counts is left alone."""
    with closing(sqlite3.connect(file)) as connection:
        db = Database(connection)
        if "frame_counts" in db.table_names():
            with db.atomic():
                recount(db)


@migrations()
def results(db: Database) -> None:
    """Which state of a results file a frame without detections was looked up in."""
    db.execute("ALTER TABLE frames ADD COLUMN consulted TEXT")


@migrations()
def announced(db: Database) -> None:
    """What Home Assistant was told and the broker keeps, until it is taken back."""
    db.execute("CREATE TABLE announced (topic TEXT PRIMARY KEY)")


@migrations()
def arrivals(db: Database) -> None:
    """One picture of a day when the clock was far ahead kept all later ones from being arrivals."""
    newest = "camera = NEW.camera AND began_at <= NEW.admitted_at ORDER BY began_at DESC LIMIT 1"
    db.executescript(f"""
    DROP TRIGGER frames_arrived;
    CREATE TRIGGER frames_arrived AFTER INSERT ON frames
        WHEN NEW.admitted_at > coalesce((SELECT last_at FROM arrivals WHERE {newest}), '') BEGIN
        UPDATE arrivals SET last_at = NEW.admitted_at WHERE camera = NEW.camera
            AND began_at = (SELECT began_at FROM arrivals WHERE {newest})
            AND julianday(NEW.admitted_at) - julianday(last_at) <= 0.5 / 24;
        INSERT INTO arrivals (camera, began_at, last_at) SELECT NEW.camera, NEW.admitted_at, NEW.admitted_at
            WHERE coalesce((SELECT last_at FROM arrivals WHERE {newest}), '') < NEW.admitted_at;
    END;
    """)
    _arrive_anew(db)


@migrations()
def subscribed(db: Database) -> None:
    """Every topic filter that was ever subscribed to: the broker's session keeps them until they are taken back."""
    db.execute("CREATE TABLE subscribed (filter TEXT PRIMARY KEY)")


@migrations()
def words(db: Database) -> None:
    """Who the faces show: what the machine said, what people said, and what follows from both.

    Names that faces had before came from paths; one that its frame's path does not explain becomes a word of its own.
    """
    db.executescript("""
    ALTER TABLE individuals ADD COLUMN name TEXT;
    ALTER TABLE individuals ADD COLUMN sex TEXT CHECK (sex IN ('f', 'm'));  -- empty: unknown
    ALTER TABLE individuals ADD COLUMN born_on TEXT;  -- a date, a person's word
    ALTER TABLE individuals ADD COLUMN born_after TEXT;
    ALTER TABLE individuals ADD COLUMN born_before TEXT;
    ALTER TABLE individuals ADD COLUMN died_on TEXT;
    ALTER TABLE individuals ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;  -- 1: made by the machine, unconfirmed
    ALTER TABLE individuals ADD COLUMN merged_into TEXT REFERENCES individuals (id);  -- itself merged into none
    ALTER TABLE faces ADD COLUMN unusable TEXT;  -- why it got no age; empty: usable
    CREATE TABLE embeddings (
        face INTEGER PRIMARY KEY NOT NULL REFERENCES faces (id),
        identity TEXT NOT NULL,  -- version of the embedding: vectors of different versions are never compared
        vector BLOB NOT NULL  -- float16, of unit length
    );
    CREATE TABLE recognitions (  -- what the machine said, never changed
        face INTEGER NOT NULL REFERENCES faces (id),
        identity TEXT NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('known', 'new', 'unsure')),
        individual TEXT REFERENCES individuals (id),  -- of unsure: the likeliest, if any
        similarity REAL,
        runner_up TEXT REFERENCES individuals (id),
        runner_up_similarity REAL,
        recognised_at TEXT NOT NULL,
        PRIMARY KEY (face, identity),
        CHECK (verdict = 'unsure' OR individual IS NOT NULL)
    );
    CREATE INDEX recognitions_individual ON recognitions (individual);
    CREATE INDEX recognitions_unsure ON recognitions (face) WHERE verdict = 'unsure';
    CREATE TABLE words (  -- what people said: rows are only added, and each can be undone
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order
        said_at TEXT NOT NULL,
        who TEXT NOT NULL,
        verb TEXT NOT NULL
            CHECK (verb IN ('name', 'set', 'confirm', 'deny', 'merge', 'split', 'undo')),
        individual TEXT REFERENCES individuals (id),
        face INTEGER REFERENCES faces (id),
        value TEXT,  -- JSON
        undone_at TEXT
    );
    CREATE INDEX words_face ON words (face) WHERE face IS NOT NULL;
    CREATE INDEX words_individual ON words (individual);
    CREATE INDEX frames_individual ON frames (individual) WHERE individual IS NOT NULL;
    CREATE TABLE untold (individual TEXT PRIMARY KEY);  -- whose state people changed: subscribers are to hear of it
    """)
    db.execute("""INSERT INTO words (said_at, who, verb, individual, face)
        SELECT coalesce(done_at, admitted_at), 'path', 'confirm', faces.individual, faces.id
        FROM faces JOIN frames ON frames.id = faces.frame WHERE faces.individual IS NOT NULL AND NOT (
            faces.individual IS frames.individual
            AND (SELECT count(*) FROM faces AS all_ WHERE all_.frame = frames.id) = 1)
        ORDER BY faces.id""")


@migrations()
def censuses(db: Database) -> None:
    """Every census that was made, so that the next can say what changed."""
    db.executescript("""
    CREATE TABLE censuses (
        id INTEGER PRIMARY KEY,
        day TEXT NOT NULL,  -- the census is of, in the station's zone
        made_at TEXT NOT NULL,
        census TEXT NOT NULL  -- JSON
    );
    CREATE INDEX censuses_day ON censuses (day);
    """)


@migrations()
def selfchecks(db: Database) -> None:
    """How fast the station found itself to be."""
    db.executescript("""
    CREATE TABLE selfchecks (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        report TEXT NOT NULL,  -- JSON
        ok INTEGER NOT NULL,
        baseline INTEGER NOT NULL  -- 1: later ones are compared with it, until there is a newer one
    );
    CREATE INDEX selfchecks_baseline ON selfchecks (id) WHERE baseline;
    """)


@migrations()
def face_quality(db: Database) -> None:
    """How good a picture of a face each one is."""
    db.execute("ALTER TABLE faces ADD COLUMN quality REAL")  # 0 to 1; empty: nobody asked


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
