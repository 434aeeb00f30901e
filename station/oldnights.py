"""Which nights' census folders may go: all but the newest, and the first of each month.  The ledger keeps every census.

Only what the job wrote goes: a folder in which there is anything else stays as it is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from station import jobbook
from station.history import reading
from station.settings import Settings

_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_OWN = re.compile(r"census\.(html|json)|\w+\.csv|\.[\w.]+\.half")
"""The names that a census writes, also half written."""


@dataclass(frozen=True, slots=True)
class OldNights:
    """What may go."""

    folders: tuple[Path, ...]
    stay: int

    @property
    def bytes(self) -> int:
        """Of what goes."""
        return sum(file.stat().st_size for folder in self.folders for file in folder.iterdir())

    def sentence(self, done: bool) -> str:
        """For people; empty: there is nothing to say."""
        if not self.folders:
            return ""
        span = f"{self.folders[0].name} to {self.folders[-1].name}"
        verb = "deleted" if done else "would go"
        return f"the census folders of {len(self.folders)} nights, {span}, {verb}; {self.stay} stay"


def plan(read: Settings) -> OldNights:
    """Only reads.  Raises `StoreError` or `OSError`."""
    nights = dict(sorted(_nights(read)))
    first: dict[str, date] = {}
    for night in nights:
        first.setdefault(f"{night:%Y-%m}", night)
    staying = {*list(nights)[-read.schedule.nights_kept :], *first.values()}
    going = [folder for night, folder in nights.items() if night not in staying and _is_own(folder)]
    return OldNights(tuple(going), len(nights) - len(going))


def carry_out(wanted: OldNights) -> int:
    """Deletes them; how many bytes that freed.  Raises `OSError`."""
    freed = 0
    for folder in wanted.folders:
        freed += sum(file.stat().st_size for file in folder.iterdir())
        shutil.rmtree(folder)
    return freed


def _nights(read: Settings) -> Iterator[tuple[date, Path]]:
    """Those that the job made, by their day."""
    if not read.census_folder.is_dir():
        return
    there = {}
    for folder in read.census_folder.iterdir():
        if _NIGHT.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
            try:
                there[date.fromisoformat(folder.name)] = folder
            except ValueError:  # such as 2026-02-31: none of ours
                continue
    with reading(read.station.database) as db:
        made = jobbook.all_made(db)
    yield from ((night, folder) for night, folder in there.items() if night in made)


def _is_own(folder: Path) -> bool:
    return all(file.is_file() and not file.is_symlink() and _OWN.fullmatch(file.name) for file in folder.iterdir())
