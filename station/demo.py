"""The main job on a simulated reserve: fit a model on some animals, run the daemon on others, show what comes out.

Nothing is acted: the fit and the daemon are the real commands, run as their own processes on real files.  Only
the pandas are drawn.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from station import history, simulate, terminal
from station.domain import StationError
from station.times import Clock

FITTED_ON, WATCHED = 28, 8
"""Animals the model is fitted on, and other ones that the cameras see."""
PICTURES_EACH = 12
CAMERAS = ("ridge", "creek", "den")
NIGHTS = 4
MARK = ".made-by-station-demo"
PAUSE_S = 0.15
PATIENCE_S = 120

SETTINGS = """\
# Made by `station demo`.  Try: station run --config {folder}/station.toml
[station]
id = "demo"
timezone = "+08:00"
database = "station.db"
bundle = "models/current"
"""
CAMERA = """
[cameras.{camera}]
folder = "cameras/{camera}"
pattern = "{{individual}}"
settle_s = 1.0
"""


def demo(folder: Path, seed: int, clock: Clock) -> None:
    """Runs the demonstration in `folder`, which it makes anew.  Raises `StationError`."""
    say = terminal.out().print
    _prepare(folder)
    say("[bold]A small reserve of simulated giant pandas.[/] Their faces are drawn, their ages are known. What you see")
    say("is the real program at work; how well it tells these ages says nothing about real animals.\n")
    animals = simulate.reserve(seed, FITTED_ON + WATCHED, clock().date()).animals
    _fit(folder, animals[:FITTED_ON], seed, clock())
    watched = {animal.name: animal for animal in animals[FITTED_ON:]}
    say(f"\nThe daemon watches {len(CAMERAS)} cameras. Now animals come by that the model has never seen:\n")
    rng = np.random.default_rng(seed)
    shots = list(simulate.season(list(watched.values()), CAMERAS, NIGHTS, rng, clock().date(), visits_per_night=2.5))
    with _daemon(folder) as alive:
        told = _Teller(folder / "station.db", {(s.camera, s.file_name): s for s in shots})
        _wait_for((folder / "station.db").is_file, told, alive)
        for shot in shots:
            file = folder / "cameras" / shot.camera / shot.individual / shot.file_name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(shot.data)
            told.tell()
            threading.Event().wait(PAUSE_S)
        _wait_for(lambda: told.done >= len(shots), told, alive)
    terminal.demo_result(told.rows, {name: animal.age_years(clock().date()) for name, animal in watched.items()})
    terminal.demo_next(folder)


def _prepare(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise StationError(f"{folder} holds other files: choose another --folder for the demo")
    shutil.rmtree(folder, ignore_errors=True)
    for camera in CAMERAS:
        (folder / "cameras" / camera).mkdir(parents=True)
    (folder / MARK).touch()
    cameras = "".join(CAMERA.format(camera=camera) for camera in CAMERAS)
    (folder / "station.toml").write_text(SETTINGS.format(folder=folder) + cameras, encoding="utf-8")


def _fit(folder: Path, animals: tuple[simulate.Animal, ...], seed: int, now: datetime) -> None:
    """Draws the pictures to learn from, fits the model with the real command, and puts it in service."""
    rng = np.random.default_rng(seed + 1)
    manifest = simulate.manifest(animals, rng, folder / "training", PICTURES_EACH, now.date())
    bundle = folder / "models" / "first"
    command = [sys.executable, "-m", "training", "fit", str(manifest), "--out", str(bundle), "--freeze"]
    terminal.command(f"training fit {manifest} --freeze --species giant_panda --out {bundle}")
    if subprocess.run([*command, "--species", "giant_panda"], check=False).returncode:
        raise StationError("the model could not be fitted; the message above says why")
    (folder / "models" / "current").symlink_to("first")


@contextmanager
def _daemon(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real daemon in a process of its own; its log goes to a file."""
    command = [sys.executable, "-m", "station", "run", "--config", str(folder / "station.toml")]
    terminal.command(f"station run --config {folder}/station.toml")
    with (folder / "station.log").open("wb") as log:
        daemon = subprocess.Popen(command, stderr=log)
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)


class _Teller:
    """Shows what is new in the ledger, each line against the truth."""

    def __init__(self, database: Path, truth: dict[tuple[str, str], simulate.Shot]) -> None:
        self._database = database
        self._truth = truth
        self.rows: list[dict[str, object]] = []
        self.done = 0

    def tell(self) -> None:
        """Prints what has come since the last time."""
        if not self._database.is_file():
            return
        with history.reading(self._database) as db:
            new = history.settled(db, self.done)
            for row in new:
                shot = self._truth[row["camera"], Path(row["path"]).name]
                row["true_years"] = shot.age_years
                terminal.demo_line(row)
            self.rows += new
            self.done += len(new)


def _wait_for(condition: Callable[[], bool], told: _Teller, daemon: subprocess.Popen[bytes]) -> None:
    tick, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not condition():
        tick.wait(0.1)
        told.tell()
        if daemon.poll() is not None:
            raise StationError("the daemon ended before its time; station.log in the demo's folder says why")
        if time.monotonic() > deadline:
            raise StationError(f"the daemon is not done after {PATIENCE_S} s; station.log says how far it came")
