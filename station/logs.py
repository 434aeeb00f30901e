"""How the log is written: a message, then what it is about as `key=value`, a form that does not change.

Under systemd every line begins with its level as `<N>` (sd-daemon(3)), so that `journalctl -p warning` works.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO

log = logging.getLogger(__name__)

LEVELS = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")


def about(**fields: object) -> dict[str, object]:
    """The `extra` of a log call: what its message is about; None is left out."""
    return {"about": {name: value for name, value in fields.items() if value is not None}}


class Plain(logging.Formatter):
    """For a terminal or a file."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message with its fields behind it."""
        return super().formatMessage(record) + tail(getattr(record, "about", {}))


class Journal(Plain):
    """For journald, which takes the level from the beginning of every line."""

    def __init__(self) -> None:
        super().__init__()
        self._style = logging.PercentStyle("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """All lines of it, a traceback's too."""
        return _marked(super().format(record), record.levelno)


def _marked(text: str, level: int) -> str:
    number = next((number for least, number in LEVELS if level >= least), 7)
    return "\n".join(f"<{number}>{line}" for line in text.replace("\r", " ").split("\n"))


def tail(fields: Mapping[str, object]) -> str:
    """Fields as ` key=value`; what has blanks, quotes or control characters stands quoted as in JSON."""
    return "".join(f" {name}={_value(value)}" for name, value in fields.items())


def _value(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)


def in_journal(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Whether the stream is the one that systemd connected to the journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def configure(level: int, environment: Mapping[str, str]) -> None:
    """The process's log, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Journal() if in_journal(sys.stderr, environment) else Plain())
    logging.basicConfig(level=level, handlers=[handler])
    sys.excepthook = _last_entry


def _last_entry(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends the process, without the values of variables: a password may be among them."""
    log.critical("the station ends: %s", error, exc_info=(kind, error, trace))


def tell_mistake(text: str, environment: Mapping[str, str]) -> None:
    """What a person must mend, on standard error."""
    told = _marked(text, logging.ERROR) if in_journal(sys.stderr, environment) else text
    sys.stderr.write(f"{told}\n")
