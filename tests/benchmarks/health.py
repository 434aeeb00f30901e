"""What a look at the station's health costs at many frames, and what its counters cost those who write.

python -m tests.benchmarks.health 1000000
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from station import schema, settings
from station.checkup import Live, checkup
from station.domain import Lane, Reason, Rejection
from station.flow import Doorbell
from station.meter import Meter
from station.metrics import exposition
from station.store import Candidate, Store
from tests.tiny import card

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAMERAS, RATE_S, WAITING = 100, 30, 0.2
"""A picture every 30 s at all cameras together; a fifth of them wait."""


def fill(db: Database, count: int) -> None:
    """Puts frames, faces and estimates of months into a database of the schema before `health`."""
    first = NOW - timedelta(seconds=RATE_S * count)
    moments = [(first + timedelta(seconds=RATE_S * i)).isoformat() for i in range(count)]
    done = int(count * (1 - WAITING))
    frames = (
        (i + 1, f"camera{i // 7 % CAMERAS}", f"/p/{i}.jpg", i % 50 != 0, at, _outcome(i, done), *_content(i, done, at))
        for i, at in enumerate(moments)
    )
    with db.atomic():
        db.execute("INSERT INTO models VALUES ('tiny-1', ?, '')", [card().to_json()])
        names = [(f"camera{c}", moments[0]) for c in range(CAMERAS)]
        db.conn.executemany("INSERT INTO cameras VALUES (?, ?)", names)
        db.conn.executemany(
            """INSERT INTO frames (id, camera, path, lane, admitted_at, outcome, reason, done_at, digest, captured_at,
            captured_impossible, size_bytes, modified_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1)""",
            frames,
        )
        db.execute("""INSERT INTO faces (id, frame, number, x, y, width, height)
            SELECT id, id, 0, 0, 0, 1, 1 FROM frames WHERE outcome = 'observed'""")
        db.execute("""INSERT INTO estimates (face, model, age_years, sd_years, low_years, estimated_at)
            SELECT id, 'tiny-1', 4, 1, 2, '' FROM faces""")
        waiting = [(f"t/{i}", moments[-1]) for i in range(200_000)]
        db.conn.executemany(
            "INSERT INTO outbox (rank, topic, payload, retained, queued_at) VALUES (1, ?, '{}', 0, ?)", waiting
        )


def _outcome(i: int, done: int) -> str | None:
    return None if i >= done else "rejected" if i % 20 == 0 else "observed"


def _content(i: int, done: int, at: str) -> tuple[object, ...]:
    match _outcome(i, done):
        case None:
            return None, None, None, None, None
        case "rejected":
            return "truncated", at, None, None, None
        case _:
            return None, at, f"{i:064x}", at, int(i % 30 == 0)


def before_health(file: Path) -> Database:
    """A database of the schema before `health`."""
    db = schema.open_database(file)
    db.executescript("".join(f"DROP {kind} {name};" for kind, name in _of_health(db)))
    db.execute("DELETE FROM _sqlite_migrations WHERE name IN ('health', 'arrivals')")
    db.execute("ALTER TABLE runs DROP COLUMN alive_at")
    db.conn.commit()
    return db


def _of_health(db: Database) -> list[tuple[str, str]]:
    names = "'frame_counts', 'estimate_counts', 'arrivals', 'frames_done', 'frames_camera_captured'"
    rows = db.execute(f"SELECT type, name FROM sqlite_master WHERE type = 'trigger' OR name IN ({names})").fetchall()
    return sorted(rows, key=lambda row: row[0] != "trigger")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints how long a block took."""
    began = time.perf_counter()
    yield
    print(f"{what}: {1000 * (time.perf_counter() - began):.1f} ms", flush=True)


def writes(file: Path, prefix: str) -> None:
    """The real way in and out, for 20,000 frames."""
    count, chunk = 20_000, 500
    with Store(file, NOW) as store:
        began = time.perf_counter()
        for start in range(0, count, chunk):
            numbers = range(start, start + chunk)
            store.admit([Candidate("camera1", f"/{prefix}/{i}", 1, 1, None, Lane.LIVE) for i in numbers], NOW)
        admitted = time.perf_counter()
        frames = store.pending(Doorbell())
        for _ in range(count // 32):
            store.record([Rejection(next(frames), Reason.EMPTY, "") for _ in range(32)], NOW)
        print(f"{prefix}: admitted {count / (admitted - began):.0f}/s", end=", ")
        print(f"taken and recorded {count / (time.perf_counter() - admitted):.0f}/s", flush=True)


def main(count: int, folder: Path) -> None:
    """All of it."""
    file = folder / "station.db"
    db = before_health(file)
    fill(db, count)
    db.close()
    writes(file.with_name("empty.db"), "with counters, small database")
    with timed(f"migration of {count} frames"):
        schema.open_database(file).close()
    read = settings.of({"station": {"database": file}})
    live = Live(lambda: "tiny-1", "cpu", Meter(), dict, lambda: "none")
    for again in range(3):
        with timed(f"report {again + 1}"):
            found = checkup(read, NOW, live)
    with timed("exposition of it"):
        text = exposition(found, live)
    print(f"{len(text)} bytes; {found.health.images}, {len(found.health.problems)} problems")
    writes(file, "with counters")
    with Store(file, NOW) as store:
        store._db.executescript("".join(f"DROP TRIGGER {n};" for kind, n in _of_health(store._db) if kind == "trigger"))
    writes(file, "without triggers")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(int(sys.argv[1]), Path(scratch))
