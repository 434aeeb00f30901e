"""What is to be told of frames, as rows of the outbox in the transaction that records them.

Estimates are events; the newest of each individual is a state.  How a camera does is told by `rounds` alone, which
knows whether it is silent.  The SQL that gives an estimate's message is the same for the first telling and for a
replay: the two are equal, but that a replay names an individual whom people have named since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

from sqlite_utils import Database

from station.domain import Frame, Message
from station.entries import put
from station.messages import STATE_RANK, EstimateMessage, IndividualMessage, Topics

Row = dict[str, Any]
_ROWS = """
SELECT estimates.id AS seq, frames.id AS frame, frames.camera, faces.individual, coalesce(file_name, path) AS file,
    digest, captured_at, captured_source, captured_impossible, estimated_at, age_years, sd_years, low_years,
    high_years, life_stage, estimates.model, x, y, width, height, faces.confidence,
    faces.number, individuals.name
FROM estimates JOIN faces ON faces.id = estimates.face JOIN frames ON frames.id = faces.frame
LEFT JOIN individuals ON individuals.id = faces.individual
"""


class Herald:
    """Makes the messages of one station; `name` gives what people call a camera."""

    def __init__(self, station: str, name: Callable[[str], str] = str) -> None:
        self.topics = Topics(station)
        self.station = station
        self._name = name
        self._individuals: dict[str, tuple[str, int]] = {}

    def tell(self, db: Database, frames: Sequence[Frame], after: int, at: str) -> None:
        """Queues the estimates newer than `after`, and the states of the individuals they are of.

        Also the states of those whom a sorted copy among these frames has named on an older picture.
        """
        self.retell(db, at)
        rows = list(db.query(f"{_ROWS} WHERE estimates.id > ? ORDER BY estimates.id", [after]))
        messages = [self.topics.estimates(self.estimate(row)) for row in rows]
        messages += [
            self.topics.individual(self._individual(row)) for row in self._newest(db, [*rows, *_named(db, frames)])
        ]
        put(db, messages, at)

    def retell(self, db: Database, at: str) -> None:
        """Queues the states of those whom people's words have changed; of one that no picture shows any more, none.

        The broker forgets a state when it gets an empty one.
        """
        changed = [name for (name,) in db.execute("SELECT individual FROM untold ORDER BY individual").fetchall()]
        if not changed:
            return
        newest = {name: self._of(db, name) for name in changed}
        self._individuals |= {name: _age(row) if row else ("", 0) for name, row in newest.items()}
        states = [
            self.topics.individual(self._individual(row))
            if row
            else Message(self.topics.individual_state(name), "", retained=True, rank=STATE_RANK)
            for name, row in newest.items()
        ]
        put(db, states, at)
        db.execute("DELETE FROM untold")

    def again(self, db: Database, first: int, last: int) -> list[Message]:
        """The messages of these estimates, as they were told."""
        rows = db.query(f"{_ROWS} WHERE estimates.id BETWEEN ? AND ? ORDER BY estimates.id", [first, last])
        return [self.topics.estimates(self.estimate(row)) for row in rows]

    def estimate(self, row: Row) -> EstimateMessage:
        """From a row of `_ROWS`."""
        plain = {key: value for key, value in row.items() if key not in ("x", "y", "width", "height", "number", "name")}
        return EstimateMessage(
            **plain | {"file": PurePath(row["file"]).name or row["file"]},
            station=self.station,
            id=self._id(row),
            camera_name=self._name(row["camera"]),
            box=(row["x"], row["y"], row["width"], row["height"]),
        )

    def _id(self, row: Row) -> str:
        """Of what is estimated: the same when a restored database gives another number to it."""
        return f"{self.station}-{row['digest'][:16]}-{row['number']}-{row['model']}"

    def _individual(self, row: Row) -> IndividualMessage:
        same = (
            "individual", "name", "age_years", "sd_years", "low_years", "high_years", "life_stage", "camera", "model",
        )  # fmt: skip
        return IndividualMessage(
            **{key: row[key] for key in same},
            station=self.station,
            id=self._id(row),
            last_seen=_believable(row) or None,
            camera_name=self._name(row["camera"]),
        )

    def _newest(self, db: Database, rows: Sequence[Row]) -> Iterator[Row]:
        """The newest believable estimate of each individual among `rows` that has no newer one."""
        newest: dict[str, Row] = {}
        for row in rows:
            who = row["individual"]
            if who and _age(row) >= max(self._known(db, who), _age(newest[who]) if who in newest else ("", 0)):
                newest[who] = row
        self._individuals |= {who: _age(row) for who, row in newest.items()}
        yield from newest.values()

    def _known(self, db: Database, who: str) -> tuple[str, int]:
        if who not in self._individuals:
            found = self._of(db, who)
            self._individuals[who] = _age(found) if found else ("", 0)
        return self._individuals[who]

    def _of(self, db: Database, who: str) -> Row | None:
        """What counts of the newest believable face of an individual."""
        newest = """SELECT faces.id FROM faces JOIN frames ON frames.id = faces.frame
            WHERE faces.individual = ? AND EXISTS (SELECT 1 FROM estimates WHERE estimates.face = faces.id)
            ORDER BY CASE WHEN captured_impossible THEN NULL ELSE captured_at END DESC, faces.id DESC LIMIT 1"""
        which = f"estimates.id = (SELECT estimate FROM counting WHERE counting.face = ({newest}))"
        return next(db.query(f"{_ROWS} WHERE {which}", [who]), None)


def _named(db: Database, frames: Sequence[Frame]) -> list[Row]:
    """What counts of pictures of which a copy that names the animal is among these frames."""
    copies = ", ".join(str(frame.id) for frame in frames if frame.individual)
    of = f"SELECT original FROM frames WHERE id IN ({copies}) AND outcome = 'duplicate'"
    counts = "(SELECT estimate FROM counting WHERE counting.face = faces.id)"
    sql = f"{_ROWS} WHERE frames.id IN ({of}) AND faces.individual IS NOT NULL AND estimates.id = {counts}"
    return list(db.query(sql)) if copies else []


def _believable(row: Row) -> str:
    return "" if row["captured_impossible"] else row["captured_at"] or ""


def _age(row: Row) -> tuple[str, int]:
    return _believable(row), row["seq"]
