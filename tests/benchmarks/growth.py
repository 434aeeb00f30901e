"""Whether time per image and memory stay flat: 1,000, 10,000 and 100,000 small files with a tiny model.

python -m tests.benchmarks.growth [IMAGES ...] [--json FILE]

Each count is scanned by a process of its own.  The last folder is scanned once more: every file of it is known.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from station import daemon, settings
from tests.benchmarks.figures import told
from tests.tiny import tiny_bundle

PER_FOLDER = 1_000


def small_files(folder: Path, count: int) -> None:
    """So many different JPEGs of 64 px."""
    from tests.conftest import picture  # noqa: PLC0415

    content = [picture(shade, seed=shade, width=64, height=64) for shade in range(200)]
    for number in range(count):
        within = folder / f"{number // PER_FOLDER:03}MEDIA"
        within.mkdir(parents=True, exist_ok=True)
        (within / f"{number:06}.jpg").write_bytes(content[number % 200] + number.to_bytes(4, "big"))


def scan(folder: Path, bundle: Path, database: Path) -> None:
    """In this process; prints what it took."""
    given = settings.of({"station": {"database": database, "bundle": bundle}, "cameras": {"ridge": {"folder": folder}}})
    with daemon.composed(given, lambda: datetime.now(UTC)) as station:
        began, done, early = time.perf_counter(), 0, 0
        for outcomes in station.scan():
            done += len(outcomes)
            if done >= 500 and not early:
                early = _resident_kb()
        took = time.perf_counter() - began
    print(json.dumps({"done": done, "s": took, "early_mb": early / 1000, "resident_mb": _resident_kb() / 1000}))


def _resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def _apart(folder: Path, bundle: Path, database: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.growth", "--scan", str(folder), str(bundle), str(database)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    """All counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--scan", nargs=3, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.scan:
        scan(*args.scan)
        return
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        bundle = tiny_bundle(scratch / "tiny")
        for count in args.images:
            small_files(scratch / f"{count}", count)
            found = _apart(scratch / f"{count}", bundle, scratch / f"{count}.db")
            assert found["done"] == count
            figures[f"{count:,}: ms an image"] = 1000 * found["s"] / count
            figures[f"{count:,}: resident at the end, MB"] = found["resident_mb"]
        again = _apart(scratch / f"{args.images[-1]}", bundle, scratch / f"{args.images[-1]}.db")
        assert again["done"] == 0
        figures[f"{args.images[-1]:,} known files passed over, s"] = again["s"]
    told("growth", figures, args.json)


if __name__ == "__main__":
    main()
