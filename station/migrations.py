"""The tables, one migration after the other.  A change to the schema is one more function at the end.

Times are ISO 8601 in UTC.  Ages are in years, boxes in fractions of the upright picture.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from station.first_migrations import FIRST

migrations = Migrations("station")
for _one in FIRST:
    migrations()(_one)


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
def jobs(db: Database) -> None:
    """What happens by the clock: since when it is to, and what became of it."""
    db.executescript("""
    CREATE TABLE job_plans (
        job TEXT PRIMARY KEY,
        words TEXT NOT NULL,  -- when it is to run
        since TEXT NOT NULL  -- times before are not made up for
    );
    CREATE TABLE job_runs (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        slot TEXT,  -- the time it was for, as a clock on the station's wall says it; empty: a person asked
        started_at TEXT NOT NULL,
        ended_at TEXT,
        ending TEXT CHECK (ending IN ('done', 'failed', 'stopped', 'put off', 'interrupted')),  -- empty: it runs
        message TEXT NOT NULL DEFAULT '',
        seconds REAL  -- it took, whatever the clock did
    );
    CREATE INDEX job_runs_job ON job_runs (job, id);
    CREATE TABLE nights (day TEXT PRIMARY KEY, made_at TEXT NOT NULL);  -- whose census was made by the clock
    """)


@migrations()
def promotions(db: Database) -> None:
    """Which model is in service, since when and why; of several estimates of a face, its counts (`counting`)."""
    db.executescript("""
    CREATE TABLE promotions (  -- of bundles into service, forward and back
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('promotion', 'rollback', 'found')),
        version TEXT NOT NULL,
        bundle TEXT NOT NULL,  -- its folder, from the folder of the link
        previous TEXT,  -- the version of before; empty: none
        by TEXT NOT NULL CHECK (by IN ('person', 'gate', 'watch', 'station')),
        why TEXT NOT NULL,
        outcome TEXT CHECK (outcome IN ('done', 'abandoned')),  -- empty: begun
        settled_at TEXT,  -- the watch over it ended
        verdict TEXT  -- of the watch
    );
    CREATE TABLE pins (  -- while one holds, only people change the model in service
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        why TEXT NOT NULL,
        taken_out_at TEXT
    );
    CREATE TABLE services (  -- which model estimated from when on
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order
        model TEXT NOT NULL REFERENCES models (version),
        since TEXT NOT NULL
    );
    CREATE INDEX services_model ON services (model, id);
    INSERT INTO services (model, since) SELECT version, first_used_at FROM models ORDER BY first_used_at, version;
    INSERT INTO services (model, since) SELECT model, estimated_at FROM estimates
        WHERE id = (SELECT max(id) FROM estimates)
        AND model IS NOT (SELECT model FROM services ORDER BY id DESC LIMIT 1);
    CREATE VIEW counting AS SELECT faces.id AS face, (
        SELECT estimates.id FROM estimates WHERE estimates.face = faces.id
        ORDER BY (SELECT max(services.id) FROM services WHERE services.model = estimates.model) DESC, estimates.id DESC
        LIMIT 1) AS estimate FROM faces;
    CREATE TABLE reembeddings (  -- of faces that were looked at again, beside what they had
        face INTEGER NOT NULL REFERENCES faces (id),
        identity TEXT NOT NULL,
        vector BLOB NOT NULL,  -- float16, of unit length
        PRIMARY KEY (face, identity)
    );
    CREATE TABLE passed_over (  -- faces that a model could not look at again
        face INTEGER NOT NULL REFERENCES faces (id),
        model TEXT NOT NULL REFERENCES models (version),
        reason TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs (id),
        at TEXT NOT NULL,
        PRIMARY KEY (face, model)
    ) WITHOUT ROWID;
    """)


@migrations()
def face_quality(db: Database) -> None:
    """How good a picture of a face each one is."""
    db.execute("ALTER TABLE faces ADD COLUMN quality REAL")  # 0 to 1; empty: nobody asked


@migrations()
def frames_in_hand(db: Database) -> None:
    """What a run has in hand is asked for at every claim: it must not cost more where more is waiting."""
    db.execute("CREATE INDEX frames_in_hand ON frames (run) WHERE outcome IS NULL AND run IS NOT NULL")
