"""Takes a person's word: it is checked, noted, and followed, beside the daemon that may be running."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station import people
from station.domain import StationError
from station.entries import name as note_names
from station.history import frames_of
from station.schema import beside
from station.words import Names, Verb, Word, standing

SHOWN = 3
OLDEST = 1900
"""An animal of a year before is a slip of the pen."""
_ANYWAY = "; --anyway says it all the same"


class WordError(StationError):
    """What was said of a face or an individual cannot be."""


@contextmanager
def hearing(file: Path, who: str, now: datetime) -> Iterator[Hearing]:
    """One transaction: all that is said in it is noted and followed, or nothing.  Raises `StoreError`."""
    with beside(file) as db:
        heard = Hearing(db, who, now)
        yield heard
        heard.follow()


class Hearing:
    """What one person says at one time.  Every word raises `WordError` where it cannot be."""

    def __init__(self, db: Database, who: str, now: datetime) -> None:
        self.db = db
        self._who = who
        self._now = now
        self._words: list[Word] = []

    def follow(self) -> str:
        """Derives what follows from all that was said since the last time, and tells it in a line."""
        said, self._words = self._words, []
        if not said:
            return ""
        changed = people.follow(self.db, said, self._now)
        numbers = f"{said[0].id}" if len(said) == 1 else f"{said[0].id} to {said[-1].id}"
        if not changed and all(word.verb in (Verb.NAME, Verb.SET) for word in said):
            return f"noted as {numbers}"
        faces = "1 face shows" if changed == 1 else f"{changed or 'no'} faces show"
        return f"noted as {numbers}; {faces} another individual now"

    def face(self, face: str) -> int:
        """A face by its number, or as FILE (of one face) or FILE#N."""
        return find_face(self.db, face)

    def confirm(self, face: int, individual: str, new: bool = False) -> Word:
        """The face is the individual; with `new`, one that nobody has heard of yet."""
        self._face(face)
        whom = self._created(individual) if new else find(self.db, individual)
        return self._say(Verb.CONFIRM, whom, face)

    def deny(self, face: int, individual: str) -> Word:
        """The face is not the individual."""
        self._face(face)
        return self._say(Verb.DENY, find(self.db, individual), face)

    def differ(self, one: int, other: int) -> Word:
        """The two faces are of two animals."""
        if one == other:
            raise WordError(f"face {one} cannot differ from itself")
        for face in (one, other):
            self._face(face)
        return self._say(Verb.DENY, None, one, other=other)

    def merge(self, individual: str, into: str, anyway: bool = False) -> Word:
        """The first is the second; its pictures become the second's."""
        one, other = find(self.db, individual), find(self.db, into)
        if one == other:
            raise WordError(f"{individual} and {into} are one individual already: {other}")
        if not anyway and (together := self._together(one, other)):
            raise WordError(f"{one} and {other} are two animals: {together} shows both" + _ANYWAY)
        return self._say(Verb.MERGE, one, into=other)

    def split(self, faces: Sequence[int], individual: str, into: str = "") -> Word:
        """These faces of the individual are another one: `into`, or one that gets a name of its own."""
        whom = find(self.db, individual)
        if not faces:
            raise WordError(f"which faces of {whom} are another animal's? `station individuals show {whom}` lists them")
        for face in faces:
            if (shown := self._face(face)["individual"]) != whom:
                raise WordError(f"face {face} is not one of {whom}: it shows {shown or 'nobody known'}")
        to = self._split_off(whom, into)
        first = self._say(Verb.SPLIT, to, faces[0])
        for face in faces[1:]:
            self._say(Verb.SPLIT, to, face, **{"with": first.id})
        return first

    def name(self, individual: str, name: str) -> Word:
        """What people call the individual; empty: nothing any more."""
        whom = find(self.db, individual)
        holder = self.db.execute("SELECT id FROM individuals WHERE name = ? AND id <> ?", [name, whom]).fetchone()
        if name and holder:
            raise WordError(f"{name} is what {holder[0]} is called; merge the two if they are one animal")
        return self._say(Verb.NAME, whom, name=name.strip() or None)

    def set(self, individual: str, facts: dict[str, str | None], anyway: bool = False) -> Word:
        """Facts such as `born_on` and `sex`; None takes one away."""
        whom = find(self.db, individual)
        if not facts:
            raise WordError(f"what is to be set of {whom}? Say --born, --born-after, --born-before, --died or --sex")
        [row] = self.db.query("SELECT * FROM individuals WHERE id = ?", [whom])
        its = {**row, **facts}
        wrong = list(contradictions(its, self._now.date()))
        if not wrong and not anyway and (seen := self._seen(whom)):
            wrong = list(beyond_life(its, *seen))
        if wrong:
            raise WordError(f"{whom}: {wrong[0]}")
        return self._say(Verb.SET, whom, None, **facts)

    def undo(self, number: int) -> Word:
        """Takes a word back; an undo that is undone takes nothing back."""
        every = {word.id: word for word in people.words(self.db)}
        if number not in every:
            raise WordError(f"there is no word {number}; `station individuals history` lists them")
        if first := every[number].value.get("with"):
            raise WordError(f"word {number} is a part of word {first}: undo that one")
        taken = {word.value["word"] for word in every.values() if word.verb is Verb.UNDO and not undone(every, word.id)}
        if number in taken:
            raise WordError(f"word {number} is undone already")
        return self._say(Verb.UNDO, None, word=number)

    def _say(self, verb: Verb, individual: str | None, face: int | None = None, /, **value: Any) -> Word:
        word = people.say(self.db, Word(0, self._now, verb, individual, face, value, self._who))
        self._words.append(word)
        return word

    def _face(self, face: int) -> dict[str, Any]:
        for row in self.db.query("SELECT * FROM faces WHERE id = ?", [face]):
            return dict(row)
        raise WordError(f"there is no face {face}; `station individuals show` and `station why` tell their numbers")

    def _created(self, individual: str) -> str:
        if not individual.strip() or not individual.isprintable():
            raise WordError(f"{individual!r} is no name for an individual: use letters")
        if list(self.db.query("SELECT 1 FROM individuals WHERE id = ? OR name = ?", [individual, individual])):
            raise WordError(f"there is an individual {individual} already: leave --new out")
        note_names(self.db, "individuals", [individual], self._now.isoformat())
        return individual

    def _split_off(self, whom: str, into: str) -> str:
        taken = {id for (id,) in self.db.execute("SELECT id FROM individuals").fetchall()}
        if into in taken:
            if (to := find(self.db, into)) == whom:
                raise WordError(f"{into} is {whom}: nothing would be split off")
            return to
        return self._created(
            into or next(f"{whom}-{n}" for n in range(2, len(taken) + 3) if f"{whom}-{n}" not in taken)
        )

    def _together(self, one: str, other: str) -> str | None:
        found = self.db.execute(
            """SELECT frames.path FROM faces JOIN faces AS beside USING (frame) JOIN frames ON frames.id = faces.frame
            WHERE faces.individual = ? AND beside.individual = ? LIMIT 1""",
            [one, other],
        ).fetchone()
        return found and str(found[0])

    def _seen(self, whom: str) -> tuple[date, date] | None:
        first, last = self.db.execute(
            """SELECT min(captured_at), max(captured_at) FROM faces JOIN frames ON frames.id = faces.frame
            WHERE faces.individual = ? AND captured_impossible = 0""",
            [whom],
        ).fetchone()
        return (date.fromisoformat(first[:10]), date.fromisoformat(last[:10])) if first else None


