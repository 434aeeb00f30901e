"""What each job does, in a process of its own, and what it says of it in one line.

Each imports what it alone needs: torch takes seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from station import fitness, history, jobbook
from station.domain import StationError
from station.due import BASELINE
from station.errand import JobError
from station.fitness import Selfcheck
from station.settings import Settings
from station.times import zone
from station.when import when

MADE_UP_FOR = timedelta(days=31)
"""Nights that were missed longer ago stay without a census."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chore:
    """What is to be done now."""

    read: Settings
    config: Path
    now: datetime
    slot: str | None
    """The time it is for; None: a person asked."""
    dry_run: bool = False


class PutOff(Exception):
    """Not now: others need the box."""


def do(job: str, chore: Chore) -> str:
    """Does it; what came of it.  Raises `StationError`, or `PutOff`."""
    if job not in DOES:
        raise JobError(f"there is no job {job}; there are {', '.join(DOES)}")
    if chore.dry_run and job != "retention":
        raise JobError(f"{job} has no dry run: retention and retraining have")
    return DOES[job](chore)


def census(chore: Chore) -> str:
    """The census of the day before the time that it is for, and of nights that were missed since.

    A night counts as made when its folder and its row in the ledger are there.
    """
    from station import nightly  # noqa: PLC0415
    from station.place import place  # noqa: PLC0415
    from station.report.write import write  # noqa: PLC0415

    read = chore.read
    known = place(None, chore.config)
    made = []
    for day in nights(chore):
        taken = nightly.take(known, nightly.Night(day, known.zone))
        write(taken.census, taken.portraits, read.census_folder / day.isoformat())
        nightly.keep(known, taken.census, chore.now)
        jobbook.make(read.station.database, day, chore.now)
        made.append(f"{day}: {taken.census.total.likely} animals")
    return "; ".join(made) or "no night is missing"


def nights(chore: Chore) -> list[date]:
    """The days whose census is to be made, the oldest first."""
    read, own = chore.read, zone(chore.read.station.timezone)
    today = chore.now.astimezone(own).date()
    if chore.slot is None:
        return [today - _A_DAY]
    newest = date.fromisoformat(chore.slot[:10]) - _A_DAY
    wanted = {newest} | set(_before(chore, newest))
    with history.reading(read.station.database) as db:
        return sorted(day for day in wanted - jobbook.made(db, wanted) if day < today)


def _before(chore: Chore, newest: date) -> Iterator[date]:
    """The days before, as far as the job was to run then."""
    own, one = zone(chore.read.station.timezone), when(chore.read.schedule.census)
    with history.reading(chore.read.station.database) as db:
        since = jobbook.sinces(db).get("census")
    until = datetime.combine(newest + _A_DAY, time.max, own)
    if one and since:
        for slot in one.between(max(since, until - MADE_UP_FOR), until, own):
            yield slot.at.astimezone(own).date() - _A_DAY


def check_speed(chore: Chore) -> str:
    """The self-check; a baseline that could not be taken, because the station had work, is put off."""
    from station import models, selfcheck  # noqa: PLC0415

    found = selfcheck.selfcheck(chore.read, chore.now, settled=True)
    if (chore.slot or "").startswith(BASELINE) and found.ok and not found.becomes_baseline:
        raise PutOff("; ".join(found.measured.left_out) or "the station was at work: no figures for a baseline")
    back = models.watch(chore.read, chore.now)
    return f"{back}; {_checked(found)}" if back else _checked(found)


def _checked(found: Selfcheck) -> str:
    rates = (
        f"{fitness.NAMES[name]} {rate.per_s:,.0f}/s" + (f" ({found.shares[name]:.0%})" if name in found.shares else "")
        for name, rate in found.measured.rates.items()
    )
    state = "fine" if found.ok else "not fine: " + "; ".join(
        [*(f"{fitness.NAMES[name]} is slower" for name in found.worse), *found.wrong, *found.causes]
    )  # fmt: skip
    return f"{state}; {', '.join(rates)}{'; the baseline from now on' if found.becomes_baseline else ''}"


def back_up(chore: Chore) -> str:
    """A backup, read back; the oldest of those beyond the number that is kept go afterwards."""
    from station import backup  # noqa: PLC0415

    read = chore.read
    day = chore.now.astimezone(zone(read.station.timezone)).date()
    folder = read.backup_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise backup.BackupError(
            f"the folder {folder} cannot be made: {error.strerror}; schedule.backup_into names another"
        ) from error
    target = folder / f"{read.station.id}-{day}.tar.gz"
    backup.backup(chore.config, target, chore.now)
    own = re.compile(re.escape(read.station.id) + r"-\d{4}-\d{2}-\d{2}\.tar\.gz")
    there = sorted(file for file in folder.iterdir() if own.fullmatch(file.name))
    gone = [file for file in there[: -read.schedule.backups_kept] if file != target]
    for file in gone:
        file.unlink()
    size = f"{target}: {target.stat().st_size / 1e6:.1f} MB, read back and found sound"
    return f"{size}; {len(gone)} older gone" if gone else size


def retain(chore: Chore) -> str:
    """Old pictures of the spool, models of long ago, and census folders of old nights."""
    from station import clearing, oldnights, retention  # noqa: PLC0415

    read = chore.read
    pictures = retention.plan(read, chore.now)
    try:
        nights = oldnights.plan(read)
        if chore.dry_run:
            models = clearing.plan(read)
            freed = pictures.bytes + models.bytes + nights.bytes
        else:
            freed = retention.carry_out(read, pictures, chore.now)
            models, size = clearing.carry_out(read, chore.now)
            freed += size + oldnights.carry_out(nights)
    except OSError as error:
        raise StationError(f"{error.filename or 'a file'} cannot be deleted: {error.strerror or error}") from error
    told = [part.sentence(done=not chore.dry_run) for part in (pictures, models, nights)]
    size_mb = f"{freed / 1e6:.1f} MB"
    return "; ".join(filter(None, (*told, f"that would free {size_mb}" if chore.dry_run else f"{size_mb} freed")))


DOES: dict[str, Callable[[Chore], str]] = {
    "census": census,
    "selfcheck": check_speed,
    "backup": back_up,
    "retention": retain,
}
"""Retraining is a program of its own."""
