"""What is different from the census before, and why.  Pure rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from station.species import Species

_DAYS_PER_YEAR = 365.25
GREW, WORD, MODEL, PICTURES = "grew older", "a person's word", "another model", "more pictures"


@dataclass(frozen=True, slots=True)
class Was:
    """One animal as a census has it."""

    label: str
    stage: str
    born: date
    images: int
    word: str
    models: Mapping[str, int] | None = None
    """How many of its ages each version told; None: a census of before that was not noted."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the census before said."""

    on: date
    model: str | None
    animals: Mapping[str, Was]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Before:
        """From the JSON of a census."""
        animals = {
            one["id"]: Was(
                one["name"] or one["id"],
                one["stage"],
                date.fromisoformat(one["born"]),
                one["images"],
                one["word"],
                one.get("models"),
            )
            for one in told["individuals"]
        }
        return cls(date.fromisoformat(told["on"]), told["ledger"]["model"], animals)


@dataclass(frozen=True, slots=True)
class Transition:
    """An animal whose life stage is another one than last time."""

    id: str
    label: str
    was: str
    now: str
    cause: str


@dataclass(frozen=True, slots=True)
class Left:
    """An animal that was counted last time and is not now."""

    id: str
    label: str
    why: str


def transitions(
    before: Before, now: Mapping[str, Was], species: Species, on: date, model: str | None
) -> tuple[Transition, ...]:
    """By name."""
    found = [
        Transition(id, one.label, was.stage, one.stage, _cause(was, one, species, on, before.model != model))
        for id, one in now.items()
        if (was := before.animals.get(id)) and was.stage != one.stage
    ]
    return tuple(sorted(found, key=lambda change: (change.label, change.id)))


def _cause(was: Was, now: Was, species: Species, on: date, other_model: bool) -> str:
    """It grew older where what was known last time says the same of today; else what is new since."""
    if species.stage((on - was.born).days / _DAYS_PER_YEAR) == now.stage:
        return GREW
    if was.word != now.word:
        return WORD
    return MODEL if _told_by_another(was.models, now.models, other_model) else PICTURES


def _told_by_another(was: Mapping[str, int] | None, now: Mapping[str, int] | None, other_model: bool) -> bool:
    """A version told some of its ages that told none last time, or tells fewer: another one's count instead."""
    if was is None or now is None:
        return other_model
    return not now.keys() <= was.keys() or any(now.get(model, 0) < told for model, told in was.items())


def left(before: Before, now: Mapping[str, Was], whereabouts: Mapping[str, str]) -> tuple[Left, ...]:
    """By name, each with the reason."""
    other = "its pictures are now said to show others"
    gone = [Left(id, was.label, whereabouts.get(id, other)) for id, was in before.animals.items() if id not in now]
    return tuple(sorted(gone, key=lambda one: (one.label, one.id)))