def undone(every: dict[int, Word], number: int) -> bool:
    """Whether a word, be it an undo itself, is taken back."""
    by = [word.id for word in every.values() if word.verb is Verb.UNDO and word.value["word"] == number]
    return any(not undone(every, one) for one in by)


def find(db: Database, individual: str) -> str:
    """The id that an individual has now, by its id or its name.  Raises `WordError`."""
    row = db.execute(
        "SELECT coalesce(merged_into, id) FROM individuals WHERE id = :it OR name = :it ORDER BY id = :it DESC LIMIT 1",
        {"it": individual},
    ).fetchone()
    if row:
        return Names(standing(people.words(db))).now(str(row[0]))
    known = [name for pair in db.execute("SELECT id, name FROM individuals").fetchall() for name in pair if name]
    near = difflib.get_close_matches(individual, known, n=SHOWN, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`station individuals` lists them"
    raise WordError(f"there is no individual {individual}; {hint}")


def find_face(db: Database, face: str) -> int:
    """A face by its number, or as FILE (of one face) or FILE#N, N from nought.  Raises `WordError`."""
    if face.isdecimal():
        return int(face)
    file, _, number = face.partition("#")
    frames = [frame["original"] or frame["id"] for frame in frames_of(db, file)]
    if not frames:
        raise WordError(f"no picture {file} was ever admitted; say the face's number, or FILE or FILE#N")
    asked = "SELECT id FROM faces WHERE frame = ? ORDER BY number"
    found = [id for frame in dict.fromkeys(frames) for (id,) in db.execute(asked, [frame]).fetchall()]
    if number.isdecimal() and int(number) < len(found):
        return int(found[int(number)])
    if len(found) == 1 and not number:
        return int(found[0])
    raise WordError(
        f"{file} shows {len(found)} faces" + (f": say {file}#0 to {file}#{len(found) - 1}" if found else "")
    )


def contradictions(facts: Mapping[str, Any], today: date) -> Iterator[str]:
    """What is wrong with an individual's facts in themselves."""
    if facts.get("sex") not in (None, "f", "m"):
        yield f"a sex is f or m, not {facts['sex']}"
    told = []
    for key in ("born_after", "born_on", "born_before", "died_on"):
        try:
            day = date.fromisoformat(facts[key]) if facts.get(key) else None
        except ValueError:
            yield f"{facts[key]!r} is no date; write 2019-08-21"
            continue
        words = key.replace("_", " ")
        if day and day.year < OLDEST:
            yield f"{words} {day} lies before {OLDEST}: write the year in full, as in 2019-08-21"
        if day and day > today and key != "born_before":
            yield f"{words} {day} lies in the future"
        told += [(day, words)] if day else []
    for (day, words), (later, its) in pairwise(told):
        if day > later:
            yield f"{words} {day} and {its} {later} cannot both be"


def beyond_life(facts: Mapping[str, Any], first: date, last: date) -> Iterator[str]:
    """What pictures of the individual contradict; the facts are dates already."""
    if (born := facts.get("born_on")) and date.fromisoformat(born) > first:
        yield f"born on {born}, but seen on {first}: split that picture off, or mend its clock{_ANYWAY}"
    if (died := facts.get("died_on")) and date.fromisoformat(died) < last:
        yield f"died on {died}, but seen on {last}: split that picture off, or mend its clock{_ANYWAY}"
