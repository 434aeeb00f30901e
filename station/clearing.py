"""Which retrained bundles may be cleared: refused, or long out of service, and nothing leads back to them.

Of a cleared one the card, what the gate said and its labels stay: the list still tells of it, and retraining still
knows what was tried.  What a person brought stays whole: it may be nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from station import models, promotions
from station.bundles import CARD, CLEARED, FOR_PEOPLE, GOLDEN, PROGRAM, BundleError, read_card
from station.durable import sync
from station.history import reading
from station.settings import Settings
from station.times import iso

STAYS = frozenset({CARD, CLEARED, FOR_PEOPLE, models.GATE, "GATE.md", "station-labels.csv"})
"""Small, and read again: by people, by the list of bundles, and by the next retraining."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """What may go."""

    bundles: tuple[Path, ...]
    stay: int
    """How many bundles stay whole."""

    @property
    def bytes(self) -> int:
        """Of what goes."""
        return sum(file.stat().st_size for bundle in self.bundles for file in _large(bundle))

    def sentence(self, done: bool) -> str:
        """For people; empty: there is nothing to say."""
        if not self.bundles:
            return ""
        names = ", ".join(bundle.name for bundle in self.bundles)
        return (
            f"{len(self.bundles)} models {'cleared' if done else 'would be cleared'} ({names}); {self.stay} stay whole"
        )


def plan(read: Settings) -> Clearing:
    """Only reads.  Without a model in service nothing goes.  Raises `StoreError`."""
    there = models.bundles(read)
    if not any(one.in_service and one.card for one in there):
        return Clearing((), len(there))
    needed = _needed(read)
    retrained = [one for one in there if one.card and (one.path / models.GATE).is_file()]
    whole = sorted((one for one in retrained if not one.cleared), key=_age, reverse=True)
    newest = {one.path for one in whole[: read.models.kept]}
    going = [one.path for one in retrained if one.path not in newest | needed and not one.in_service]
    going = [bundle for bundle in going if any(_large(bundle))]
    return Clearing(tuple(going), len(there) - len(going) - sum(one.cleared for one in there))


def carry_out(read: Settings, now: datetime) -> tuple[Clearing, int]:
    """Clears what may go while nobody changes the model in service; that, and how many bytes it freed.

    Raises `StationError` or `OSError`.
    """
    with promotions.alone(models.place(read)):
        wanted = plan(read)
        size = wanted.bytes
        for bundle in wanted.bundles:
            _clear(bundle, now)
    return wanted, size


def _age(one: models.Bundle) -> tuple[str, str]:
    return (one.card.created_at if one.card else "", one.path.name)


def _clear(bundle: Path, now: datetime) -> None:
    """The mark first; then the program, without which nobody takes the rest for a bundle."""
    mark = bundle / CLEARED
    mark.write_text(json.dumps({"at": iso(now)}) + "\n", encoding="utf-8")
    sync(mark)
    for file in sorted(_large(bundle), key=lambda file: (file.name not in (PROGRAM, GOLDEN), file.name)):
        file.unlink()
    sync(bundle)


def _large(bundle: Path) -> list[Path]:
    return [file for file in bundle.iterdir() if file.is_file() and file.name not in STAYS]


def _needed(read: Settings) -> set[Path]:
    """Bundles that something leads to: the way back, a promotion, the configuration, a link, the gate's yes."""
    where = models.place(read)
    folder = models.models_folder(read)
    found = {where.found(told) for told in _told(read)}
    for named in _named(read):
        found |= {bundle for bundle in folder.glob("*") if named.absolute().is_relative_to(bundle)}
    found |= {link.resolve() for link in folder.glob("*") if link.is_symlink()}
    found |= set(_waiting(read))
    return found | {folder / bundle.name for bundle in found if bundle.parent == folder.resolve()}


def _told(read: Settings) -> Iterator[str]:
    """As the table names them: the nearest way back that can be gone, and changes that are under way."""
    done = models.history(read)
    yield from (one.bundle for one in done[-1:])
    yield from _first_whole(read, promotions.ways_back(done))
    if read.station.database.is_file():
        with reading(read.station.database) as db:
            if "promotions" in db.table_names():
                rows = db.execute("SELECT bundle FROM promotions WHERE outcome IS NULL").fetchall()
                yield from (bundle for (bundle,) in rows)


def _first_whole(read: Settings, ways: Sequence[str]) -> Iterator[str]:
    for told in ways:
        try:
            read_card(models.place(read).found(told))
        except BundleError:
            continue
        yield told
        return


def _named(read: Settings) -> Iterator[Path]:
    """Paths in the configuration that may lie within a bundle."""
    yield from read.finders()
    yield from read.retraining.base
    texts = [read.station.species, read.retraining.weights, read.faces.megadetector]
    yield from (Path(text) for text in texts if "/" in text)


def _waiting(read: Settings) -> list[Path]:
    """The newest that passed against the model in service, and may wait for a person to promote it."""
    there = models.bundles(read)
    serving = {one.card.version for one in there if one.in_service and one.card}
    passed = [one for one in there if one.change is None and _passed_against(one.path) in serving]
    return [one.path for one in sorted(passed, key=_age)[-1:]]


def _passed_against(bundle: Path) -> str | None:
    try:
        said = json.loads((bundle / models.GATE).read_text(encoding="utf-8"))
        return str(said["champion"]) if said["passed"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
