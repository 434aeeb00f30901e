"""The bundles beside the link `station.bundle`, and which of them is in service.

A running station takes up what the link leads to by itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from station import promotions, schema
from station.bundles import CARD, BundleError, Card, read_card, writing
from station.history import reading
from station.promotions import By, Change, Kind, Place, PromotionError
from station.settings import Settings


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder beside the link that has a card."""

    path: Path
    card: Card | None
    """None: it cannot be read."""
    problem: str
    """Why it cannot; empty: it can."""
    in_service: bool
    change: Change | None
    """How it came into service last; None: it never was."""


def models_folder(settings: Settings) -> Path:
    """The folder that holds the bundles and the link to the one in service."""
    return settings.station.bundle.absolute().parent


def in_service(settings: Settings) -> Path:
    """The bundle in service: where the link leads.  Raises `BundleError` where it leads nowhere."""
    target = place(settings).target()
    if target is None:
        raise BundleError(
            f"no model is in service: {settings.station.bundle} is missing; `station models promote BUNDLE` makes it"
        )
    return target


def promote(settings: Settings, bundle: Path, by: str, why: str, now: datetime) -> None:
    """Puts a bundle into service, after it reproduced its golden outputs on this station's device.

    One from elsewhere is copied beside the link first.  `by` is `person`, `gate` or `watch`.  Raises `StationError`;
    then what was in service still is.
    """
    where = _made(settings)
    _refuse_pinned(where, By(by))
    chosen = _brought(where, _named(where, bundle))
    _refuse_namesake(where, chosen)
    prove(settings, chosen)
    with promotions.alone(where):
        promotions.reconcile(where, now)
        _refuse_pinned(where, By(by))
        if (target := where.target()) and target.resolve() == chosen.resolve():
            raise PromotionError(f"{chosen} is in service already")
        promotions.change(where, chosen, Kind.PROMOTION, By(by), why, now)


def rollback(settings: Settings, why: str, by: str, now: datetime) -> Path:
    """Puts back what was in service before; the bundle that then is.  Raises `StationError`."""
    where = _made(settings)
    _refuse_pinned(where, By(by))
    with promotions.alone(where):
        promotions.reconcile(where, now)
        with schema.beside(where.database) as db:
            ways = [where.found(told) for told in promotions.ways_back(promotions.changes(db))]
        for bundle in ways:
            if _sound(settings, bundle):
                promotions.change(where, bundle, Kind.ROLLBACK, By(by), why, now)
                return bundle
    gone = f": {', '.join(map(str, ways))} cannot be used any more" if ways else ""
    raise PromotionError(f"there is no model to go back to{gone}; `station models` lists what is there")


def watch(settings: Settings, now: datetime) -> str | None:
    """Looks whether the newest promotion has made the station worse, and takes it back where it has; what was done.

    To be called after each self-check.  None: nothing is watched, or nothing is worse.  Raises `StationError`.
    """
    return None


def pin(settings: Settings, why: str, now: datetime) -> None:
    """From now on only a person changes the model in service.  Raises `StationError`."""
    with schema.beside(_made(settings).database) as db:
        promotions.pin(db, why, now)


def unpin(settings: Settings, now: datetime) -> bool:
    """Gate and watch may change it again; False: they could.  Raises `StationError`."""
    with schema.beside(_made(settings).database) as db:
        return promotions.unpin(db, now)


def pinned(settings: Settings) -> tuple[str, str] | None:
    """Since when, and why; None: it is not."""
    with _reading(settings) as db:
        return promotions.pinned(db) if db else None


def bundles(settings: Settings) -> list[Bundle]:
    """Every bundle beside the link, by name, and the one in service wherever it lies."""
    where = place(settings)
    serving = where.target()
    folder = models_folder(settings)
    found = {p for p in folder.glob("*") if (p / CARD).is_file() and not p.is_symlink() and p.name[0] != "."}
    done = history(settings)
    return [_bundle(where, path, serving, done) for path in sorted(found | ({serving} if serving else set()))]


