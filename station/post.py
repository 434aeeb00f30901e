"""Pictures that come as messages: topic -> spool -> ledger -> acknowledged.

The broker keeps a message until it is acknowledged, and that is after its picture is safely on disk and its row
committed.  What cannot be taken for want of space waits unacknowledged, a bounded number of messages in memory
and the rest at the broker; what will never be taken is refused, counted with its reason, and acknowledged.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from station.broker import Incoming, Link, Listener
from station.domain import Lane
from station.flow import Doorbell
from station.keeper import Keeper
from station.mail import Mail, Refusal
from station.sections.mqtt import Mqtt
from station.sections.section import NAME
from station.shortage import Problems, is_full
from station.store import Candidate, Store
from station.times import Clock

log = logging.getLogger(__name__)

RETRY_S = 1.0
SAY_S = 60.0
LONGEST_CAMERA, LONGEST_NAME = 64, 200


class Refused(StrEnum):
    """Why a message was not taken."""

    TOPIC = "topic"
    CAMERA = "camera"
    TOO_LARGE = "too_large"
    PEOPLE = "people"
    NO_ROOM = "no_room"
    NOT_KEPT = "not_kept"


class Place(NamedTuple):
    """What a topic says."""

    camera: str
    individual: str | None
    label: str | None


class Patterns:
    """The topics that carry pictures."""

    def __init__(self, patterns: Sequence[str], station: str, people: Sequence[str]) -> None:
        """`people`: the labels of pictures that show a person, or tell of one."""
        self._patterns = [
            [station if level == "{station}" else level for level in pattern.split("/")] for pattern in patterns
        ]
        self._people = {label.casefold() for label in people}

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        return ["/".join("+" if level.startswith("{") else level for level in levels) for levels in self._patterns]

    def match(self, topic: str) -> Place | None:
        """Camera and individual of a topic; None: it is not among them."""
        levels = topic.split("/")
        for pattern in self._patterns:
            pairs = list(zip(pattern, levels, strict=False))
            if len(pattern) == len(levels) and all(p.startswith("{") or p == level for p, level in pairs):
                means = dict(pairs)
                return Place(means["{camera}"], means.get("{individual}"), means.get("{label}"))
        return None

    def shows_people(self, place: Place) -> bool:
        """Whether a sender says that a person is what its picture shows."""
        return place.label is not None and place.label.casefold() in self._people


class No(Exception):
    """The message is refused."""

    def __init__(self, reason: Refused, camera: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.camera = camera


class NoRoom(Exception):
    """The message must wait."""


class Post(Listener):
    """Takes pictures from the broker, in a thread of its own."""

    def __init__(
        self,
        link: Link,
        how: Mqtt,
        patterns: Patterns,
        store: Store,
        mail: Mail,
        keeper: Keeper,
        problems: Problems,
        bell: Doorbell,
        clock: Clock,
    ) -> None:
        self._link = link
        self._how = how
        self._max_bytes = int(how.max_message_mb * 1e6)
        self._patterns = patterns
        self.others: dict[str, Callable[[Incoming], None]] = {}
        """Who takes what comes on topics that carry no pictures; must not wait."""
        self._store = store
        self._mail = mail
        self._keeper = keeper
        self._problems = problems
        self._bell = bell
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Incoming] = deque()
        self._owed = False
        self._short = False
        self._patience_s = how.keepalive_s / 2
        self._leaving = False
        self._not_kept = 0
        self._said: dict[Refused, float] = {}
        self._thread = threading.Thread(target=self._run, name="post", daemon=True)

    def __enter__(self) -> Post:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
        self._thread.join(timeout=10)

    # From the network's thread

    def up(self) -> None:
        """What was not acknowledged on an older connection comes again on this one."""
        with self._changed:
            self._waiting.clear()
            self._owed = False

    def heard(self, message: Incoming) -> None:
        """Puts a message where it waits its turn; there is room for as many as the broker may send ahead.

        Mosquitto 2.0 sends more: then the network waits, as long as the connection bears it and things move.  What
        finds no place after that is let go unacknowledged, and the broker is made to send it again later.
        """
        if message.topic in self.others:
            self.others[message.topic](message)
            message.acknowledge()
            return
        if len(message.payload) > self._max_bytes:
            message = replace(message, payload=b"", refused_bytes=len(message.payload))
        most = self._how.receive_maximum
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < most or self._short or self._leaving, self._patience_s)
            if len(self._waiting) < most:
                self._waiting.append(message)
                self._changed.notify_all()
            elif message.kept:
                self._owed = True
            else:
                self._not_kept += 1

    # In its own

    def _run(self) -> None:
        try:
            batch: list[Incoming] = []
            while not self._leaving:
                with self._changed:
                    if batch:
                        self._changed.wait_for(lambda: self._leaving, timeout=RETRY_S)
                    else:
                        self._changed.wait_for(lambda: bool(self._waiting) or self._leaving, timeout=RETRY_S)
                        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                        self._changed.notify_all()
                batch = self._take(batch)
                with self._changed:
                    self._short = bool(batch)
                    self._changed.notify_all()
                self._settle_debts(idle=not batch)
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._bell.fail(error)

    def _settle_debts(self, idle: bool) -> None:
        with self._changed:
            lost, self._not_kept = self._not_kept, 0
            again = self._owed and idle and not self._waiting
            self._owed = self._owed and not again
        if lost:
            words = "sent with QoS 0 faster than they could be taken: let the cameras publish with QoS 1"
            self._refuse({(Refused.NOT_KEPT, ""): Refusal("", words, lost)})
        if again:
            self._link.again()

    def _take(self, batch: list[Incoming]) -> list[Incoming]:
        """Takes what can be taken; gives back what must wait."""
        taken: list[tuple[Incoming, Candidate | None]] = []
        refused: dict[tuple[str, str], Refusal] = {}
        rest: list[Incoming] = []
        placed: set[Path] = set()
        for number, message in enumerate(batch):
            try:
                taken.append((message, self._placed(message, placed)))
            except No as no:
                before = refused.get((no.reason, no.camera))
                count = before.messages if before else 0
                refused[no.reason, no.camera] = Refusal(_shown(message.topic), str(no), count + 1)
                taken.append((message, None))
            except (NoRoom, OSError) as error:
                self._problems.tell("spool", self._shortage(error))
                rest = batch[number:]
                break
        self._commit([candidate for _, candidate in taken if candidate], refused)
        for message, _ in taken:
            message.acknowledge()
        if batch and not rest:
            self._problems.tell("spool", None)
        return rest

    def _shortage(self, error: Exception) -> str:
        if isinstance(error, OSError) and not is_full(error):
            raise error
        why = "the spool is full" if isinstance(error, NoRoom) else "the disk with the spool is full"
        return f"{why}: pictures stay with the broker until there is room"

    def _commit(self, candidates: Sequence[Candidate], refused: dict[tuple[str, str], Refusal]) -> None:
        self._keeper.spool.settle({Path(candidate.path).parent for candidate in candidates})
        if candidates and self._store.admit(candidates, self._clock()):
            self._bell.ring()
        if refused:
            self._refuse(refused)

    def _refuse(self, refused: dict[tuple[str, str], Refusal]) -> None:
        self._mail.refuse(refused, self._clock())
        for (reason, _), refusal in refused.items():
            if time.monotonic() >= self._said.get(Refused(reason), 0.0):
                self._said[Refused(reason)] = time.monotonic() + SAY_S
                log.log(logging.INFO if reason == Refused.PEOPLE else logging.WARNING,
                        "refused %d messages (said at most once a minute): %s: %s",
                        refusal.messages, refusal.topic, refusal.detail)  # fmt: skip

    def _placed(self, message: Incoming, placed: set[Path]) -> Candidate | None:
        """Into the spool; None: it is there already.  Raises `No`, `NoRoom` or `OSError`."""
        place = self._place(message)
        digest = hashlib.sha256(message.payload).hexdigest()
        path = self._keeper.spool.path(place.camera, digest, message.payload)
        if path in placed or self._mail.holds(path):
            return None
        size = len(message.payload)
        if not self._keeper.room(size, self._clock()):
            if self._how.when_full == "refuse" or size > self._how.spool_max_mb * 1e6:
                raise No(Refused.NO_ROOM, place.camera, f"{size} bytes find no room in the spool")
            raise NoRoom
        stat = self._keeper.spool.put(path, message.payload)
        placed.add(path)
        given = message.properties
        return Candidate(
            place.camera,
            str(path),
            stat.st_size,
            stat.st_mtime_ns,
            _shown(place.individual or given.get("individual")) or None,
            Lane.LIVE,
            _shown(message.topic),
            _shown(given.get("filename")) or None,
            _shown(given.get("captured_at")) or None,
        )

    def _place(self, message: Incoming) -> Place:
        place = self._patterns.match(message.topic)
        if place is None:
            raise No(Refused.TOPIC, "", "the topic carries no pictures")
        if not NAME.fullmatch(place.camera) or len(place.camera) > LONGEST_CAMERA:
            words = f"{_shown(place.camera)!r} is no camera's name: letters, digits, - and _, at most {LONGEST_CAMERA}"
            raise No(Refused.CAMERA, "", words)
        if self._patterns.shows_people(place):
            raise No(Refused.PEOPLE, place.camera, "the label says that it shows a person: nothing of it is kept")
        if message.refused_bytes:
            words = f"{message.refused_bytes} bytes are more than the limit of {self._how.max_message_mb:g} MB"
            raise No(Refused.TOO_LARGE, place.camera, words)
        return place


def _shown(text: str | None) -> str:
    """What a sender wrote, short and without control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in (text or "")[:LONGEST_NAME]).strip()
