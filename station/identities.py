"""Who the individuals are and how sure that is, by what people and the machine said up to a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlite_utils import Database

from station import people
from station.columns import NONE, Faces
from station.headcount import Doubt
from station.times import iso
from station.words import Names, Verb, Word, facts, resolve, standing, vouched


@dataclass(frozen=True, slots=True)
class Identity:
    """What is said of one individual."""

    facts: Mapping[str, Any]
    provisional: bool
    merged_into: str | None

    def text(self, fact: str) -> str:
        """Empty: nothing was said."""
        return str(self.facts.get(fact) or "")

    def day(self, fact: str) -> date | None:
        """A date among the facts."""
        return date.fromisoformat(self.text(fact)[:10]) if self.text(fact) else None


@dataclass(frozen=True, slots=True)
class Trust:
    """How far the machine's word on who it was is to be trusted."""

    known_right: float = 0.9
    """How often it names a known animal rightly."""
    new_right: float = 0.8
    """How often what it takes for a new animal is one."""
    cases: float = 20.0
    """How many cases that was learnt from."""


def identities(db: Database, said: Sequence[Word], until: datetime | None) -> dict[str, Identity]:
    """Every individual, merged ones too; as known at the moment `until`, None: now."""
    if until is None:
        rows = db.query("SELECT * FROM individuals ORDER BY id")
        return {row["id"]: Identity(row, bool(row["provisional"]), row["merged_into"]) for row in rows}
    told, good = facts(said, until), vouched(said, until)
    into = Names(standing(said, until)).merged()
    by_machine = "SELECT DISTINCT individual FROM recognitions WHERE verdict = 'new' AND recognised_at <= ?"
    made = {row[0] for row in db.execute(by_machine, [iso(until)]).fetchall()}
    made -= {row[0] for row in db.execute("SELECT DISTINCT individual FROM frames WHERE individual IS NOT NULL")}
    every = [row[0] for row in db.execute("SELECT id FROM individuals ORDER BY id").fetchall()]
    return {id: Identity(told.get(id, {}), id in made and id not in good, into.get(id)) for id in every}


def shown_then(db: Database, faces: Faces, said: Sequence[Word], until: datetime) -> Faces:
    """With the individuals that the faces showed, as was known at a moment."""
    ids = faces.id.tolist()
    shown = resolve(people.recognitions(db, ids), people.paths(db, ids), said, until)
    place = {name: number for number, name in enumerate(faces.individuals)}
    return replace(faces, individual=np.array([place.get(shown.get(id, ""), NONE) for id in ids], np.int64))


def doubt(
    known: Mapping[str, Identity], said: Sequence[Word], trust: Trust, until: datetime | None
) -> tuple[Doubt, Trust]:
    """What people found of the machine's new animals, added to what its calibration says."""
    stand = standing(said, until)
    merged = sum(one.merged_into is not None for one in known.values())
    split = len({word.value.get("with", word.id) for word in stand if word.verb is Verb.SPLIT})
    by_people = [word for word in stand if word.who != people.PATH and word.verb in (Verb.NAME, Verb.CONFIRM)]
    stood = len({word.individual for word in by_people})
    cases = trust.cases + merged + split + stood
    new_right = (trust.cases * trust.new_right + stood) / cases
    return Doubt(cases, 0.5 + merged, 0.5 + split), replace(trust, new_right=new_right)
