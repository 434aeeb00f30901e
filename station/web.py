"""`/healthz` and `/metrics`, for this machine only."""

from __future__ import annotations

import http.server
import json
import logging
import socket
import sys
import threading
import urllib.error
import urllib.request
from datetime import datetime
from http import HTTPStatus
from typing import Any

from station.checkup import Checkup, Live, checkup
from station.domain import StationError
from station.flow import Doorbell
from station.metrics import CONTENT_TYPE, exposition
from station.settings import Settings
from station.times import Clock

log = logging.getLogger(__name__)

SLOW_S = 10
"""Within which a client sends its request and takes the answer."""


class Web:
    """Answers in threads of its own; what goes wrong there ends the daemon, what a client does not."""

    def __init__(self, read: Settings, live: Live, bell: Doorbell, clock: Clock) -> None:
        self._listen = read.health.listen
        self._settings = read
        self._live = live
        self._bell = bell
        self._clock = clock
        self._server: _Server | None = None

    def __enter__(self) -> Web:
        if self._listen:
            host, port = address(self._listen)
            try:
                self._server = _Server(host, port, self)
            except OSError as error:  # the pictures matter more
                log.error(
                    "nobody can ask for /healthz: health.listen = %s: %s; choose another port", self._listen, error
                )
            else:
                log.info("health at http://%s:%d/healthz", host, self._server.server_port)
                threading.Thread(target=self._server.serve_forever, name="web", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def look(self) -> Checkup:
        """The station as it is now.  Raises `StoreError`."""
        return checkup(self._settings, self._clock(), self._live)

    def metrics(self) -> bytes:
        """The same for Prometheus."""
        return exposition(self.look(), self._live)

    def fail(self, error: BaseException) -> None:
        """Ends the daemon."""
        self._bell.fail(error)


def address(listen: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def report(read: Settings, now: datetime) -> dict[str, Any]:
    """The daemon's own report where it answers, else that of its database.  Raises `StoreError`."""
    here = checkup(read, now).health
    told = _asked(read.health.listen) if read.health.listen else None
    if told and told.get("database") == here.database:
        return told
    found: dict[str, Any] = json.loads(here.json())
    return found


def _asked(listen: str) -> dict[str, Any] | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy
    try:
        with opener.open(f"http://{listen}/healthz", timeout=SLOW_S) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except OSError:
        return None
    try:
        told = json.loads(body)
    except ValueError:  # another program's
        return None
    return told if isinstance(told, dict) else None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, web: Web) -> None:
        self.web = web
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            self.web.fail(error)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "age-station"
    sys_version = ""
    timeout = SLOW_S

    def do_GET(self) -> None:
        pages = {"/healthz": self._healthz, "/metrics": self._metrics}
        page = pages.get(self.path.partition("?")[0])
        if page is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/healthz or /metrics\n")
            return
        try:
            page()
        except StationError as error:
            body = json.dumps({"problems": [{"about": "database", "what": str(error), "remedy": "station check"}]})
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body.encode())

    def _healthz(self) -> None:
        health = self.server.web.look().health
        status = HTTPStatus.SERVICE_UNAVAILABLE if health.problems else HTTPStatus.OK
        self._answer(status, "application/json", health.json().encode())

    def _metrics(self) -> None:
        self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.web.metrics())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape is no event."""
