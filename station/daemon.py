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

from station import faces, models
from station.ages import Ages
from station.bundles import BundleError
from station.checkup import Live
from station.domain import Duplicate, Frame, Observed, Outcome, Rejection, StationError
from station.flow import Doorbell
from station.handover import Handover
from station.herald import Herald
from station.intake import Folder, Lister, Watcher
from station.line import Camera, Limits, Look, Pace, line
from station.logs import about
from station.mailroom import Mailroom, opened
from station.meter import Meter
from station.readers import Readers, loaded, prepared
from station.rescoring import Rescoring
from station.rounds import Rounds
from station.settings import Settings
from station.shortage import Problems, Waiting
from station.signals import end_at_once, heard
from station.store import Store
from station.succession import Succession
from station.systemd import Pulse, Service, Watchdog
from station.times import Clock
from station.web import Web

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Station:
    """A station put together, ready to run or to scan."""

    store: Store
    succession: Succession
    bell: Doorbell
    folders: dict[str, Folder]
    look: Look
    pace: Pace
    clock: Clock
    meter: Meter
    problems: Problems
    herald: Herald

    @property
    def ages(self) -> Ages:
        """The model in service."""
        return self.succession.serving.ages

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The Line, until the bell ends it."""
        return line(self.store, self.bell, self.look, self.succession, self.pace, self.clock, self.meter)

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
    bundle = models.place(settings).target() or settings.station.bundle
    ages = loaded(settings, bundle)
    bell = Doorbell()
    watched = settings.watched()
    folders = {name: Folder(name, c.folder, c) for name, c in watched.items() if c.folder}
    problems, herald = Problems(), Herald(settings.station.id, settings.name)
    told = herald if settings.mqtt.host else None
    wait = Waiting(bell, problems)
    with Store(
        settings.station.database, clock(), settings.places(), durable=bool(told), herald=told, shortage=wait
    ) as store:
        succession = Succession(Readers(settings, store, clock).reader(bundle, ages))
        limits = Limits(int(how.max_file_mb * 1e6), int(how.max_megapixels * 1e6))
        look = Look(store, _cameras(settings, folders), succession, limits, clock)
        pace = Pace(how.workers, how.batch_faces, how.linger_s)
        with prepared(ages, bell, how.program):
            yield Station(store, succession, bell, folders, look, pace, clock, Meter(), problems, herald)
        store.end_run(clock())


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

    def stop(number: int) -> None:
        if bell.stopped:
            end_at_once(number)
        bell.stop()

    with heard((signal.SIGTERM, signal.SIGINT), stop):
        yield


@dataclass
class Asked:
    """What signals have asked for so far; the bell of the station that runs just now rings for it."""

    stop: bool = False
    reload: bool = False
    bell: Doorbell | None = None

    def hear(self, number: int) -> None:
        """A signal came.  A second SIGTERM or SIGINT ends the process at once."""
        if number == signal.SIGHUP:
            self.reload = True
        elif self.stop:
            end_at_once(number)
        else:
            self.stop = True
        self._ring()

    def pass_on(self, bell: Doorbell | None) -> None:
        """From now on this bell is the one to stop."""
        self.bell = bell
        self._ring()

    def _ring(self) -> None:
        bell = self.bell
        if bell and (self.stop or self.reload):
            bell.stop()


def run(load: Callable[[], Settings], clock: Clock, service: Service) -> None:
    """The daemon: watches the folders until a signal stops it.  Raises what any thread raised.

    On SIGHUP what is in hand is finished and the station put together anew, from the configuration as it then is,
    or from the old one where the new one is wrong.
    """
    asked, proven = Asked(), None
    with heard((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), asked.hear):
        while proven is None or (asked.reload and not asked.stop):
            asked.reload = False
            proven = _once(_wanted(load, proven), proven, clock, service, asked)
    log.info("stopped; what was not finished waits in the ledger")


def _wanted(load: Callable[[], Settings], proven: Settings | None) -> Settings:
    try:
        return load()
    except StationError as error:
        if proven is None:
            raise
        log.error("the new configuration is not taken, the old one goes on: %s", error)
        return proven


def _once(wanted: Settings, proven: Settings | None, clock: Clock, service: Service, asked: Asked) -> Settings:
    """One station, from its composition until a signal ends it; gives the settings that it had."""
    with ExitStack() as stack:
        try:
            station, mail = _opened(stack, wanted, clock)
        except StationError as error:
            if proven is None or proven is wanted:
                raise
            log.error("the new configuration is not taken, the old one goes on: %s", error)
            stack.close()
            wanted = proven
            station, mail = _opened(stack, wanted, clock)
        asked.pass_on(station.bell)
        stack.callback(asked.pass_on, None)
        _serve(station, mail, service)
        if asked.reload and not asked.stop:
            service.notify.reloading()
        else:
            service.notify.stopping()
    return wanted


def _opened(stack: ExitStack, settings: Settings, clock: Clock) -> tuple[Station, Mailroom | None]:
    """All of a station that its configuration can be wrong for.  Raises `StationError`."""
    station = stack.enter_context(_composed(settings, clock))
    stack.enter_context(_heeded(station.bell))
    mail = stack.enter_context(_mail(settings, station)) if settings.mqtt.host else None
    live = _live(station, mail)
    rounds = stack.enter_context(Rounds(settings, station.store, live, station.bell, station.clock))
    handover = _handover(settings, station)
    handover.changed = rounds.wake
    stack.enter_context(handover)
    if mail:
        mail.outbox.health, mail.announce = rounds.health, rounds.announce
    stack.enter_context(Web(settings, live, station.bell, station.clock))
    return station, mail


@contextmanager
def _composed(settings: Settings, clock: Clock) -> Iterator[Station]:
    """With the bundle in service or, where that cannot be used, the one of before."""
    with ExitStack() as stack:
        try:
            station = stack.enter_context(composed(settings, clock))
        except BundleError as error:
            if models.fall_back(settings, str(error), clock()) is None:
                raise
            station = stack.enter_context(composed(settings, clock))
            log.error("%s is in service instead: %s", station.ages.card.version, error)
        models.settle(settings, clock())
        yield station


def _handover(settings: Settings, station: Station) -> Handover:
    most_pixels = int(settings.line.max_megapixels * 1e6)
    rescoring = Rescoring(station.store, settings.station.database, station.succession, most_pixels, station.clock)
    readers, fastest = Readers(settings, station.store, station.clock), settings.line.program == "fastest"
    return Handover(
        models.place(settings), station.succession, readers, rescoring, station.bell, station.clock, station.problems,
        fastest,
    )  # fmt: skip


@contextmanager
def _heeded(bell: Doorbell) -> Iterator[None]:
    """What goes wrong while the parts stop is not passed over."""
    yield
    bell.check()


def _serve(station: Station, mail: Mailroom | None, service: Service) -> None:
    finished = 0
    with ExitStack() as stack:
        watchers = [
            stack.enter_context(Watcher(station.lister(folder), station.bell)) for folder in station.folders.values()
        ]
        stack.callback(station.bell.stop)  # a fault of the Line also ends those who watch
        for watcher in watchers:
            watcher.watching.wait()
        stack.enter_context(Watchdog(service, lambda: Pulse(finished, _idle(station)), station.bell.fail))
        watched = ", ".join(station.folders) or "nothing"
        told = f"{station.ages.card.version} on {station.ages.device}, watching {watched}"
        log.info("station %s: %s", station.herald.station, told)
        service.notify.ready(told)
        for outcomes in station.outcomes():
            finished += len(outcomes)
            for outcome in outcomes:
                _tell(outcome)
            if mail:
                mail.recorded(outcomes)
    station.bell.check()


def _idle(station: Station) -> bool:
    """Nothing is to be done, or nothing can be: on a full disk the Line waits, and is well."""
    return station.problems.waiting_for_space() or station.store.idle()


def _mail(settings: Settings, station: Station) -> AbstractContextManager[Mailroom]:
    return opened(settings, station.store, station.herald, station.problems, station.bell, station.clock)


def _live(station: Station, mail: Mailroom | None) -> Live:
    found = station.problems.current
    broker, away = (mail.broker.state, mail.broker.away) if mail else (lambda: "none", lambda: None)
    unsent = mail.unsent if mail else lambda: 0
    return Live(
        lambda: station.ages.card.version, str(station.ages.device), station.meter, _memory(station),
        broker, found, away, unsent,
    )  # fmt: skip


def _memory(station: Station) -> Callable[[], dict[str, int]]:
    """Of whatever model is in service when it is asked for."""
    return lambda: station.ages.memory_bytes()  # noqa: PLW0108  not of the one that is so now


def _tell(outcome: Outcome) -> None:
    frame = outcome.frame
    where, what = f"{frame.camera} {frame.file_name or frame.path}", {"camera": frame.camera, "frame": frame.id}
    match outcome:
        case Observed(_, _, observations):
            for seen in observations:
                who, e = seen.individual or "unknown", seen.reading.estimate
                stage = e.life_stage or "no life stage"
                fields = about(**what, outcome="observed", individual=seen.individual, age_years=e.age_years,
                               sd_years=e.sd_years, model=e.model)  # fmt: skip
                log.info("%s: %s, %.1f years, sd %.1f, %s", where, who, e.age_years, e.sd_years, stage, extra=fields)
        case Duplicate():
            log.info("%s: a duplicate", where, extra=about(**what, outcome="duplicate"))
        case Rejection(_, reason, detail):
            fields = about(**what, outcome="rejected", reason=reason)
            log.warning("%s: rejected, %s: %s", where, reason, detail, extra=fields)
