"""Estimates told again, to who asks: what a subscriber does about a gap in the sequence numbers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError

from station.broker import Incoming
from station.domain import Message
from station.mail import Mail
from station.messages import ReplayMessage, ReplayRequest, Topics

log = logging.getLogger(__name__)

MOST, REQUESTS, CHUNK = 1000, 16, 50
"""Estimates a request gives, requests that wait, estimates read from the ledger at a time."""


class Answer(NamedTuple):
    """One message of an answer."""

    message: Message
    correlation: bytes | None


class Replay:
    """Takes requests, and gives the answers' messages one by one as there is room to send them."""

    def __init__(self, mail: Mail, topics: Topics, station: str, ears: Callable[[str], bool]) -> None:
        """`ears`: the topics that the station itself takes pictures from."""
        self._mail = mail
        self._topics = topics
        self._station = station
        self._ears = ears
        self._lock = threading.Lock()
        self._requests: deque[Incoming] = deque()
        self._answer: Iterator[Answer] = iter(())

    def ask(self, request: Incoming) -> None:
        """A request came; a retained one is an old one."""
        with self._lock:
            if request.retained:
                return
            if len(self._requests) == REQUESTS:
                log.warning("more than %d replay requests wait: one was dropped, it may be asked again", REQUESTS)
                return
            self._requests.append(replace(request, payload=request.payload[:1000]))

    def next(self) -> Answer | None:
        """The next message to send, if any."""
        answer = next(self._answer, None)
        while answer is None:
            with self._lock:
                if not self._requests:
                    return None
                request = self._requests.popleft()
            self._answer = self._answers(request)
            answer = next(self._answer, None)
        return answer

    def forget(self) -> None:
        """Ends the running answer where it is, without the message that says how far it went: who asked asks again."""
        self._answer = iter(())

    def _answers(self, request: Incoming) -> Iterator[Answer]:
        topic = self._reply_topic(request)
        newest = self._mail.newest()
        first, last, problem = 0, 0, None
        numbers: list[int] = []
        try:
            asked = ReplayRequest.model_validate_json(request.payload)
            first, last = asked.from_seq, min(asked.to_seq or newest, newest)
            numbers = self._mail.numbers(first, last, MOST)
            last = numbers[-1] if len(numbers) == MOST else last
        except ValidationError as error:
            problem = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
        for start in range(0, len(numbers), CHUNK):
            chunk = numbers[start : start + CHUNK]
            for message in self._mail.again(chunk[0], chunk[-1]):
                yield Answer(replace(message, topic=topic), request.correlation)
        end = ReplayMessage(station=self._station, from_seq=first, to_seq=last, newest_seq=newest, problem=problem)
        yield Answer(self._topics.replay_end(end, topic), request.correlation)

    def _reply_topic(self, request: Incoming) -> str:
        """The one that was asked for, where it can be published to and is none of the station's."""
        wanted = request.reply_to or ""
        bad = not wanted or any(c in wanted for c in "+#\0") or wanted.startswith("$")
        own = bad or self._topics.own(wanted) or self._ears(wanted)
        return self._topics.replayed if own else wanted
