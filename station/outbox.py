"""One way out: oldest unsent -> publish -> delete.

Messages are rows, written in the transaction of what they tell.  A row goes when the broker has acknowledged it:
twice is possible, lost is not.  States go before estimates, and each kind in its order.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from station.broker import Link, Listener, Sent
from station.domain import Message
from station.flow import Doorbell
from station.mail import Mail
from station.replay import Replay
from station.shortage import Problems, is_full

log = logging.getLogger(__name__)

TICK_S = 1.0
ASIDE_S = 600.0
"""For how long nothing is sent on a kind of topics that the broker refused; some brokers hang up at each trial."""
DRAIN_S = 2.0
MOST_KEPT = 200
"""Messages that the broker has and a full disk keeps from being deleted; then no more are sent."""


class Flight(NamedTuple):
    """A message that the broker does not have yet; `row`: in the outbox, if it came from there."""

    topic: str
    row: int | None = None
    answer: bool = False
    """It belongs to the answer of a replay request."""


class Outbox(Listener):
    """Sends what waits, in a thread of its own, at most a window's worth at once."""

    def __init__(self, link: Link, mail: Mail, replay: Replay, limit: int, problems: Problems, bell: Doorbell) -> None:
        self._link = link
        self._mail = mail
        self._replay = replay
        self._limit = limit
        self._problems = problems
        self._bell = bell
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._flying: dict[Sent, Flight] = {}
        self._aside: dict[str, float] = {}
        """Kinds of topics that the broker refused, and until when they are left out; connections come and go."""
        self._acknowledged: list[int] = []
        self._up = False
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self.health: Callable[[], Message] | None = None
        """What is told at once when problems come or go, past the ledger, whose disk may be full."""
        self._told: tuple[str, ...] | None = None
        self._trim_due = 0.0
        self.unsent = 0
        """Estimates that went unsent because the broker was away for too long."""

    def __enter__(self) -> Outbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self.ring()
        self._thread.join(timeout=DRAIN_S + 1)

    def ring(self) -> None:
        """There is something to send."""
        self._events.put(None)

    # From the network's thread

    def up(self) -> None:
        """Begins with the oldest."""
        self._events.put(lambda: self._turn(True))

    def down(self) -> None:
        """What was in flight is sent again."""
        self._events.put(lambda: self._turn(False))

    def sent(self, message: Sent, refused: str | None) -> None:
        """The row can go."""
        self._events.put(lambda: self._landed(message, refused))

    # In its own

    def _run(self) -> None:
        try:
            while not self._leaving.is_set():
                self._await(TICK_S)
                self._work()
            deadline = time.monotonic() + DRAIN_S
            while self._up and (self._work() or self._flying) and time.monotonic() < deadline:
                self._await(0.1)
            self._settle()
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._bell.fail(error)

    def _await(self, seconds: float) -> None:
        """Until something happens; then all that has happened."""
        with suppress(queue.Empty):
            event = self._events.get(timeout=seconds)
            while True:
                if event is not None:
                    event()
                event = self._events.get_nowait()

    def _turn(self, up: bool) -> None:
        self._up = up
        self._flying.clear()
        self._replay.forget()  # what of an answer was in flight is gone, and its end would say that it came
        self._told = None

    def _landed(self, message: Sent, refused: str | None) -> None:
        flight = self._flying.pop(message, None)
        if flight is None:
            return
        if refused is not None:
            self._refused(flight, refused)
        elif flight.row is not None:
            self._acknowledged.append(flight.row)
            if not self._aside:
                self._problems.tell("outbox", None)

    def _refused(self, flight: Flight, why: str) -> None:
        if flight.answer:
            self._replay.forget()
            log.warning("the broker refuses an answer on %s: %s", flight.topic, why)
            return
        kind = _kind(flight.topic)
        self._aside[kind] = time.monotonic() + ASIDE_S
        words = f"the broker refuses messages on {kind}: {why}; give the station's user write access"
        self._problems.tell("outbox", words)

    def _settle(self) -> None:
        """Deletes what has arrived; where the disk is full, later."""
        try:
            if self._acknowledged:
                self._mail.sent(self._acknowledged)
                self._acknowledged.clear()
            self._trim()
            self._problems.tell("outbox disk", None)
        except Exception as error:
            if not is_full(error):
                raise
            self._problems.tell("outbox disk", "the disk with the database is full: messages go out slowly")

    def _work(self) -> bool:
        """Sends what there is room for; whether anything was sent."""
        self._settle()
        self._tell_problems()
        room = self._link.window - len(self._flying) if len(self._acknowledged) < MOST_KEPT else 0
        self._aside = {kind: until for kind, until in self._aside.items() if until > time.monotonic()}
        if not self._up or room <= 0:
            return False
        flying = [flight.row for flight in self._flying.values() if flight.row is not None]
        waiting = self._mail.waiting(room, [*flying, *self._acknowledged], list(self._aside))
        went = [self._send(one.message, Flight(one.message.topic, one.id)) for one in waiting]
        while len(went) < room and all(went) and (answer := self._replay.next()):
            went.append(self._send(answer.message, Flight(answer.message.topic, answer=True), answer.correlation))
        return any(went)

    def _send(self, message: Message, flight: Flight, correlation: bytes | None = None) -> bool:
        sent = self._link.publish(message, correlation)
        if sent is not None:
            self._flying[sent] = flight
        return sent is not None

    def _tell_problems(self) -> None:
        current = self._problems.current()
        if not self._up or self.health is None or current == self._told:
            return
        told = self.health()
        if _kind(told.topic) in self._aside or self._send(told, Flight(told.topic)):
            self._told = current

    def _trim(self) -> None:
        if time.monotonic() < self._trim_due:
            return
        self._trim_due = time.monotonic() + TICK_S
        gone = self._mail.trim(self._limit)
        if gone:
            self.unsent += gone
            log.warning("the outbox is full: %d of the oldest estimates go unsent (%d so far); a replay gives them",
                        gone, self.unsent)  # fmt: skip


def _kind(topic: str) -> str:
    """What is allowed or refused together, such as `station/hut/individuals`: rights are given by a topic's head."""
    return "/".join(topic.split("/")[:3])
