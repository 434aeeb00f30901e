"""`station scan` on face JPEGs, against the limit that decoding and the model set together.

python -m tests.benchmarks.limit BUNDLE [BUNDLE ...] [--pictures 5000] [--json FILE]

Decode-only reads, decodes and crops with the Line's workers; model-only runs full batches.  On shared cores their
times add; on a GPU the slower one rules.  The scan is the whole station: ledger, hashes, times, outcomes committed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from station import daemon, settings
from station.ages import Ages
from station.domain import WHOLE
from station.flow import parallel
from station.pictures import Picture
from station.prepare import cache_folder
from tests.benchmarks.figures import in_turns, told
from tests.benchmarks.pictures import face_files

BATCH = 32


def decoded(files: list[Path], ages: Ages, workers: int) -> int:
    """All files read, decoded and cropped."""

    def crop(file: Path) -> int:
        picture = Picture(file.read_bytes())
        return len(picture.crops([WHOLE], ages.card.input_px, ages.card.crop_margin))

    return sum(parallel(crop, files, workers))


def read(ages: Ages, count: int) -> int:
    """So many faces through the model, in full batches, two at a time as on the Line."""
    batches = [ages.golden.batch(BATCH)] * (count // BATCH)
    return sum(len(outputs[0]) for outputs in parallel(ages.run, batches, 2, depth=1))


class Scans:
    """All files of a folder through the station, each time in a process of its own and into a new database."""

    def __init__(self, folder: Path, bundle: Path, scratch: Path, workers: int) -> None:
        self._folder, self._bundle, self._scratch, self._workers = folder, bundle, scratch, workers
        self._rates: list[float] = []

    def __call__(self) -> int:
        """Once; returns how many."""
        database = self._scratch / f"{len(self._rates)}.db"
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            done, seconds = pool.submit(_scan, self._folder, self._bundle, database, self._workers).result()
        self._rates.append(done / seconds)
        return done

    def rate(self) -> float:
        """Images a second without the start of the process: the middle of all but the first."""
        return median(self._rates[1:])


def _scan(folder: Path, bundle: Path, database: Path, workers: int) -> tuple[int, float]:
    """How many, and the seconds from the first listing to the last commit."""
    given = settings.of(
        {
            "station": {"database": database, "bundle": bundle},
            "line": {"workers": workers, "batch_faces": BATCH, "program": "exported"},
            "cameras": {"ridge": {"folder": folder}},
        }
    )
    with daemon.composed(given, lambda: datetime.now(UTC)) as station:
        station.ages.prepare(CACHE)  # a daemon has done so long ago, beside its first pictures
        began = time.perf_counter()
        done = sum(len(outcomes) for outcomes in station.scan())
        return done, time.perf_counter() - began


CACHE = cache_folder({"XDG_CACHE_HOME": tempfile.gettempdir()})


def main() -> None:
    """All bundles, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        files = face_files(scratch / "pictures", args.pictures)
        for bundle in args.bundles:
            figures |= compared(bundle, files, scratch / bundle.name, args.workers, args.rounds)
    told("end to end against the limit", figures, args.json)


def compared(bundle: Path, files: list[Path], scratch: Path, workers: int, rounds: int) -> dict[str, float | str]:
    """The three rates of one bundle, in turns, and what follows."""
    scratch.mkdir()
    ages = Ages(bundle, "auto", limit=BATCH)
    choice = ages.prepare(CACHE)
    scans = Scans(files[0].parent, bundle, scratch, workers)
    rates = in_turns(
        {"decode": partial(decoded, files, ages, workers), "model": partial(read, ages, len(files)), "scan": scans},
        rounds,
    )
    scanning = scans.rate()
    decode, model = rates["decode"], rates["model"]
    limit = min(decode, model) if ages.device != "cpu" else 1 / (1 / decode + 1 / model)
    name = ages.card.architecture
    return {
        f"{name}: form": choice.form,
        f"{name}: decode only, images/s": decode,
        f"{name}: model only, images/s": model,
        f"{name}: limit, images/s": limit,
        f"{name}: scan, images/s": scanning,
        f"{name}: scan / limit": scanning / limit,
    }


if __name__ == "__main__":
    main()
