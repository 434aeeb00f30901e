"""From a file being closed to its row being committed, one image every two seconds; then with a backlog waiting.

python -m tests.benchmarks.latency BUNDLE [--images 30] [--backlog 20000] [--job "COMMAND"] [--json FILE]

The real daemon as a process.  Live pictures are written into one camera's folder; the backlog lies in another's from
before the start.  With a command, instead of the backlog, it runs meanwhile as the daemon runs a retraining.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles

from station import child
from tests.benchmarks.figures import told
from tests.benchmarks.pictures import face_files

EVERY_S = 2.0
CONFIG = """
[station]
id = "hut"
database = "station.db"
bundle = "{bundle}"
[health]
listen = ""
free_mb = 1
[schedule]
census = "never"
selfcheck = "never"
[cameras.live]
folder = "live"
[cameras.cards]
folder = "cards"
"""


def latencies(bundle: Path, folder: Path, live: list[Path], backlog: list[Path]) -> list[float]:
    """Seconds of each live picture."""
    for name in ("live", "cards"):
        (folder / name).mkdir()
    yesterday = time.time() - 86_400  # what is new is live, whichever camera it is of
    for file in backlog:
        os.utime(file, (yesterday, yesterday))
        file.rename(folder / "cards" / file.name)
    (folder / "station.toml").write_text(CONFIG.format(bundle=bundle.absolute()))
    command = [sys.executable, "-m", "station", "run", "--config", str(folder / "station.toml")]
    with (folder / "log.txt").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _until(lambda: "watching" in (folder / "log.txt").read_text(), 120)
            _until(lambda: " runs " in (folder / "log.txt").read_text(), 120)
            if backlog:
                _until(lambda: _count(folder, "1") >= len(backlog), 300)
            closed = {}
            for file in live:
                began = time.time()
                target = folder / "live" / file.name
                shutil.copyfile(file, target)
                closed[str(target)] = time.time()
                time.sleep(max(0.0, EVERY_S - (time.time() - began)))
            _until(lambda: _count(folder, "camera = 'live' AND outcome IS NOT NULL") >= len(live), 300)
            waiting = _count(folder, "outcome IS NULL")
            if backlog and not waiting:
                print("the backlog was done before the live pictures were: take a larger one", file=sys.stderr)
        finally:
            process.terminate()
    with closing(sqlite3.connect(folder / "station.db")) as db:
        rows = db.execute("SELECT path, done_at FROM frames WHERE camera = 'live'").fetchall()
    return [datetime.fromisoformat(done).timestamp() - closed[path] for path, done in rows]


@contextmanager
def _in_progress(command: list[str], warm_s: float) -> Iterator[None]:
    """A heavy job, from some seconds before the block to its end."""
    ended, found = threading.Event(), []
    thread = threading.Thread(
        target=lambda: found.append(child.run(command, lambda: "the block is over" if ended.is_set() else ""))
    )
    thread.start()
    time.sleep(warm_s)
    try:
        if found:
            raise SystemExit(f"the job ended before it began to matter: {found[0]}")
        yield
    finally:
        if found:
            print(f"the job ended before the live pictures were done: {found[0]}", file=sys.stderr)
        ended.set()
        thread.join()


def _count(folder: Path, which: str) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder / 'station.db'}?mode=ro", uri=True, timeout=10)) as db:
            return int(db.execute(f"SELECT count(*) FROM frames WHERE {which}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _until(holds: object, limit_s: float) -> None:
    assert callable(holds)
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("it did not come to that in time; see the log")
        time.sleep(0.05)


def main() -> None:
    """Without and with a backlog, or a job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--backlog", type=int, default=20_000)
    parser.add_argument("--job", default="", help="a command that is to run meanwhile, instead of a backlog")
    parser.add_argument("--warm", type=float, default=30, help="seconds before it is in full swing")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: dict[str, float] = {}
    p95: dict[str, float] = {}
    busy = (0, args.job) if args.job else (args.backlog, "")
    with tempfile.TemporaryDirectory() as name:
        for number, (backlog, job) in enumerate(((0, ""), busy)):
            what = f"{backlog:,} waiting" if backlog else "with a job" if job else "alone"
            scratch = Path(name) / str(number)
            scratch.mkdir()
            files = face_files(scratch / "pictures", args.images + backlog)
            with _in_progress(shlex.split(job), args.warm) if job else nullcontext():
                found = latencies(args.bundle, scratch, files[: args.images], files[args.images :])
            p95[what] = quantiles(found, n=20)[-1]
            figures |= {f"{what}: median, ms": 1000 * median(found), f"{what}: p95, ms": 1000 * p95[what]}
    alone, beside = p95.values()
    told("latency, closed to committed", figures | {f"p95 {what} / alone": beside / alone}, args.json)


if __name__ == "__main__":
    main()
