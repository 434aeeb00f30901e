"""The census over a large ledger: `python -m tests.benchmarks.census [ESTIMATES] [INDIVIDUALS]` prints JSON.

The ledger is built once beside the temporary files, and measured in a process of its own: what reading and counting
take, from the file to the census, and the most memory that process ever had.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from station import population, species
from station.census import Question, census
from station.history import reading
from station.leeway import starts
from station.response import Response
from station.schema import open_database
from station.seasons import Eye, calibration
from station.times import iso

TODAY = date(2026, 6, 30)
CAMERAS = 40
DAYS = 730


def build(file: Path, estimates: int, individuals: int) -> None:
    """Two years of a large reserve, in bursts of three."""
    from tests.tiny import card  # noqa: PLC0415  torch, which what is measured does without

    rng = np.random.default_rng(1)
    db = open_database(file)
    start = datetime.combine(TODAY - timedelta(days=DAYS - 1), datetime.min.time(), UTC)
    who = np.sort(rng.integers(0, individuals, estimates // 3 + 1).repeat(3)[:estimates])
    rng.shuffle(who.reshape(-1)[: estimates // 3 * 3].reshape(-1, 3))
    burst = np.sort(rng.integers(0, DAYS * 86_400 - 60, estimates // 3 + 1)).repeat(3)[:estimates]
    second = burst + np.tile([0, 3, 7], estimates // 3 + 1)[:estimates]
    camera = rng.integers(0, CAMERAS, estimates // 3 + 1).repeat(3)[:estimates]
    age = rng.uniform(0.5, 25, individuals)[who] + rng.normal(0, 1.5, individuals)[who] + rng.normal(0, 2, estimates)
    at = iso(start)
    version = card().version
    with db.atomic():
        db.conn.execute("INSERT INTO models VALUES (?, ?, ?)", [version, card().to_json(), at])
        db.conn.executemany("INSERT INTO cameras VALUES (?, ?)", [(f"c{i:02}", at) for i in range(CAMERAS)])
        db.conn.executemany(
            "INSERT INTO individuals (id, first_seen_at, sex, provisional) VALUES (?, ?, ?, ?)",
            [(f"a{i:05}", at, ("f", "m", None)[i % 3], int(i % 5 == 0)) for i in range(individuals)],
        )
        db.conn.execute("DROP TRIGGER frames_counted")
        db.conn.execute("DROP TRIGGER frames_arrived")
        taken = (np.datetime64(start.replace(tzinfo=None), "s") + second).astype(str)
        db.conn.executemany(
            """INSERT INTO frames (id, camera, path, size_bytes, modified_ns, lane, admitted_at, outcome, done_at,
            captured_at, captured_impossible, people) VALUES (?, ?, ?, 1, 1, 1, ?, 'observed', ?, ?, 0, 0)""",
            (
                (i, f"c{c:02}", f"/p/{i}", at, f"{t}+00:00", f"{t}+00:00")
                for i, (c, t) in enumerate(zip(camera.tolist(), taken, strict=True))
            ),
        )
        db.conn.executemany(
            "INSERT INTO faces (id, frame, number, x, y, width, height, individual) VALUES (?, ?, 0, 0, 0, 1, 1, ?)",
            ((i, i, f"a{w:05}") for i, w in enumerate(who.tolist())),
        )
        db.conn.executemany(
            "INSERT INTO estimates (id, face, model, age_years, sd_years, estimated_at) VALUES (?, ?, ?, ?, 1, ?)",
            ((i, i, version, a, f"{t}+00:00") for i, (a, t) in enumerate(zip(age.tolist(), taken, strict=True))),
        )
    db.close()


def measure(file: Path) -> None:
    """In this process."""
    panda = species.find("giant_panda")
    assert panda
    table = calibration(Eye(), 80, 8, panda.longevity_years, np.random.default_rng(1))
    begun, cpu = time.perf_counter(), time.process_time()
    asked = population.Reading(TODAY, UTC, panda, Response.learnt(table), 365)
    with reading(file) as db:
        found = population.read(db, asked)
    read_s = time.perf_counter() - begun
    question = Question(TODAY, panda, starts=starts(asked.response, panda, np.random.default_rng(1)), doubt=found.doubt)
    made = census(found.animals, found.efforts, found.ledger, question)
    whole_s = time.perf_counter() - begun
    print(
        json.dumps(
            {
                "individuals": len(made.individuals),
                "estimates": sum(made.ledger.models.values()),
                "read_s": round(read_s, 2),
                "whole_s": round(whole_s, 2),
                "cpu_s": round(time.process_time() - cpu, 2),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
    else:
        estimates, individuals = (int(text) for text in (sys.argv[1:] + ["1000000", "5000"][len(sys.argv) - 1 :])[:2])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "station.db"
            build(file, estimates, individuals)
            subprocess.run([sys.executable, "-m", "tests.benchmarks.census", "--measure", str(file)], check=True)
