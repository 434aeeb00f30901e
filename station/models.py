"""The bundles beside the link `station.bundle`, and which of them is in service.

A running station takes up what the link leads to by itself.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from station import promotions, schema
from station.bundles import CARD, BundleError, Card, card_alone, is_cleared, read_card, writing
from station.finder_card import refuse_foreign
from station.history import reading
from station.promotions import By, Change, Kind, Place, PromotionError
from station.settings import Settings

log = logging.getLogger(__name__)
GATE = "gate.json"
"""Beside a bundle that was retrained: what the gate said of it."""


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
    gate: str = ""
    """What the gate said of it; empty: it was not asked."""
    cleared: bool = False
    """Only its card and what the gate said are left."""


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
    """Puts back what was in service before, or last where the link is gone; the bundle that then is.

    Raises `StationError`.
    """
    where = _made(settings)
    _refuse_pinned(where, By(by))
    with promotions.alone(where):
        promotions.reconcile(where, now)
        with schema.beside(where.database) as db:
            done = promotions.changes(db)
        lost = [done[-1].bundle] if done and where.target() is None else []
        ways = [where.found(told) for told in (*lost, *promotions.ways_back(done))]
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
    with _reading(settings) as db:
        change = promotions.newest(db) if db else None
        ways = promotions.ways_back(promotions.changes(db)) if db else []
    if change is None or not ways or change.kind is not Kind.PROMOTION or change.settled_at or not _watched(settings):
        return None
    from station import probation  # noqa: PLC0415  numpy and more, which no listing needs

    faults, audited = probation.faults(settings, change, place(settings).found(ways[0]), now)
    if faults:
        return _taken_back(settings, change, "; ".join(faults), now)
    until = datetime.fromisoformat(change.at) + timedelta(days=settings.models.watch_days)
    if now < until:
        return f"{change.version} is watched until {until:%Y-%m-%d}, and nothing is worse: {audited}"
    _settle(settings, change, f"well: {audited}", now)
    return f"the watch over {change.version} is over, and nothing was worse: {audited}"


def _watched(settings: Settings) -> bool:
    return settings.models.watch_days > 0


def _taken_back(settings: Settings, change: Change, why: str, now: datetime) -> str:
    if held := pinned(settings):
        return f"{change.version} is worse ({why}), and stays, for it is pinned ({held[1]})"
    bundle = rollback(settings, why, By.WATCH, now)
    _settle(settings, change, f"taken back: {why}", now)
    said = f"{change.version} was taken out of service and {read_card(bundle).version} is back: {why}"
    log.error("%s", said)
    return said


def _settle(settings: Settings, change: Change, verdict: str, now: datetime) -> None:
    with schema.beside(settings.station.database) as db:
        promotions.settle(db, change.id, verdict, now)


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


@dataclass(frozen=True, slots=True)
class LookedAt:
    """How far the model in service has come with the faces of before."""

    faces: int
    estimated: int
    gone: int
    """Whose originals are gone or changed."""

    @property
    def left(self) -> int:
        """That it has still to look at."""
        return self.faces - self.estimated - self.gone


def looked_at(settings: Settings) -> LookedAt | None:
    """None: no model was in service yet.  Raises `StoreError`."""
    with _reading(settings) as db:
        newest = db.execute("SELECT model FROM services ORDER BY id DESC LIMIT 1").fetchone() if db else None
        if db is None or newest is None:
            return None
        of = """SELECT (SELECT count(*) FROM faces WHERE unusable IS NULL),
            (SELECT coalesce(sum(n), 0) FROM estimate_counts WHERE model = :model),
            (SELECT count(*) FROM passed_over WHERE model = :model AND NOT EXISTS (SELECT 1 FROM estimates
                WHERE estimates.face = passed_over.face AND estimates.model = :model))"""
        return LookedAt(*db.execute(of, {"model": newest[0]}).fetchone())


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
    """Loads it as the station does, and compares its golden outputs.

    Raises `BundleError`, also where the finders in use look for another species.
    """
    from station.ages import Ages  # noqa: PLC0415  torch takes seconds to import

    refuse_foreign(settings.finders(), read_card(bundle).species)
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
    cleared = is_cleared(path)
    try:
        card = card_alone(path) if cleared else read_card(path)
        return Bundle(path, card, "", path == serving, its, _gate(path), cleared)
    except BundleError as error:
        return Bundle(path, None, str(error), path == serving, its)


def _gate(bundle: Path) -> str:
    try:
        return str(json.loads((bundle / GATE).read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _named(where: Place, bundle: Path) -> Path:
    """A path, or the name of a folder beside the link, or a version."""
    beside = where.folder / bundle
    if not bundle.is_dir() and len(bundle.parts) == 1 and not beside.is_dir():
        for card in sorted(where.folder.glob(f"*/{CARD}")):
            with suppress(BundleError):  # of a finder, or torn: `station models` tells it
                if not card.parent.is_symlink() and card_alone(card.parent).version == str(bundle):
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
        with closing(schema.lock(where.database)):
            schema.open_database(where.database).close()
    return where