def history(settings: Settings) -> list[Change]:
    """Every change of the model in service, the oldest first."""
    with _reading(settings) as db:
        return promotions.changes(db) if db else []


def settle(settings: Settings, now: datetime) -> None:
    """What a crash left undecided is decided by the link; to be called at the start.  Raises `StationError`."""
    where = place(settings)
    with promotions.alone(where):
        promotions.reconcile(where, now)


def fall_back(settings: Settings, why: str, now: datetime) -> Path | None:
    """The bundle in service cannot be used: puts the one of before in its place; None: there is none."""
    if not settings.station.database.is_file():
        return None
    try:
        return rollback(settings, why, By.STATION, now)
    except PromotionError:
        return None


def place(settings: Settings) -> Place:
    """Where link and table are."""
    return Place(settings.station.database, settings.station.bundle.absolute())


def prove(settings: Settings, bundle: Path) -> Card:
    """Loads it as the station does, and compares its golden outputs.  Raises `BundleError`."""
    from station.ages import Ages  # noqa: PLC0415  torch takes seconds to import

    try:
        return Ages(bundle, settings.line.device, limit=settings.line.batch_faces).card
    except RuntimeError as error:
        raise BundleError(f"{bundle} cannot be run on {settings.line.device}: {error}") from error


@contextmanager
def _reading(settings: Settings) -> Iterator[Database | None]:
    """A connection that cannot write; None: nothing was ever noted."""
    if not settings.station.database.is_file():
        yield None
        return
    with reading(settings.station.database) as db:
        yield db if "promotions" in db.table_names() else None


def _sound(settings: Settings, bundle: Path) -> bool:
    try:
        prove(settings, bundle)
    except BundleError:
        return False
    return True


def _bundle(where: Place, path: Path, serving: Path | None, done: list[Change]) -> Bundle:
    its = next((one for one in reversed(done) if one.bundle == where.told(path)), None)
    try:
        return Bundle(path, read_card(path), "", path == serving, its)
    except BundleError as error:
        return Bundle(path, None, str(error), path == serving, its)


def _named(where: Place, bundle: Path) -> Path:
    """A path, or the name of a folder beside the link, or a version."""
    beside = where.folder / bundle
    if not bundle.is_dir() and len(bundle.parts) == 1 and not beside.is_dir():
        for card in sorted(where.folder.glob(f"*/{CARD}")):
            if not card.parent.is_symlink() and read_card(card.parent).version == str(bundle):
                return card.parent
    return bundle if bundle.is_dir() else beside


def _brought(where: Place, bundle: Path) -> Path:
    """The bundle beside the link: itself, or a copy."""
    bundle = bundle.resolve()
    folder = where.folder.resolve()
    if bundle.parent == folder:
        return where.folder / bundle.name
    card = read_card(bundle)
    copy = where.folder / bundle.name
    if copy.exists():
        if read_card(copy).to_json() == card.to_json():
            return copy
        raise BundleError(f"{copy} is another bundle than {bundle}: give the folder of the new one a name of its own")
    with writing(copy) as scratch:
        shutil.copytree(bundle, scratch, dirs_exist_ok=True)
    return copy


def _refuse_pinned(where: Place, by: By) -> None:
    with schema.beside(where.database) as db:
        held = promotions.pinned(db)
    if held and by in (By.GATE, By.WATCH):
        raise PromotionError(f"the model in service is pinned since {held[0]} ({held[1]}): only a person changes it")


def _refuse_namesake(where: Place, bundle: Path) -> None:
    """Estimates are kept by version: two models must not share one."""
    card = read_card(bundle)
    with schema.beside(where.database) as db:
        known = promotions.card(db, card.version)
    if known and known != card:
        raise BundleError(
            f"{bundle} has the version of another model, {card.version}, that was in service: fit it anew"
        )


def _made(settings: Settings) -> Place:
    """A station that never ran has no database yet."""
    where = place(settings)
    if not where.database.exists():
        schema.upgrade(where.database)
    return where
