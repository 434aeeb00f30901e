"""A running station takes up the bundle that the link leads to, without a restart and without losing a picture.

The new one is loaded and checked beside the old one, which goes on reading meanwhile; where it is unfit the old one
stays, and the link is put back.  Then, in spare time, the new one looks at the faces of before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from station import promotions
from station.domain import StationError
from station.flow import Doorbell
from station.line import give_way
from station.promotions import By, Kind, Place
from station.readers import Readers, prepare
from station.rescoring import Rescoring
from station.shortage import Problems
from station.succession import Succession
from station.times import Clock

log = logging.getLogger(__name__)
LOOK_S = 0.5


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
            give_way()
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
            prepare(self._succession.serving.ages, lambda: self._over() or self._wanted() is not None)
        else:
            return self._rescoring.step()
        return True

    def _wanted(self) -> Path | None:
        """Where the link leads, if that is neither in service nor unfit."""
        target = self._place.target()
        if target != self._unfit:
            self._unfit = None
        return target if target not in (self._succession.serving.bundle, self._unfit) else None

    def _take_up(self, bundle: Path) -> None:
        former = self._succession.serving
        try:
            reader = self._readers.reader(bundle, self._readers.load(bundle), former)
        except (StationError, RuntimeError) as error:  # RuntimeError: the device has no memory for two
            self._refuse(bundle, error)
            return
        self._succession.follow(reader)
        self._unprepared = self._fastest
        self._problems.tell("models", None)
        log.info("%s is in service, %s was until now", reader.ages.card.version, former.ages.card.version)
        self.changed()

    def _refuse(self, bundle: Path, error: Exception) -> None:
        self._unfit, serving = bundle, self._succession.serving
        why = f"the running station cannot use {bundle.name}: {error}"
        self._problems.tell("models", f"{why}; {serving.ages.card.version} goes on")
        try:
            with promotions.alone(self._place):
                if self._place.target() == bundle:
                    now = self._clock()
                    promotions.reconcile(self._place, now)
                    promotions.change(self._place, serving.bundle, Kind.ROLLBACK, By.STATION, why, now)
        except StationError as problem:
            log.error("the link is left as it is: %s", problem)
        self.changed()
