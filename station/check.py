"""Everything that could be wrong before the start, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from station import settings
from station.domain import StationError
from station.times import BUILT


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
    """Configuration, folders, bundle, device, species, database, broker, free space and clock, in that order."""
    try:
        read = settings.load(file)
    except StationError as error:
        yield Finding(Level.WRONG, str(error))
        return
    yield Finding(Level.GOOD, f"configuration {file}: {len(read.watched())} watched folders")
    yield from _folders(read)
    yield from _bundle(read)
    yield from _database(read)
    yield from _broker(read)
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
    from station import species  # noqa: PLC0415
    from station.ages import Ages  # noqa: PLC0415  torch takes seconds to import
    from station.finders import Finders  # noqa: PLC0415

    try:
        ages = Ages(read.station.bundle, read.line.device, limit=read.line.batch_faces)
        yield Finding(Level.GOOD, f"bundle {ages.card.version} on {ages.device}: golden outputs reproduced")
        kind = species.chosen(read.station.species, ages.card.species)
        for finder in Finders(read, ages.card.species).bundles.values():
            yield Finding(Level.GOOD, f"finder {finder.card.version}: golden outputs reproduced")
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


def _database(read: settings.Settings) -> Iterator[Finding]:
    """It is only read: a check by root must leave no files behind that the station cannot write."""
    from station import history, schema  # noqa: PLC0415

    file = read.station.database
    if not file.exists():
        yield _to_be_made(file)
        return
    try:
        with history.reading(file) as db:
            waiting = history.waiting(db)
        schema.check_version(file)
    except StationError as error:
        yield Finding(Level.WRONG, str(error))
        return
    yield Finding(Level.GOOD, f"database {file}: {waiting} pictures waiting")
    if who := history.user_of(file):
        yield Finding(Level.GOOD, f"database {file}: in use by process {who} (the daemon runs)")
    elif not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)):
        yield Finding(
            Level.WRONG, f"database {file}: no permission to write; give the user of the station write access"
        )


def _broker(read: settings.Settings) -> Iterator[Finding]:
    """What of it can be wrong on this machine; whether it answers is seen when the station runs."""
    from station import broker, spool  # noqa: PLC0415

    how = read.mqtt
    if not how.host:
        return
    try:
        broker.access(how, read.station.id)
        spool.check_writable(how.spool.absolute())
    except StationError as error:
        yield Finding(Level.WRONG, str(error))
        return
    yield Finding(Level.GOOD, f"broker {how.host}:{how.port}: what it asks for can be read, {how.spool} is writable")


def _to_be_made(file: Path) -> Finding:
    folder = next(p for p in file.absolute().parents if p.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding(Level.GOOD, f"database {file}: not there yet, will be made; {folder} is writable")
    why = "is not writable; give the user of the station write access" if folder.is_dir() else "is not a folder"
    return Finding(Level.WRONG, f"database {file}: not there yet, and cannot be made: {folder} {why}")


def _space(read: settings.Settings) -> Iterator[Finding]:
    from station.checkup import free_mb  # noqa: PLC0415

    wanted = read.health.free_mb
    for name, free in free_mb(read).items():
        if free < wanted:
            remedy = f"make room on its disk, or lower health.free_mb = {wanted:g}"
            yield Finding(Level.WRONG, f"{free:.0f} MB are free for the {name}: {remedy}")
        else:
            yield Finding(Level.GOOD, f"{free:.0f} MB are free for the {name}")
