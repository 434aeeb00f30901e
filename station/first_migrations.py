"""The first migrations: frames, the messages that bring and tell them, and their counts.

Nothing here changes any more: stations in the field hold databases that each of these left.
"""

from __future__ import annotations

from sqlite_utils import Database

from station.counts import arrive_anew, counted_estimates, counted_frames, recount


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
    CREATE TRIGGER frames_counted AFTER INSERT ON frames BEGIN {counted_frames(1, "NEW")} END;
    CREATE TRIGGER frames_recounted AFTER UPDATE OF camera, lane, outcome, reason, captured_at, captured_impossible
        ON frames BEGIN {counted_frames(-1, "OLD")} {counted_frames(1, "NEW")} END;
    CREATE TRIGGER frames_discounted AFTER DELETE ON frames BEGIN {counted_frames(-1, "OLD")} END;
    CREATE TABLE estimate_counts (
        model TEXT NOT NULL, interval_known INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (model, interval_known)
    ) WITHOUT ROWID;
    CREATE TRIGGER estimates_counted AFTER INSERT ON estimates BEGIN {counted_estimates(1, "NEW")} END;
    CREATE TRIGGER estimates_discounted AFTER DELETE ON estimates BEGIN {counted_estimates(-1, "OLD")} END;
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


def results(db: Database) -> None:
    """Which state of a results file a frame without detections was looked up in."""
    db.execute("ALTER TABLE frames ADD COLUMN consulted TEXT")


def announced(db: Database) -> None:
    """What Home Assistant was told and the broker keeps, until it is taken back."""
    db.execute("CREATE TABLE announced (topic TEXT PRIMARY KEY)")


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
    arrive_anew(db)


def subscribed(db: Database) -> None:
    """Every topic filter that was ever subscribed to: the broker's session keeps them until they are taken back."""
    db.execute("CREATE TABLE subscribed (filter TEXT PRIMARY KEY)")


FIRST = (ledger, messages, post, health, results, announced, arrivals, subscribed)
"""In their order."""
