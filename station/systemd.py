"""What systemd is told (sd_notify), and when it may believe that the station is well.

The watchdog is fed while the Line advances or has nothing to do.  A process that lives, answers and does nothing
is not well: it is left unfed, and systemd ends it and starts another.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

log = logging.getLogger(__name__)

FED_PER_LIMIT = 4
"""How often within the watchdog's limit the Line is looked at."""


class Notifier:
    """The datagram socket that systemd listens on; without one, what is told goes nowhere."""

    def __init__(self, address: str = "") -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def tell(self, *lines: str) -> None:
        """Sends assignments such as `READY=1` as one datagram; a systemd that does not listen stops no picture."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd could not be told %s: %s", lines[0], error)

    def ready(self, status: str) -> None:
        """The start, or the reload, is over."""
        self.tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read anew; `ready` ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=reading the configuration anew")

    def stopping(self) -> None:
        """What is in hand is being finished."""
        self.tell("STOPPING=1", "STATUS=finishing what is in hand")

    def watchdog(self) -> None:
        """The station is well."""
        self.tell("WATCHDOG=1")


@dataclass(frozen=True, slots=True)
class Service:
    """What systemd wants of this process: where it is told, and within how long (None: no watchdog)."""

    notify: Notifier
    watchdog_s: float | None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Service:
        """As the environment has it, for this process and not for a parent of it."""
        limit = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        notify = Notifier(environment.get("NOTIFY_SOCKET", ""))
        return cls(notify, int(limit) / 1e6 if mine and limit.isdigit() and int(limit) else None)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the Line looks like at one moment."""

    finished: int
    """Frames whose outcome was recorded since the start."""
    idle: bool
    """The ledger has no frame without an outcome."""


def well(before: Pulse, now: Pulse) -> bool:
    """Whether the Line advanced since, or is rightly idle."""
    return now.idle or now.finished != before.finished


class Watchdog:
    """Feeds systemd's watchdog, in a thread of its own, for as long as the Line is well."""

    def __init__(self, service: Service, pulse: Callable[[], Pulse], failed: Callable[[BaseException], None]) -> None:
        """`failed` is given what ended the thread; `pulse` may hang, and then nothing is fed."""
        self._service = service
        self._pulse = pulse
        self._failed = failed
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self._service.watchdog_s is not None:
            every_s = self._service.watchdog_s / FED_PER_LIMIT
            threading.Thread(target=self._run, args=(every_s,), name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _run(self, every_s: float) -> None:
        try:
            before = self._pulse()
            self._service.notify.watchdog()  # it was put together just now
            while not self._over.wait(every_s):
                now = self._pulse()
                if well(before, now):
                    self._service.notify.watchdog()
                before = now
        except BaseException as error:  # noqa: BLE001  carried to the Line
            if not self._over.is_set():
                self._failed(error)
