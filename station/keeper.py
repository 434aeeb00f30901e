"""What lies in the spool: until room is needed, no longer than privacy allows, and nothing that nobody knows of."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from station.domain import Duplicate, Lane, Observed, Outcome
from station.mail import Mail
from station.spool import Spool
from station.store import Candidate

log = logging.getLogger(__name__)

CHUNK = 100
COUNTED_EVERY = timedelta(minutes=10)
SENT_AGAIN_WITHIN = timedelta(days=1)
"""For how long a picture without a row is left to the broker, which sends it again with all that is said of it."""


class Keeper:
    """Deletes recorded pictures of the spool; files of camera folders are never touched."""

    def __init__(self, spool: Spool, mail: Mail, max_bytes: int, keep_people: bool) -> None:
        self.spool = spool
        self._mail = mail
        self._max_bytes = max_bytes
        self._keep_people = keep_people
        self._counted_at: datetime | None = None

    def room(self, size: int, now: datetime) -> bool:
        """Whether there is room for so many bytes, after the oldest recorded pictures have made some."""
        if self.spool.used_bytes + size > self._max_bytes:
            self._count_afresh(now)
        while self.spool.used_bytes + size > self._max_bytes:
            oldest = self._mail.removable(CHUNK)
            going = _until(oldest, self.spool.used_bytes + size - self._max_bytes)
            if not going:
                return False
            self._delete(going, now)
        return True

    def _count_afresh(self, now: datetime) -> None:
        """The retention deletes pictures too, in a process of its own; now and then, for it takes a while."""
        if self._counted_at is None or abs(now - self._counted_at) >= COUNTED_EVERY:
            self._counted_at = now
            self.spool.count()

    def recorded(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Pictures with people go, where that is the rule."""
        if any(isinstance(o, Duplicate) or (isinstance(o, Observed) and o.people) for o in outcomes):
            self.forget_people(now)

    def forget_people(self, now: datetime) -> None:
        """All recorded pictures with people; at the start it finds those that a crash has left."""
        while not self._keep_people and (shown := self._mail.with_people(CHUNK)):
            self._delete(shown, now)

    def adopt(self, now: datetime) -> None:
        """Takes up pictures without a row: a crash came between file and row, or the ledger is older than the spool."""
        latest = (now - SENT_AGAIN_WITHIN).timestamp()
        old = (file for file in self.spool.pictures() if file.stat().st_mtime < latest)
        taken = 0
        while chunk := list(islice(old, CHUNK)):
            taken += self._mail.adopt([_found(file) for file in self._mail.unknown(chunk)], now)
        if taken:
            log.warning("%d pictures of the spool were not in the ledger: they are taken up", taken)

    def _delete(self, pictures: Sequence[tuple[int, Path]], now: datetime) -> None:
        """The files first: a row that says too much is mended at the next deletion, a file without a row is not."""
        for _, path in pictures:
            self.spool.remove(path)
        self._mail.unspooled([id for id, _ in pictures], now)


def _found(file: Path) -> Candidate:
    """What its message said besides the camera is not known any more."""
    seen = file.stat()
    return Candidate(file.parent.name, str(file), seen.st_size, seen.st_mtime_ns, None, Lane.BACKLOG, topic="")


def _until(pictures: Sequence[tuple[int, Path]], enough_bytes: int) -> list[tuple[int, Path]]:
    """The first of them that together have so many bytes, or all."""
    going, freed = [], 0
    for id, path in pictures:
        going.append((id, path))
        freed += path.stat().st_size if path.is_file() else 0
        if freed >= enough_bytes:
            break
    return going
