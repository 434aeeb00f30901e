"""Who is trained on and who judges, settled before anything is looked at.  Pure rules.

An animal judges or is trained on by the hash of its name, for good: no retraining ever sees the holdout's animals, so
that they can judge the model in service as well as the one that would take its place.  Whoever the model in service
was fitted on, under whatever name, can never judge it, and is trained on.  And time: only pictures from the `cut` on
judge, only older ones are trained on, so that what is measured is what a model will do with pictures to come.  The cut
lies later than everything that the model in service was fitted on: where that is not known face by face, later than
the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from training.retraining.labels import Label


@dataclass(frozen=True, slots=True)
class Acquainted:
    """Whom the model in service knows: nobody of these may judge it."""

    names: frozenset[str]
    """From its card, and from the base manifests."""
    faces: frozenset[int]
    """Of the station's own that it was fitted on: whatever their animal is called by now."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Labels by what is done with them."""

    train: tuple[Label, ...]
    judge: tuple[Label, ...]
    idle: tuple[Label, ...]
    """The holdout's older pictures, and newer ones of the others: they will be trained on later."""
    cut: datetime


def cut(now: datetime, days: int, known_until: Iterable[datetime]) -> datetime:
    """The moment from which on pictures judge; `known_until`: up to when models were fitted on pictures."""
    return max([now - timedelta(days=days), *known_until])


def sides(
    labels: Sequence[Label], acquainted: Acquainted, aliases: Mapping[str, frozenset[str]], share: float, cut: datetime
) -> Sides:
    """Each label's side; `share` of the animals, by the hash of their names, are the holdout's."""
    known = known_individuals(labels, acquainted, aliases)
    train: list[Label] = []
    judge: list[Label] = []
    idle: list[Label] = []
    for label in labels:
        juror = label.individual not in known and in_holdout(label.individual, share)
        late = label.captured >= cut
        side = {(True, True): judge, (False, False): train}.get((juror, late), idle)
        side.append(label)
    return Sides(tuple(train), tuple(judge), tuple(idle), cut)


def known_individuals(
    labels: Iterable[Label], acquainted: Acquainted, aliases: Mapping[str, frozenset[str]]
) -> set[str]:
    """The individuals that the model in service was fitted on, as they are called today."""
    names = {name.casefold() for name in acquainted.names}
    found: set[str] = set()
    for label in labels:
        called = aliases.get(label.individual, frozenset({label.individual}))
        if label.face in acquainted.faces or names & {name.casefold() for name in called}:
            found.add(label.individual)
    return found


def in_holdout(individual: str, share: float) -> bool:
    """By the hash of its name: the same today and in ten years, whatever else there is."""
    drawn = int.from_bytes(hashlib.sha256(f"holdout/{individual}".encode()).digest()[:8])
    return drawn < share * 2**64
