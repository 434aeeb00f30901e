"""A station's look at its own speed: the bundle in service on this device, decoding, the disk, the clock.

Where a station runs on the same database, live pictures go first: the process is nice, batches are small, and before
each piece of work it waits until none is to be done.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from importlib import metadata
from pathlib import Path

from station import fitness, history, logbook, machine, probes
from station.ages import Ages
from station.bundles import BundleError
from station.checkup import free_mb
from station.domain import StationError
from station.fitness import COMMITS, DECODE, MODEL, SMALL, BoxClock, Identity, Measured, Rate, Selfcheck, Surroundings
from station.logbook import Traffic
from station.prepare import cache_folder
from station.probes import Pace, Unit
from station.schema import StoreError
from station.settings import Settings
from station.times import iso

NICE = 10
PATIENCE_S = 120.0
"""For how long live pictures may go first, all in all; beyond it, what is not measured yet is left out."""
_LOOK_S = 0.1
_NEW_LINE = "\n"
_LIBRARIES = ("torch", "openvino", "numpy", "pillow")
Probes = Mapping[str, Callable[[], AbstractContextManager[Unit]]]


def selfcheck(
    read: Settings, now: datetime, record_baseline: bool = False, run_s: float = probes.RUN_S, settled: bool = False
) -> Selfcheck:
    """Measures, judges and records; `run_s` is about how long one of its runs takes.  Raises `StationError`.

    `settled`: a station that runs beside it has found its form, so that it may become the baseline if it stood idle.
    """
    database = read.station.database
    logbook.ready(database)
    beside = history.user_of(database) is not None
    if beside and record_baseline:
        raise StoreError("a baseline is what the box can do alone: stop the station, and start it again afterwards")
    baseline = logbook.baseline(database)
    with _traffic(read, beside) as traffic:
        bench = Bench(read, now, traffic, run_s)
        measured = bench.measured()
        low = [name for name, share in fitness.shares(measured, baseline).items() if share < fitness.WORSE]
        if low:  # once more: a moment's weakness is none
            measured = bench.again(measured, low)
    check = fitness.judge(measured, baseline, record_baseline, settled)
    logbook.record(database, check)
    return check


def be_nice_beside_a_station(read: Settings) -> None:
    """This process, if one runs on the database; for as long as the process lives."""
    if history.user_of(read.station.database):
        os.nice(NICE)


@contextmanager
def _traffic(read: Settings, beside: bool) -> Iterator[Traffic | None]:
    """Of the station that runs on this database, if one does."""
    if not beside:
        yield None
        return
    with history.reading(read.station.database) as db:
        yield Traffic(db, read.places())


class LiveFirst(Exception):
    """Live pictures came for so long that there was no time to measure."""


@dataclass(slots=True)
class GiveWay:
    """Called before a piece of work: waits until no live picture is to be done."""

    traffic: Traffic
    patience_s: float = PATIENCE_S
    waited_s: float = 0.0

    def __call__(self) -> None:
        """Raises `LiveFirst`."""
        while self.traffic.live():
            if self.waited_s >= self.patience_s:
                raise LiveFirst
            time.sleep(_LOOK_S)
            self.waited_s += _LOOK_S


class Bench:
    """The bundle in service, loaded as the station loads it, and what else is measured."""

    def __init__(self, read: Settings, now: datetime, traffic: Traffic | None, run_s: float) -> None:
        self._read = read
        self._now = now
        self._traffic = traffic
        self._clock = _clock(read.station.database, now)  # at once: a running station goes on writing
        self._load = machine.load()
        self._spent = machine.spent()
        self._done = traffic.done() if traffic else 0
        self._pace = Pace(GiveWay(traffic), run_s) if traffic else Pace(run_s=run_s)
        self._failed: list[str] = []
        self._left_out: list[str] = []
        self._ages = self._loaded()

    def _loaded(self) -> Ages | None:
        how = self._read.line
        try:
            ages = Ages(self._read.station.bundle, how.device, limit=how.batch_faces)
        except BundleError as error:
            self._failed.append(str(error))
            return None
        except RuntimeError as error:
            self._could_not("the model could not be loaded", error)
            return None
        if self._traffic:  # to look for the fastest form would take the device for long
            ages.recall(cache_folder(os.environ))
        else:
            ages.prepare(cache_folder(os.environ))
        return ages

    def _could_not(self, what: str, error: Exception) -> None:
        """Beside a station it may be that the two have no memory for both."""
        told = self._left_out if self._traffic else self._failed
        told.append(f"{what}: {str(error).partition(_NEW_LINE)[0]}")

    def measured(self) -> Measured:
        """All of it."""
        read, ages = self._read, self._ages
        rates = self._rates(self._probes())
        return Measured(
            at=iso(self._now), station=read.station.id, identity=identity(read.station.bundle, ages),
            form=ages.choice.form if ages else "", rates=rates,
            golden_off_years=ages.golden.off(ages.run)[0] if ages else None, failed=tuple(self._failed),
            left_out=tuple(self._left_out), beside=self._traffic is not None, busy=self._busy(), free_mb=free_mb(read),
            wanted_mb=read.health.free_mb, clock=self._clock,
            surroundings=self._surroundings(),
        )  # fmt: skip

    def again(self, before: Measured, names: Iterable[str]) -> Measured:
        """The better of two measurements of these rates."""
        found = self._probes()
        once_more = self._rates({name: found[name] for name in names})
        better = {
            name: max(rate, once_more.get(name, rate), key=lambda each: each.per_s)
            for name, rate in before.rates.items()
        }
        around = self._surroundings()
        return replace(before, rates=better, busy=self._busy(), surroundings=around,
                       failed=tuple(self._failed), left_out=tuple(self._left_out))  # fmt: skip

    def _rates(self, wanted: Probes) -> dict[str, Rate]:
        rates: dict[str, Rate] = {}
        for name, probe in wanted.items():
            try:
                with probe() as unit:
                    rates[name] = self._pace.rate(unit)
            except LiveFirst:
                left = ", ".join(fitness.NAMES[each] for each in wanted if each not in rates)
                self._left_out.append(f"live pictures came without a pause, so there was no time to measure: {left}")
                break
            except (StationError, OSError, RuntimeError) as error:
                self._could_not(f"{fitness.NAMES[name]} could not be measured", error)
        return rates

    def _probes(self) -> Probes:
        """Small batches first: beside a running station they are all there is."""
        read, ages = self._read, self._ages
        found: dict[str, Callable[[], AbstractContextManager[Unit]]] = {}
        if ages:
            small = min(probes.SMALL_BATCH, read.line.batch_faces)
            found[SMALL] = lambda: nullcontext(probes.model(ages, small))
            if not self._traffic:
                found[MODEL] = lambda: nullcontext(probes.model(ages, read.line.batch_faces))
        found[DECODE] = partial(probes.decoding, read.line.workers)
        durable = bool(read.mqtt.host)
        return found | {COMMITS: partial(probes.committing, read.station.database, durable, self._now)}

    def _busy(self) -> bool:
        return self._traffic is not None and self._traffic.done() != self._done

    def _surroundings(self) -> Surroundings:
        meanwhile = machine.between(self._spent, machine.spent())
        on_a_card = self._ages is not None and self._ages.device.startswith("cuda")
        user = history.user_of(self._read.station.database) or ""
        card = machine.card_state([int(user)] if user.isdigit() else []) if on_a_card else None
        return Surroundings(
            self._load, meanwhile.others, machine.frequency(), meanwhile.throttled, machine.temperature(),
            card.others if card else (), card.slowed if card else (),
        )  # fmt: skip


def identity(bundle: Path, ages: Ages | None) -> Identity:
    """What the figures of this box depend on, as it is now."""
    device = ages.device if ages else "none"
    named = machine.processor() if not device.startswith("cuda") else ", ".join(machine.cards()) or "a card"
    return Identity(ages.card.version if ages else str(bundle), f"{device}: {named}", machine.driver(), _libraries())


def _libraries() -> dict[str, str]:
    """The versions that figures depend on."""
    found = {"python": platform.python_version()}
    installed = {distribution.name.lower() for distribution in metadata.distributions()}
    return found | {name: metadata.version(name) for name in _LIBRARIES if name in installed}


def _clock(database: Path, now: datetime) -> BoxClock:
    newest = logbook.newest(database)
    behind_s = max(0.0, (newest - now).total_seconds()) if newest else None
    return BoxClock(iso(newest) if newest else None, behind_s, machine.synchronised())
