"""`station scan` on whole frames of 12 megapixels with a finder, against the limit that its stages set together.

python -m tests.benchmarks.frames FINDER BUNDLE [--pictures 120] [--json FILE]

The frames are real camera-trap pictures of 12 megapixels; into every other one a photograph of a panda is pasted, a
third as wide.  The stages alone: all decoding and cutting (views, crops for ages, crops for the gate) with the Line's
workers; the finder, its gate and the age model in full batches.  On shared cores their times add; on a GPU the slower
of decoding and device rules.  The scan is the whole station: ledger, hashes, times, outcomes committed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from station import daemon, settings
from station.ages import Ages
from station.domain import Box, Frame
from station.finding import TrainedFinder
from station.flow import parallel
from station.golden import repeated
from station.pictures import Picture, save_jpeg
from station.prepare import cache_folder
from station.programs import Running
from station.views import views
from tests.benchmarks.figures import in_turns, told
from tests.conftest import DATA

WIDTH_PX, HEIGHT_PX, DIFFERENT = 4000, 3000, 24
AGES_BATCH, VIEWS_BATCH = 32, 16
PANDA_SHARE = 1 / 3
CACHE = cache_folder({"XDG_CACHE_HOME": tempfile.gettempdir()})


def frame_files(folder: Path, count: int) -> list[Path]:
    """So many frames, no two alike: after the first few, with other last bytes behind the same picture."""
    scenes = sorted((DATA / "camera_traps" / "field" / "Southwest").glob("*SYFR*.JPG"))
    pandas = sorted((DATA / "panda_frames" / "images").glob("*.jpg"))
    folder.mkdir()
    different = [_frame(scenes[n % len(scenes)], pandas[n] if n % 2 else None, n) for n in range(min(DIFFERENT, count))]
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(different[number % len(different)] + number.to_bytes(4, "big"))
    return files


def _frame(scene: Path, panda: Path | None, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image = Image.open(scene).convert("RGB").crop((0, 0, WIDTH_PX, HEIGHT_PX))
    if panda:
        pasted = Image.open(panda).convert("RGB")
        wide = round(WIDTH_PX * PANDA_SHARE)
        pasted = pasted.resize((wide, round(pasted.height * wide / pasted.width)))
        image.paste(pasted, (int(rng.integers(0, WIDTH_PX - wide)), int(rng.integers(0, HEIGHT_PX - pasted.height))))
    return save_jpeg(np.asarray(image), "2026:05:01 10:00:00")


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, and on what."""

    finder: TrainedFinder
    ages: Ages
    files: list[Path]
    faces: dict[Path, list[Box]]
    """That the finder finds."""
    workers: int

    def decoded(self) -> int:
        """All files read, decoded and cut as the Line does it."""
        return sum(parallel(self._cut, self.files, self.workers))

    def _cut(self, file: Path) -> int:
        card, ages = self.finder.card, self.ages.card
        picture = Picture(file.read_bytes())
        picture.crops(self.looked(picture), card.input_px)
        picture.crops(self.faces[file], ages.input_px, ages.crop_margin)
        if card.gate:
            picture.crops(self.faces[file], card.gate.input_px, card.gate.crop_margin)
        return 1

    def looked(self, picture: Picture) -> tuple[Box, ...]:
        """The views of a frame."""
        card = self.finder.card
        return views(picture.width, picture.height, card.input_px, card.least_face_share, card.views)

    def run(self, program: Running, each: int, batch: int) -> int:
        """So many pictures through a program, in full batches."""
        some = repeated(program.golden.inputs, min(batch, each))
        for _ in range(max(1, each // len(some))):
            program.run(some)
        return max(1, each // len(some)) * len(some)


def compared(bench: Bench, scans: Scans, rounds: int) -> dict[str, float | str]:
    """The rates of all stages, in turns, and what follows."""
    frames, faces = len(bench.files), sum(map(len, bench.faces.values()))
    looked = len(bench.looked(Picture(bench.files[0].read_bytes())))
    finder, *gate = bench.finder.programs
    programs = {"finder": (finder, frames * looked, VIEWS_BATCH), "ages": (bench.ages, faces, AGES_BATCH)}
    if gate:
        programs["gate"] = (gate[0], faces, AGES_BATCH)
    works = {name: partial(bench.run, *how) for name, how in programs.items() if how[1]}
    rates = in_turns({"decode": bench.decoded, **works, "scan": scans}, rounds)
    wanted = {"decode": frames} | {name: programs[name][1] for name in works}
    spent = {name: wanted[name] / rates[name] for name in wanted}
    device = sum(seconds for name, seconds in spent.items() if name != "decode")
    limit = frames / (spent["decode"] + device if bench.ages.device == "cpu" else max(spent["decode"], device))
    scanning = scans.rate()
    return {
        "frames": frames, "faces": faces, "views a frame": looked, "finder: form": finder.choice.form,
        **{f"{name} only, a second": rates[name] for name in wanted},
        **{f"{name}, ms a frame": 1000 * seconds / frames for name, seconds in spent.items()},
        "limit, frames/s": limit, "scan, frames/s": scanning, "scan / limit": scanning / limit,
    }  # fmt: skip


class Scans:
    """All files through the station, each time in a process of its own and into a new database."""

    def __init__(self, folder: Path, bundle: Path, finder: Path, scratch: Path, workers: int) -> None:
        self._given = (folder, bundle, finder, workers)
        self._scratch = scratch
        self._rates: list[float] = []

    def __call__(self) -> int:
        """Once; returns how many."""
        database = self._scratch / f"{len(self._rates)}.db"
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            done, seconds = pool.submit(_scan, database, *self._given).result()
        self._rates.append(done / seconds)
        return done

    def rate(self) -> float:
        """Frames a second without the start of the process: the middle of all but the first."""
        return median(self._rates[1:])


def _scan(database: Path, folder: Path, bundle: Path, finder: Path, workers: int) -> tuple[int, float]:
    """How many, and the seconds from the first listing to the last commit."""
    given = settings.of(
        {
            "station": {"database": database, "bundle": bundle},
            "line": {"workers": workers, "batch_faces": AGES_BATCH, "program": "exported"},
            "faces": {"finder": str(finder)},
            "cameras": {"ridge": {"folder": folder}},
        }
    )
    with daemon.composed(given, lambda: datetime.now(UTC)) as station:
        for program in station.programs:  # a daemon has done so long ago, beside its first pictures
            program.prepare(CACHE)
        began = time.perf_counter()
        done = sum(len(outcomes) for outcomes in station.scan())
        return done, time.perf_counter() - began


def main() -> None:
    """One finder with one age model, of one species or of none."""
    parser = argparse.ArgumentParser()
    parser.add_argument("finder", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        files = frame_files(scratch / "pictures", args.pictures)
        finder, ages = TrainedFinder(args.finder), Ages(args.bundle, limit=AGES_BATCH)
        for program in (*finder.programs, ages):
            program.prepare(CACHE)
        faces = {file: _found(finder, file) for file in files}
        scans = Scans(files[0].parent, args.bundle, args.finder, scratch, args.workers)
        figures = compared(Bench(finder, ages, files, faces, args.workers), scans, args.rounds)
    told("whole frames of 12 megapixels against the limit of their stages", figures, args.json)


def _found(finder: TrainedFinder, file: Path) -> list[Box]:
    found = finder.find(Frame(0, "ridge", str(file), 0, 0), Picture(file.read_bytes()))
    return [face.box for face in found.faces]


if __name__ == "__main__":
    main()
