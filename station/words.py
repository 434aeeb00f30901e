"""What people say of faces and individuals, and who each face shows by all that was said.  Pure rules.

A *word* is one thing that one person said.  Words are only added; an `undo` takes one back, and is a word itself.
Who a face shows follows from what the machine said of it and from the words, and is never stored alone: the newest
standing word that names the face, else the machine's verdict; either one followed through merges.

A denial means whom the name meant when it was said: "not Bao" holds when Bao is merged into Xin later, and does not
hold against a Mei who is merged into Bao later, for the newer word wins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

_MACHINE, _PATH = -1, 0
"""Before every word, whose numbers begin at one."""
FACTS = ("name", "sex", "born_on", "born_after", "born_before", "died_on")


class Verb(StrEnum):
    """What a word does."""

    NAME = "name"
    """What people call the individual: `value["name"]`."""
    SET = "set"
    """Facts of the individual, such as `born_on`; None takes one away."""
    CONFIRM = "confirm"
    """The face is the individual."""
    DENY = "deny"
    """The face is not the individual; or it is another animal than the face `value["other"]`."""
    MERGE = "merge"
    """The individual is `value["into"]`."""
    SPLIT = "split"
    """The face, as one of several, is the individual; `value["with"]` is the first word of them."""
    UNDO = "undo"
    """The word `value["word"]` is taken back."""


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that one person said; the order of the numbers is the order in which it was said."""

    id: int
    said_at: datetime
    verb: Verb
    individual: str | None = None
    face: int | None = None
    value: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """The individual that a face's path or topic names: a person's word, the first of that face."""

    face: int
    individual: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the machine said of a face."""

    face: int
    verdict: str
    """known, new or unsure"""
    individual: str | None
    similarity: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Why a face has its name."""

    order: int
    """Of the word; below one: the path's, below nought: the machine's."""
    individual: str
    similarity: float = 0.0

    @property
    def of_machine(self) -> bool:
        """Nobody said it but the machine."""
        return self.order == _MACHINE


def resolve(
    recognitions: Iterable[Recognition], said: Iterable[Said], words: Iterable[Word], at: datetime | None = None
) -> dict[int, str]:
    """Who each face shows, of the faces that anything is known of; `at`: as known at that moment."""
    stand = standing(words, at)
    names = Names(stand)
    return {face: names.now(claim.individual) for face, claim in claims(recognitions, said, stand, at).items()}


def standing(words: Iterable[Word], at: datetime | None = None) -> list[Word]:
    """The words that hold, in their order, without the undoing ones; `at`: as it was at that moment."""
    said = [word for word in sorted(words, key=lambda word: word.id) if at is None or word.said_at <= at]
    undone: set[int] = set()
    for word in reversed(said):  # an undo that is itself undone takes nothing back
        if word.verb is Verb.UNDO and word.id not in undone:
            undone.add(int(word.value["word"]))
    kept = (word for word in said if word.verb is not Verb.UNDO)
    return [word for word in kept if not {word.id, word.value.get("with", word.id)} & undone]


class Names:
    """Which names mean the same animal, by the standing merges."""

    def __init__(self, words: Iterable[Word]) -> None:
        self._into: dict[str, tuple[str, int]] = {}
        for word in words:
            if word.verb is Verb.MERGE and word.individual and self.now(word.value["into"]) != word.individual:
                self._into.setdefault(word.individual, (word.value["into"], word.id))

    def now(self, individual: str) -> str:
        """The name that this one came to."""
        while individual in self._into:
            individual = self._into[individual][0]
        return individual

    def then(self, individual: str, order: int) -> str:
        """The name that this one had come to when the word of that number was said."""
        while individual in self._into and self._into[individual][1] < order:
            individual = self._into[individual][0]
        return individual

    def merged(self) -> dict[str, str]:
        """The names that are no longer used, each with the one that is."""
        return {name: self.now(name) for name in self._into}


def claims(
    recognitions: Iterable[Recognition], said: Iterable[Said], stand: Collection[Word], at: datetime | None = None
) -> dict[int, Claim]:
    """Why each face has its name, with the name as it was said, not followed through merges."""
    names = Names(stand)
    denied = _denials(stand)
    found: dict[int, Claim] = {}
    for face, claim in _said_of_faces(said, stand, at):  # oldest first, so that the newest stays
        if not _beaten(claim, denied.get(face, ()), names):
            found[face] = claim
    for face, claim in _of_machine(recognitions, at):
        if face not in found and not _beaten(claim, denied.get(face, ()), names):
            found[face] = claim
    for word in stand:
        other = word.value.get("other")
        if word.verb is Verb.DENY and word.individual is None and word.face in found and other in found:
            _part(found, word.face, int(other), word.id, names)
    return found


def _said_of_faces(said: Iterable[Said], stand: Iterable[Word], at: datetime | None) -> Iterator[tuple[int, Claim]]:
    for path in said:
        if at is None or path.at <= at:
            yield path.face, Claim(_PATH, path.individual)
    for word in stand:
        if word.verb in (Verb.CONFIRM, Verb.SPLIT) and word.face is not None and word.individual:
            yield word.face, Claim(word.id, word.individual)


def _of_machine(recognitions: Iterable[Recognition], at: datetime | None) -> Iterator[tuple[int, Claim]]:
    """What its newest version said, where that is a name."""
    newest: dict[int, Recognition] = {}
    for one in recognitions:
        if (at is None or one.at <= at) and (one.face not in newest or one.at >= newest[one.face].at):
            newest[one.face] = one
    for face, one in newest.items():
        if one.verdict != "unsure" and one.individual:
            yield face, Claim(_MACHINE, one.individual, one.similarity or 0.0)


def _denials(stand: Iterable[Word]) -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = {}
    for word in stand:
        if word.verb is Verb.DENY and word.face is not None and word.individual:
            found.setdefault(word.face, []).append((word.id, word.individual))
    return found


def _beaten(claim: Claim, denials: Iterable[tuple[int, str]], names: Names) -> bool:
    return any(
        order > claim.order and names.then(whom, order) == names.then(claim.individual, order)
        for order, whom in denials
    )


def _part(found: dict[int, Claim], one: int, other: int, order: int, names: Names) -> None:
    """Two faces that differ and have one name: the weaker name goes, unless a newer word gave it."""
    if names.then(found[one].individual, order) != names.then(found[other].individual, order):
        return
    weaker = min((one, other), key=lambda face: (found[face].order, found[face].similarity, -face))
    if found[weaker].order < order:
        del found[weaker]


def facts(words: Iterable[Word], at: datetime | None = None) -> dict[str, dict[str, Any]]:
    """What people said of each individual: the newest standing word for each fact.

    An individual that others were merged into has their facts where nothing was said of itself.
    """
    stand = standing(words, at)
    names = Names(stand)
    found: dict[str, dict[str, Any]] = {}
    for own in (False, True):
        for word in stand:
            if word.verb not in (Verb.NAME, Verb.SET) or word.individual is None:
                continue
            whom = names.now(word.individual)
            if (whom == word.individual) == own:
                found.setdefault(whom, {}).update({key: word.value[key] for key in FACTS if key in word.value})
    return found


def vouched(words: Iterable[Word], at: datetime | None = None) -> set[str]:
    """The individuals that people have said something good of, and be it that another one is they."""
    stand = standing(words, at)
    names = Names(stand)
    good = {word.individual for word in stand if word.verb is not Verb.DENY and word.individual}
    return {names.now(individual) for individual in good}
