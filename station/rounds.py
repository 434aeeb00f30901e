"""What the daemon does by the clock: it looks at itself, says in the log what changed, and tells subscribers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version

from station import history
from station.checkup import Live, checkup
from station.domain import Message
from station.flow import Doorbell
from station.health import Camera, Health
from station.homeassistant import discovery
from station.messages import CameraMessage, HealthMessage, Topics
from station.settings import Settings
from station.store import Store
from station.times import Clock
from station.vitals import individuals

log = logging.getLogger(__name__)


class Rounds:
    """One look at the station every `health.every_s`, in a thread of its own, the first at once."""

    def __init__(self, read: Settings, store: Store, live: Live, bell: Doorbell, clock: Clock) -> None:
        self._settings = read
        self._store = store
        self._live = live
        self._bell = bell
        self._clock = clock
        self._woken = threading.Event()
        self._ended = False
        self._known: dict[str, str] = {}
        """Problems that the log has told, by what they are about."""
        self._told: dict[str, Message] = {}
        """States that were queued last, by topic."""
        self._announced: dict[str, Message] = {}
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def __enter__(self) -> Rounds:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._woken.set()
        self._thread.join(timeout=10)

    def announce(self) -> None:
        """Home Assistant is there (again): it gets all discovery messages.  May be called from any thread."""
        self._announced = {}
        self._woken.set()

    def wake(self) -> None:
        """Something changed that is to be told now.  May be called from any thread."""
        self._woken.set()

    def _run(self) -> None:
        try:
            while not (self._ended or self._bell.stopped):
                self.round(self._clock())
                self._woken.wait(self._settings.health.every_s)
                self._woken.clear()
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._bell.fail(error)

    def health(self) -> Message:
        """How the station does, at this moment."""
        return state(checkup(self._settings, self._clock(), self._live).health)

    def round(self, now: datetime) -> None:
        """One look."""
        health = checkup(self._settings, now, self._live).health
        self._log(health)  # first: on a full disk the log alone can tell
        self._store.alive(now)
        if self._settings.mqtt.host:
            self._store.retell(now)
            if self._settings.mqtt.homeassistant:
                self._announce(list(self._discovery(health)), now)
            self._store.queue(self._news(health), now)

    def _log(self, health: Health) -> None:
        now = {p.about: str(p) for p in health.problems if p.remedy}
        for about in now.keys() - self._known.keys():
            log.warning("%s", now[about])
        for about in self._known.keys() - now.keys():
            log.info("no longer: %s", self._known[about])
        self._known = now

    def _news(self, health: Health) -> list[Message]:
        """What subscribers have not been told yet."""
        news = [m for m in states(health, self._settings.name) if self._told.get(m.topic) != m]
        self._told |= {m.topic: m for m in news}
        return news

    def _announce(self, entities: Sequence[Message], now: datetime) -> None:
        """Tells Home Assistant what it has not been told yet; what is no more, such as a merged individual, goes."""
        announced = self._announced
        new = [m for m in entities if announced.get(m.topic) != m]
        announced |= {m.topic: m for m in new}
        wanted = {m.topic for m in entities}
        for topic in announced.keys() - wanted:
            del announced[topic]
        self._store.announce(new, now)
        self._store.take_back(now, but=wanted)

    def _discovery(self, health: Health) -> Iterator[Message]:
        with history.reading(self._settings.station.database) as db:
            known = individuals(db)
        cameras = [camera.camera for camera in health.cameras if camera.last_heard]
        yield from discovery(health.station, version("age-station"), self._live.model(), cameras, known)


def states(health: Health, name: Callable[[str], str]) -> Iterator[Message]:
    """What subscribers are told of the report; `name` gives what people call a camera."""
    yield state(health)
    cameras = (_camera(health.station, camera, name) for camera in health.cameras)
    yield from (Topics(health.station).camera(message) for message in cameras if message)


def state(health: Health) -> Message:
    """The station's own part of it."""
    waits = [queue.oldest_s for queue in health.queues.values() if queue.oldest_s is not None]
    return Topics(health.station).health(
        HealthMessage(
            station=health.station,
            at=health.at,
            waiting_live=health.queues["live"].waiting,
            waiting_backlog=health.queues["backlog"].waiting,
            oldest_waiting_s=max(waits, default=None),
            outbox=health.outbox.waiting,
            free_mb=round(min(health.free_mb.values()), 1),
            model=health.running.model if health.running else None,
            problems=tuple(map(str, health.problems)),
        )
    )


def _camera(station: str, camera: Camera, name: Callable[[str], str]) -> CameraMessage | None:
    if camera.last_heard is None:
        return None
    return CameraMessage(
        station=station,
        camera=camera.camera,
        camera_name=name(camera.camera),
        last_frame=camera.last_frame,
        last_heard=camera.last_heard,
        silent_since=camera.silent_since,
    )
