"""The model in service estimates the faces of before, too, beside what other models said of them.

In spare time: behind every picture that waits, a few faces at a time, the newest first.  What is done is committed as
it goes, so that the next start goes on where this one ended; of an original that is gone it is noted why.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from station import entries, history, lookback
from station.domain import Box, Estimate, Pixels, Reason
from station.embeddings import Place
from station.shortage import patient
from station.store import Store
from station.succession import Reader, Succession
from station.times import Clock, iso

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Faces: what a picture that comes meanwhile has to wait for."""
_BLOCK = 512
_MISSING = f"('{Reason.VANISHED}', '{Reason.UNREADABLE}')"
"""What may be there again at the next start."""
_NEXT = f"""SELECT faces.id, path, digest, x, y, width, height FROM faces JOIN frames ON frames.id = faces.frame
    WHERE faces.id < :below AND faces.unusable IS NULL
    AND NOT EXISTS (SELECT 1 FROM estimates WHERE estimates.face = faces.id AND estimates.model = :model)
    AND NOT EXISTS (SELECT 1 FROM passed_over WHERE passed_over.face = faces.id AND passed_over.model = :model
        AND (run = :run OR reason NOT IN {_MISSING} OR unspooled_at IS NOT NULL))
    ORDER BY faces.id DESC LIMIT {_BLOCK}"""
_ABOVE_ALL = 2**62


class Rescoring:
    """Of all faces without an estimate of the model in service.  Used by one thread."""

    def __init__(self, store: Store, file: Path, succession: Succession, most_pixels: int, clock: Clock) -> None:
        """`file`: the store's database, which is read by a connection of its own."""
        self._store, self._file, self._succession = store, file, succession
        self._most_pixels, self._clock = most_pixels, clock
        self.shortage = store.shortage
        self._begin("")

    def _begin(self, model: str) -> None:
        self._model = model
        self._below = _ABOVE_ALL
        self._wanted: deque[Place] = deque()
        self._finished = False
        self._scored = self._missing = 0
        self._told: set[str] = set()

    def again(self) -> None:
        """Something was recorded meanwhile that the model in service has not read."""
        self._begin(self._model)

    def step(self) -> bool:
        """A few faces more; False: nothing is to be done just now."""
        reader = self._succession.serving
        if reader.ages.card.version != self._model:
            self._begin(reader.ages.card.version)
        if self._finished or not self._store.idle():
            return False
        if not self._wanted and not self._look():
            self._finish()
            return False
        self._score(reader, [self._wanted.popleft() for _ in range(min(AT_ONCE, len(self._wanted)))])
        return True

    def _look(self) -> bool:
        asked = {"below": self._below, "model": self._model, "run": self._store.run}
        with history.reading(self._file) as db:
            rows = db.execute(_NEXT, asked).fetchall()
        self._wanted.extend(Place(face, path, digest, Box(*box)) for face, path, digest, *box in rows)
        if rows:
            self._below = rows[-1][0]
        return bool(rows)

    def _finish(self) -> None:
        self._finished = True
        if self._scored or self._missing:
            log.info(
                "%s has estimated %d faces of before; the originals of %d are gone or changed",
                self._model, self._scored, self._missing,
            )  # fmt: skip

    def _score(self, reader: Reader, places: Sequence[Place]) -> None:
        found = list(lookback.crops(places, reader.ages.card, self._most_pixels))
        crops: list[tuple[int, Pixels]] = [(place.face, c) for place, c in found if not isinstance(c, Reason)]
        missing = [(place.face, why) for place, why in found if isinstance(why, Reason)]
        estimates: list[Estimate] = []
        if crops:
            probabilities, _ = reader.ages.run(np.concatenate([crop for _, crop in crops]))
            estimates = [reader.ages.estimate(p) for p in probabilities]
        self._record([(face, one) for (face, _), one in zip(crops, estimates, strict=True)], missing)
        self._scored += len(crops)
        self._missing += len(missing)

    @patient
    def _record(self, scored: Sequence[tuple[int, Estimate]], missing: Sequence[tuple[int, Reason]]) -> None:
        at = iso(self._clock())
        with self._store.writing() as db:
            entries.rescore(db, scored, at)
            entries.pass_over(db, missing, self._model, self._store.run, at)
            told = entries.retell(db, [face for face, _ in scored], self._told)
        self._told |= told
