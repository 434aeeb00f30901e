"""The composition root: settings become objects, the objects the Line.

The order of the `with` blocks is the order of start, its reverse the order of stop.  A fault in any thread ends
the process; systemd starts it again, and the ledger knows what was in hand.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from station import faces, mailroom, species
from station.ages import Ages
from station.bundles import read_card
from station.domain import Duplicate, Frame, Observed, Outcome, Rejection
from station.flow import Doorbell
from station.herald import Herald
from station.intake import Folder, Lister, Watcher
from station.line import Camera, Limits, Look, Pace, line
from station.settings import Settings
from station.shortage import Problems, Waiting
from station.store import Store
from station.times import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Station:
    """A station put together, ready to run or to scan."""

    store: Store
    ages: Ages
    bell: Doorbell
    folders: dict[str, Folder]
    look: Look
    pace: Pace
    clock: Clock
    problems: Problems
    herald: Herald

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The Line, until the bell ends it."""
        return line(self.store, self.bell, self.look, self.ages, self.pace, self.clock)

    def scan(self) -> Iterator[list[Outcome]]:
        """One pass over the folders and all that waits in the ledger."""
        threading.Thread(target=self._list, name="list", daemon=True).start()
        return self.outcomes()

    def _list(self) -> None:
        try:
            for folder in self.folders.values():
                self.lister(folder).list_all()
            self.bell.close()
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self.bell.fail(error)

    def lister(self, folder: Folder) -> Lister:
        """What admits a folder's files."""
        return Lister(folder, self.store, self.bell, self.clock)


@contextmanager
def composed(settings: Settings, clock: Clock) -> Iterator[Station]:
    """A station from its settings; the run counts as ended well when the block does.

    Raises `BundleError`, `SpeciesError` or `StoreError`.
    """
    how = settings.line
    kind = find_species(settings.station.species, read_card(settings.station.bundle).species)
    ages = Ages(settings.station.bundle, how.device, kind, how.batch_faces)
    bell = Doorbell()
    watched = settings.watched()
    folders = {name: Folder(name, c.folder.absolute(), c) for name, c in watched.items() if c.folder}
    problems, herald = Problems(), Herald(settings.station.id, settings.name)
    told = herald if settings.mqtt.host else None
    wait = Waiting(bell, problems)
    with Store(settings.station.database, clock(), durable=bool(told), herald=told, shortage=wait) as store:
        store.use_model(ages.card, clock())
        limits = Limits(int(how.max_file_mb * 1e6), int(how.max_megapixels * 1e6))
        look = Look(store, _cameras(settings, folders), ages, limits, clock)
        pace = Pace(how.workers, how.batch_faces, how.linger_s)
        yield Station(store, ages, bell, folders, look, pace, clock, problems, herald)
        store.end_run(clock())


def find_species(wanted: str, of_bundle: str) -> species.Species | None:
    """The species file that was asked for, by path or name, else the bundle's own; None where it has none.

    Raises `SpeciesError`.
    """
    if wanted.endswith(".toml"):
        return species.read(Path(wanted))
    if wanted:
        return species.find(wanted) or species.read(species.folder() / f"{wanted}.toml")
    return species.find(of_bundle)


def _cameras(settings: Settings, folders: dict[str, Folder]) -> Callable[[Frame], Camera]:
    """How each frame is looked at; one finder a folder, so that a results file is read once."""

    @cache
    def finder(name: str, threshold: float, root: Path) -> faces.Finder:
        return faces.MegaDetector(root, threshold) if name == "megadetector" else faces.Whole()

    @lru_cache(maxsize=4096)
    def camera(name: str, group: str) -> Camera:
        how = settings.finder(name, group)
        root = folders[group].root if group in folders else Path("/")
        return Camera(finder(how.finder, how.threshold, root), settings.clock(name, group))

    def of(frame: Frame) -> Camera:
        inside = (n for n, folder in folders.items() if frame.path.startswith(f"{folder.root}{os.sep}"))
        return camera(frame.camera, next(inside, ""))

    return of


@contextmanager
def stopped_by_signals(bell: Doorbell) -> Iterator[None]:
    """SIGTERM and SIGINT stop the bell: what is in hand is finished.  A second one ends the process at once."""

    def stop(number: int, _: object) -> None:
        if bell.stopped:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        bell.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(settings: Settings, clock: Clock) -> None:
    """The daemon: watches the folders until a signal stops it.  Raises what any thread raised."""
    with composed(settings, clock) as station, stopped_by_signals(station.bell), ExitStack() as parts:
        mail = parts.enter_context(_mail(settings, station)) if settings.mqtt.host else None
        for folder in station.folders.values():
            parts.enter_context(Watcher(station.lister(folder), station.bell))
        log.info("station %s: %s on %s, watching %s", settings.station.id, station.ages.card.version,
                 station.ages.device, ", ".join(station.folders) or "nothing")  # fmt: skip
        for outcomes in station.outcomes():
            for outcome in outcomes:
                _tell(outcome)
            if mail:
                mail.recorded(outcomes)
    station.bell.check()
    log.info("stopped; what was not finished waits in the ledger")


def _mail(settings: Settings, station: Station) -> AbstractContextManager[mailroom.Mailroom]:
    return mailroom.opened(settings, station.store, station.herald, station.problems, station.bell, station.clock)


def _tell(outcome: Outcome) -> None:
    where = f"{outcome.frame.camera} {outcome.frame.file_name or outcome.frame.path}"
    match outcome:
        case Observed(_, _, observations):
            for seen in observations:
                who, e = seen.individual or "unknown", seen.reading.estimate
                stage = e.life_stage or "no life stage"
                log.info("%s: %s, %.1f years, sd %.1f, %s", where, who, e.age_years, e.sd_years, stage)
        case Duplicate():
            log.info("%s: a duplicate", where)
        case Rejection(_, reason, detail):
            log.warning("%s: rejected, %s: %s", where, reason, detail)
