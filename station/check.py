"""Everything that could be wrong before the start, each with its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from station import settings
from station.domain import StationError
from station.times import BUILT

FREE_MB = 500


class Level(IntEnum):
    """How bad a finding is."""

    GOOD = 0
    WARNING = 1
    WRONG = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str


def check(file: Path, now: datetime) -> Iterator[Finding]:
    """Configuration, folders, bundle, device, species, database, free space and clock, in that order."""
    try:
        read = settings.load(file)
    except StationError as error:
        yield Finding(Level.WRONG, str(error))
        return
    yield Finding(Level.GOOD, f"configuration {file}: {len(read.watched())} watched folders")
    yield from _folders(read)
    yield from _bundle(read)
    yield from _database(read, now)
    yield from _space(read)
    if now < BUILT:
        yield Finding(Level.WRONG, f"the box's clock says {now:%Y-%m-%d}: set it, or start time synchronisation")


def _folders(read: settings.Settings) -> Iterator[Finding]:
    if not read.watched():
        yield Finding(Level.WARNING, 'no camera has a folder: add a table [cameras.NAME] with folder = "…"')
    for name, camera in read.watched().items():
        folder = camera.folder or Path()
        if not folder.is_dir():
            yield Finding(
                Level.WRONG,
                f"cameras.{name}.folder = {folder}: no such folder; make it, mount it, or correct the path",
            )
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding(
                Level.WRONG,
                f"cameras.{name}.folder = {folder}: no permission; give the user of the station read access",
            )
        else:
            yield Finding(Level.GOOD, f"camera {name}: {folder}")


def _bundle(read: settings.Settings) -> Iterator[Finding]:
    from station.ages import Ages  # noqa: PLC0415  torch takes seconds to import
    from station.daemon import find_species  # noqa: PLC0415

    try:
        ages = Ages(read.station.bundle, read.line.device, limit=read.line.batch_faces)
        yield Finding(Level.GOOD, f"bundle {ages.card.version} on {ages.device}: golden outputs reproduced")
        kind = find_species(read.station.species, ages.card.species)
    except StationError as error:
        yield Finding(Level.WRONG, str(error))
        return
    if ages.card.interval_quantile is None:
        yield Finding(Level.WARNING, "the bundle was calibrated on too few animals: its intervals are unknown")
    if kind is None:
        yield Finding(
            Level.WARNING,
            f"no species file for {ages.card.species!r}, so no life stages: set station.species",
        )
    else:
        yield Finding(Level.GOOD, f"species {kind.name}: {', '.join(stage.name for stage in kind.life_stages)}")
        if read.station.species and ages.card.species not in ("", Path(read.station.species).stem):
            yield Finding(
                Level.WARNING,
                f"the bundle was trained on {ages.card.species!r}, station.species is {read.station.species!r}",
            )


def _database(read: settings.Settings, now: datetime) -> Iterator[Finding]:
    from station.store import Store  # noqa: PLC0415

    try:
        with Store(read.station.database, now) as store:
            waiting = store.waiting()
            store.end_run(now)
        yield Finding(Level.GOOD, f"database {read.station.database}: {waiting} pictures waiting")
    except StationError as error:
        yield Finding(Level.WRONG, str(error))


def _space(read: settings.Settings) -> Iterator[Finding]:
    folder = next(p for p in read.station.database.absolute().parents if p.is_dir())
    free = shutil.disk_usage(folder).free / 1e6
    level = Level.GOOD if free >= FREE_MB else Level.WRONG
    remedy = "" if level is Level.GOOD else f"; at least {FREE_MB} MB are wanted: make room"
    yield Finding(level, f"{free:.0f} MB free in {folder}{remedy}")
