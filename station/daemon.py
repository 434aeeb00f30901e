"""The composition root: settings become objects, the objects the Line.

The order of the `with` blocks is the order of start, its reverse the order of stop.  A fault in any thread ends
the process; systemd starts it again, and the ledger knows what was in hand.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from station import individuals, species
from station.ages import Ages
from station.bundles import read_card
from station.checkup import Live
from station.domain import Duplicate, Observed, Outcome, Rejection, StationError
from station.finders import Cameras, Finders
from station.flow import Doorbell
from station.gallery import Recogniser
from station.herald import Herald
from station.intake import Folder, Lister, Watcher
from station.line import Limits, Look, Pace, Recognise, line
from station.logs import about
from station.mailroom import Mailroom, opened
from station.meter import Meter
from station.prepare import cache_folder
from station.programs import Running
from station.reembedding import Reembedding
from station.rounds import Rounds
from station.settings import Settings
from station.shortage import Problems, Waiting
from station.signals import end_at_once, heard
from station.store import Store
from station.systemd import Pulse, Service, Watchdog
from station.times import Clock
from station.web import Web

log = logging.getLogger(__name__)

_WORTH_IT_AFTER_S = 5
"""A scan of a few pictures ends before, and does not wait for what only the next ones would gain from."""
_PREPARING_ENDS_S = 10
"""How long a stop waits for a compiler, which cannot be interrupted."""


@dataclass(frozen=True)
class Station:
    """A station put together, ready to run or to scan."""

    store: Store
    ages: Ages
    bell: Doorbell
    folders: dict[str, Folder]
    look: Look
    recognise: Recognise
    pace: Pace
    clock: Clock
    meter: Meter
    problems: Problems
    herald: Herald
    programs: tuple[Running, ...]
    """The age model's, and those of the finders."""

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The Line, until the bell ends it."""
        return line(self.store, self.bell, self.look, self.ages, self.recognise, self.pace, self.clock, self.meter)

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

    Raises `SettingsError`, `BundleError`, `SpeciesError` or `StoreError`.
    """
    how = settings.line
    kind = species.chosen(settings.station.species, read_card(settings.station.bundle).species)
    ages = Ages(settings.station.bundle, how.device, kind, how.batch_faces)
    finders = Finders(settings, ages.card.species)
    programs = (ages, *finders.programs)
    bell = Doorbell()
    watched = settings.watched()
    folders = {name: Folder(name, c.folder, c) for name, c in watched.items() if c.folder}
    problems, herald = Problems(), Herald(settings.station.id, settings.name)
    told = herald if settings.mqtt.host else None
    wait = Waiting(bell, problems)
    with Store(
        settings.station.database, clock(), settings.places(), durable=bool(told), herald=told, shortage=wait
    ) as store:
        store.use_model(ages.card, clock())
        limits = Limits(int(how.max_file_mb * 1e6), int(how.max_megapixels * 1e6))
        look = Look(store, Cameras(finders, folders), ages, limits, clock)
        pace = Pace(how.workers, how.batch_faces, how.linger_s)
        recognise = _recognise(store, ages, kind.name if kind else ages.card.species, limits)
        with _prepared(programs, bell, how.program):
            yield Station(store, ages, bell, folders, look, recognise, pace, clock, Meter(), problems, herald, programs)
        store.end_run(clock())


@contextmanager
def _prepared(programs: Sequence[Running], bell: Doorbell, how: str) -> Iterator[None]:
    """Looks for the fastest form of each program beside the block, which does not wait for it."""
    ended = threading.Event()

    def prepare() -> None:
        try:
            cache = cache_folder(os.environ)
            unknown = [program for program in programs if not program.recall(cache)]
            for program in unknown:
                if not ended.wait(_WORTH_IT_AFTER_S):
                    program.prepare(cache, ended.is_set)
            for program in programs:
                log.info("%s runs %s", program.device, program.choice)
        except BaseException as error:  # noqa: BLE001  carried to the Line
            bell.fail(error)

    thread = threading.Thread(target=prepare, name="prepare", daemon=True)
    if how == "fastest":
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if how == "fastest":
            thread.join(_PREPARING_ENDS_S)


def _recognise(store: Store, ages: Ages, species: str, limits: Limits) -> Recognise:
    """By people's word and the bundle's embedding; by the word alone where it has none."""
    identity = ages.card.identity
    if identity is None:
        return lambda outcomes: [individuals.recognise(outcome) for outcome in outcomes]
    Reembedding(store, ages, identity, limits.pixels).run()
    return Recogniser(store, identity, species)


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
    station = stack.enter_context(composed(settings, clock))
    stack.enter_context(_heeded(station.bell))
    mail = stack.enter_context(_mail(settings, station)) if settings.mqtt.host else None
    live = _live(station, mail)
    rounds = stack.enter_context(Rounds(settings, station.store, live, station.bell, station.clock))
    if mail:
        mail.outbox.health, mail.announce = rounds.health, rounds.announce
    stack.enter_context(Web(settings, live, station.bell, station.clock))
    return station, mail


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
    ages, found = station.ages, station.problems.current
    broker, away = (mail.broker.state, mail.broker.away) if mail else (lambda: "none", lambda: None)
    unsent = mail.unsent if mail else lambda: 0
    return Live(ages.card.version, str(ages.device), station.meter, ages.memory_bytes, broker, found, away, unsent)


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
