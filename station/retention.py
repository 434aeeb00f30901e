"""Which pictures of the spool may go: recorded, old enough, and nothing rests on them.  Originals are never touched.

What stays whatever its age, as long as the spool has room: the best face of each individual and month; the best of each
day on which a census says that an animal was first or last seen; and pictures of which people have said something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database

from station import history, schema, spool
from station.settings import Settings
from station.times import iso, zone

MONTH, DAY, SAID = "the best face of its animal and month", "of a day that a census names", "people spoke of it"
_CHUNK = 100
_SIDE_PX = 288.0
"""A larger face shows no more."""
_FACES = f"""
SELECT frames.id, faces.individual, CASE WHEN captured_impossible THEN NULL ELSE captured_at END,
    coalesce(faces.confidence, 0.5) * min(1.0, max(width * width_px, height * height_px) / {_SIDE_PX})
        * (faces.unusable IS NULL),
    EXISTS (SELECT 1 FROM words WHERE words.face = faces.id AND undone_at IS NULL AND who <> 'path')
FROM frames JOIN faces ON faces.frame = frames.id
WHERE topic IS NOT NULL AND unspooled_at IS NULL AND faces.individual IS NOT NULL ORDER BY faces.id
"""
_OLD = """SELECT id, path FROM frames WHERE topic IS NOT NULL AND unspooled_at IS NULL AND outcome IS NOT NULL
    AND admitted_at < :before AND done_at < :before AND NOT EXISTS (SELECT 1 FROM frames AS newer
        WHERE newer.path = frames.path AND newer.id > frames.id AND newer.unspooled_at IS NULL) ORDER BY id"""
_SEEN = """SELECT DISTINCT json_extract(one.value, '$.id'), json_extract(one.value, '$.first_seen'),
    json_extract(one.value, '$.last_seen') FROM censuses, json_each(census, '$.individuals') AS one"""


class Going(NamedTuple):
    """A picture that may go."""

    frame: int
    path: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What may go, and of what is old enough how much stays for which reason."""

    going: tuple[Going, ...]
    kept: Mapping[str, int]
    days: int

    @property
    def bytes(self) -> int:
        """Of those that are there."""
        return sum(one.path.stat().st_size for one in self.going if one.path.is_file())

    def sentence(self, done: bool) -> str:
        """For people."""
        stay = ", ".join(f"{n} {why}" for why, n in self.kept.items())
        verb = "deleted" if done else "would go"
        return f"{len(self.going)} pictures of the spool, older than {self.days} days, {verb}; {stay or 'none'} stay"


class ClockDoubted(schema.StoreError):
    """By the box's clock everything is old."""


def plan(read: Settings, now: datetime) -> Plan:
    """Only reads.  Raises `StoreError`."""
    before = now - timedelta(days=read.schedule.spool_days)
    root = read.mqtt.spool.absolute()
    with history.reading(read.station.database) as db:
        _doubt(db, before, now)
        why = _resting(db, zone(read.station.timezone))
        old = [Going(id, Path(path)) for id, path in db.execute(_OLD, {"before": iso(before)}).fetchall()]
    own = [one for one in old if root in one.path.parents and spool.is_own(one.path.name)]
    kept: dict[str, int] = {}
    for one in own:
        if one.frame in why:
            kept[why[one.frame]] = kept.get(why[one.frame], 0) + 1
    return Plan(tuple(one for one in own if one.frame not in why), kept, read.schedule.spool_days)


def carry_out(read: Settings, wanted: Plan, now: datetime) -> int:
    """Deletes them, beside a station too; how many bytes that freed.  Raises `StoreError` or `OSError`.

    The files first: a row that says too much is mended at the next run, a file without a row is not.
    """
    rest, freed = iter(wanted.going), 0
    while chunk := list(islice(rest, _CHUNK)):
        for one in chunk:
            if one.path.is_file():
                freed += one.path.stat().st_size
                one.path.unlink()
        with schema.beside(read.station.database) as db:
            db.conn.executemany(
                "UPDATE frames SET unspooled_at = ? WHERE id = ?", [(iso(now), one.frame) for one in chunk]
            )
    return freed


def _doubt(db: Database, before: datetime, now: datetime) -> None:
    newest = db.execute("SELECT max(admitted_at) FROM frames WHERE admitted_at <= ?", [iso(now)]).fetchone()[0]
    if newest and newest < iso(before):
        raise ClockDoubted(
            f"nothing is deleted: by the clock, {now:%Y-%m-%d}, the newest picture came on {newest[:10]}, and all "
            "others are older still; set the clock, or let a picture come"
        )


def _resting(db: Database, own: tzinfo) -> dict[int, str]:
    """Why each of these frames must stay."""
    named = set(_named(db))
    best: dict[tuple[str, str, str], tuple[float, int]] = {}
    why: dict[int, str] = {}
    for frame, who, at, worth, said in db.execute(_FACES):
        if said:
            why[frame] = SAID
        day = datetime.fromisoformat(at).astimezone(own).date().isoformat() if at else "unknown"
        keys = [(MONTH, who, day[:7])] + ([(DAY, who, day)] if (who, day) in named else [])
        for key in keys:
            if key not in best or worth > best[key][0]:
                best[key] = (worth, frame)
    for (reason, _, _), (_, frame) in sorted(best.items(), reverse=True):
        why.setdefault(frame, reason)
    return why


def _named(db: Database) -> Iterator[tuple[str, str]]:
    """Individuals and days that a census names."""
    rows: Iterable[tuple[str, str | None, str | None]] = db.execute(_SEEN)
    for who, first, last in rows:
        yield from ((who, day[:10]) for day in (first, last) if day)
