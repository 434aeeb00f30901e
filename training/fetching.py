"""Weights from the internet: an answer within seconds where there is none."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from training.weights import WeightsError, first_line, ways

_PATIENCE_S = 10


@contextmanager
def fetching(name: str) -> Iterator[None]:
    """Within it a connection that is silent for long fails, and what fails is a `WeightsError` in words."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise WeightsError(ways(name, f"cannot be downloaded ({first_line(error)})")) from error
    finally:
        socket.setdefaulttimeout(before)


def reach(address: str) -> None:
    """Raises `OSError` where nobody answers at `address`; any answer will do."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE_S).close()
    except urllib.error.HTTPError as answer:
        answer.close()
