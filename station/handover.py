"""A running station takes up the bundle that the link leads to, without a restart and without losing a picture.

The new one is loaded and checked beside the old one, which goes on reading meanwhile; where it is unfit the old one
stays, and the link is put back.  Where it only could not be taken up just now (the database was locked, a disk could
not be read, the device had no memory for two) it is tried again, with growing pauses.  Then, in spare time, the new one
looks at the faces of before.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from station import promotions
from station.domain import StationError
from station.flow import Doorbell
from station.passing import TROUBLE, passes, pause_s
from station.promotions import By, Kind, Place
from station.readers import Readers, prepare
from station.rescoring import Rescoring
from station.shortage import Problems
from station.succession import Succession
from station.times import Clock

log = logging.getLogger(__name__)
LOOK_S = 0.5
_NICER = 5
"""Than the Line's threads; Linux counts niceness by thread."""


@dataclass(frozen=True, slots=True)
class _Later:
    """A bundle that could not be taken up just now."""

    bundle: Path
    failures: int
    at_s: float
    """When it is tried again, by the monotonic clock."""


class Handover:
    """One thread that watches the link.  Use as a context manager."""

    def __init__(
        self, place: Place, succession: Succession, readers: Readers, rescoring: Rescoring, bell: Doorbell,
        clock: Clock, problems: Problems, fastest: bool,
    ) -> None:  # fmt: skip
        self._place, self._succession, self._readers, self._rescoring = place, succession, readers, rescoring
        self._bell, self._clock, self._problems, self._fastest = bell, clock, problems, fastest
        self.changed: Callable[[], None] = lambda: None
        """Called when another model is in service."""
        self._unfit: Path | None = None
        self._later: _Later | None = None
        self._unprepared = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)

    def __enter__(self) -> Handover:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            with suppress(PermissionError):  # a stricter sandbox than ours: then it is an equal of the Line
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICER)
            while not self._over():
                if not self._step():
                    self._ended.wait(LOOK_S)
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._bell.fail(error)

    def _over(self) -> bool:
        return self._ended.is_set() or self._bell.stopped

    def _step(self) -> bool:
        """The most urgent of what is to be done; False: there was nothing."""
        if wanted := self._wanted():
            self._take_up(wanted)
        elif self._succession.behind.is_set():
            self._succession.behind.clear()
            self._readers.look_again(self._succession.serving)
            self._rescoring.again()
        elif self._unprepared:
            self._unprepared = False
            prepare([self._succession.serving.ages], lambda: self._over() or self._wanted() is not None)
        else:
            return self._rescoring.step()
        return True

    def _wanted(self) -> Path | None:
        """Where the link leads, if that is neither in service nor unfit, nor to be tried later."""
        target = self._place.target()
        if target != self._unfit:
            self._unfit = None
        if self._later and target != self._later.bundle:
            self._later = None
            self._problems.tell("models", None)
        if self._later and time.monotonic() < self._later.at_s:
            return None
        return target if target not in (self._succession.serving.bundle, self._unfit) else None

    def _take_up(self, bundle: Path) -> None:
        former = self._succession.serving
        try:
            reader = self._readers.reader(bundle, self._readers.load(bundle), former)
        except TROUBLE as error:
            if passes(error, bundle):
                self._try_later(bundle, error)
            else:
                self._refuse(bundle, error)
            return
        self._succession.follow(reader)
        self._unprepared = self._fastest
        self._later = None
        self._problems.tell("models", None)
        log.info("%s is in service, %s was until now", reader.ages.card.version, former.ages.card.version)
        self.changed()

    def _try_later(self, bundle: Path, error: Exception) -> None:
        failures = 1 + (self._later.failures if self._later else 0)
        self._later = _Later(bundle, failures, time.monotonic() + pause_s(failures))
        goes_on = f"{self._succession.serving.ages.card.version} goes on, and it is tried again"
        self._problems.tell("models", f"{bundle.name} cannot be taken up just now: {error}; {goes_on}")

    def _refuse(self, bundle: Path, error: Exception) -> None:
        self._unfit, self._later, serving = bundle, None, self._succession.serving
        why = f"the running station cannot use {bundle.name}: {error}"
        self._problems.tell("models", f"{why}; {serving.ages.card.version} goes on")
        try:
            with promotions.alone(self._place):
                if self._place.target() == bundle:
                    now = self._clock()
                    promotions.reconcile(self._place, now)
                    promotions.change(self._place, serving.bundle, Kind.ROLLBACK, By.STATION, why, now)
        except (StationError, OSError) as problem:
            log.error("the link is left as it is: %s", problem)
        self.changed()
