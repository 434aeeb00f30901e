"""The ledger: rows a second in batches, and the questions of `station estimates` at a million estimates.

python -m tests.benchmarks.rows [ESTIMATES] [--json FILE]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from station import history, schema
from station.domain import Lane
from station.flow import Doorbell
from station.store import Store
from tests.benchmarks.figures import told
from tests.frames import candidate, observed
from tests.tiny import card

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAMERAS, ANIMALS, BATCH = 100, 5_000, 32


def written(file: Path, count: int) -> dict[str, float]:
    """Frames a second through the real way in and the real way out, a face and an estimate each."""
    with Store(file, NOW) as store:
        store.use_model(card(), NOW)
        began = time.perf_counter()
        for start in range(0, count, 500):
            store.admit([candidate(number, Lane.LIVE) for number in range(start, start + 500)], NOW)
        admitted = time.perf_counter()
        frames = store.pending(Doorbell())
        for _ in range(count // BATCH):
            batch = [next(frames) for _ in range(BATCH)]
            store.record([observed(frame, f"{frame.id:064x}", 5.0) for frame in batch], NOW)
        recorded = time.perf_counter()
    return {
        "admitted, frames/s": count / (admitted - began),
        "taken in hand and recorded in batches of 32, frames/s": count / (recorded - admitted),
    }


def filled(file: Path, count: int) -> None:
    """A year of estimates: cameras in turn, animals at random."""
    db = schema.open_database(file)
    at = [(NOW - timedelta(days=365) + k * timedelta(days=365) / count).isoformat() for k in range(count)]
    who = np.random.default_rng(0).integers(ANIMALS, size=count)
    with db.atomic():
        db.execute("INSERT INTO models VALUES ('tiny-1', ?, '')", [card().to_json()])
        db.conn.executemany("INSERT INTO cameras VALUES (?, '')", [(f"camera{c}",) for c in range(CAMERAS)])
        names = [(f"animal{a}",) for a in range(ANIMALS)]
        db.conn.executemany("INSERT INTO individuals (id, first_seen_at) VALUES (?, '')", names)
        db.conn.executemany(
            """INSERT INTO frames (id, camera, path, lane, admitted_at, outcome, done_at, digest, captured_at,
            captured_impossible, size_bytes, modified_ns) VALUES (?, ?, ?, 1, ?, 'observed', ?, ?, ?, 0, 1, 1)""",
            ((k, f"camera{k % CAMERAS}", f"/p/{k}.jpg", t, t, f"{k:064x}", t) for k, t in enumerate(at)),
        )
        db.conn.executemany(
            """INSERT INTO faces (id, frame, number, x, y, width, height, individual)
            VALUES (?, ?, 0, 0, 0, 1, 1, ?)""",
            ((k, k, f"animal{a}") for k, a in enumerate(who)),
        )
        db.execute("""INSERT INTO estimates (face, model, age_years, sd_years, low_years, high_years, estimated_at)
            SELECT id, 'tiny-1', 4, 1, 2, 6, '' FROM faces""")
    db.close()


def asked(file: Path) -> dict[str, float | str]:
    """Milliseconds a question, the middle of five, all rows fetched."""
    day, week = NOW - timedelta(days=1), NOW - timedelta(days=7)
    found: dict[str, float | str] = {}
    with history.reading(file) as db:
        questions: dict[str, Callable[[], Any]] = {
            "of one animal": lambda: list(history.estimates(db, individual="animal7")),
            "of one animal, the last week": lambda: list(history.estimates(db, individual="animal7", since=week)),
            "of one camera, the last week": lambda: list(history.estimates(db, camera="camera7", since=week)),
            "of the last day": lambda: list(history.estimates(db, since=day)),
            "the first row of all": lambda: [next(history.estimates(db))],
        }
        for name, question in questions.items():
            times = []
            for _ in range(5):
                began = time.perf_counter()
                rows = question()
                times.append(1000 * (time.perf_counter() - began))
            found[f"{name} ({len(rows)} rows), ms"] = median(times)
    return found


def main() -> None:
    """Both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("estimates", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures: dict[str, float | str] = dict(written(Path(scratch) / "small.db", 32_000))
        filled(Path(scratch) / "large.db", args.estimates)
        figures |= asked(Path(scratch) / "large.db")
    told(f"the ledger, {args.estimates:,} estimates", figures, args.json)


if __name__ == "__main__":
    main()
