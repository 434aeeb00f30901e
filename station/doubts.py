"""What is most worth a person's minute: questions whose answer is open and would change the census.

Each question is about two faces: is this one the same animal as that one of an individual?  Its worth is how open the
answer is, 4 p (1 - p) of the probability that they are one animal, times what hangs on it: an animal more or fewer
among those seen in the window, or only the birth date of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlite_utils import Database

from station import people
from station.profiles import Picture, Profile
from station.times import iso
from station.words import Verb, standing

Vectors = npt.NDArray[np.float32]
EXEMPLARS = 16
"""So many faces of an individual are compared, the newest."""
BEST = 3
"""An individual is as similar to another as so many of their most similar faces are."""
NEAREST = 5
"""So many individuals are looked at closely for each."""
LEAST = 0.05
"""A question of less worth is not asked."""
ONE_ANIMAL, PART, LITTLE = 1.0, 0.5, 0.1
"""What hangs on an answer: an animal of the window, perhaps one, or only a birth date."""
CERTAINLY_WRONG = 2.0
"""Two faces of one picture with one name: one of the two is wrong, whatever they look like."""


@dataclass(frozen=True, slots=True)
class Odds:
    """The log odds that a face is of an individual rather than of another, at a similarity: slope x it + intercept."""

    slope: float = 12.0
    intercept: float = -6.0

    def probability(self, similarity: float | None) -> float:
        """Without a similarity nothing is known."""
        return 0.5 if similarity is None else 1 / (1 + math.exp(-(self.slope * similarity + self.intercept)))


@dataclass(frozen=True, slots=True)
class Question:
    """Is `face` the same animal as `other`, which is `individual`?"""

    kind: str
    """together, pair, unsure or swap"""
    face: int
    other: int
    individual: str
    shows: str | None
    """Whom `face` shows as yet."""
    probability: float
    """That they are one animal."""
    worth: float
    why: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the questions are made of."""

    profiles: Mapping[str, Profile]
    vectors: Mapping[int, Vectors]
    """By face, of one version of the embedding."""
    confirmed: frozenset[tuple[int, str]]
    """Faces with the individual that people said they are."""
    apart: frozenset[frozenset[str]]
    """Individuals that people told apart, or that one picture shows together."""
    denied: frozenset[tuple[int, str]]
    odds: Odds
    since: str
    """When the window of the census begins, ISO 8601."""

    def in_window(self, individual: str) -> bool:
        """Whether it was seen in the window."""
        profile = self.profiles.get(individual)
        return bool(profile and any((face.captured_at or "") >= self.since for face in profile.faces))

    def cosine(self, one: int, other: int) -> float | None:
        """Of two faces."""
        if one not in self.vectors or other not in self.vectors:
            return None
        return float(self.vectors[one] @ self.vectors[other])

    def similarity(self, face: int, individual: str) -> float | None:
        """Of a face to an individual, as the gallery reckons it."""
        cosines = [self.cosine(face, own.face) for own in self._elsewhere(face, individual)]
        known = sorted(cosine for cosine in cosines if cosine is not None)
        return float(np.mean(known[-BEST:])) if known else None

    def likest(self, face: int, individual: str) -> int | None:
        """The face of an individual, in another picture, that is most like a face; else its newest."""
        others = self._elsewhere(face, individual)
        if not others:
            return None
        best = max(others, key=lambda own: (self.cosine(face, own.face) or -1.0, own.captured_at or ""))
        return int(best.face)

    def _elsewhere(self, face: int, individual: str) -> list[Picture]:
        """The individual's newest faces in other pictures."""
        profile = self.profiles.get(individual)
        if profile is None:
            return []
        frame = next((own.frame for own in profile.faces if own.face == face), None)
        return [own for own in _newest(profile) if own.frame != frame]


def ledger(db: Database, profiles: Iterable[Profile], odds: Odds, since: datetime) -> Ledger:
    """Reads what is needed."""
    known = {profile.id: profile for profile in profiles}
    stand = standing(people.words(db))
    named = [word for word in stand if word.face is not None and word.individual]
    shows = {own.face: id for id, profile in known.items() for own in profile.faces}
    told = [
        frozenset((shows.get(word.face or 0, ""), word.individual or shows.get(word.value.get("other", 0), "")))
        for word in stand
        if word.verb is Verb.DENY
    ]
    return Ledger(
        known,
        _vectors(db, [own.face for profile in known.values() for own in _newest(profile)]),
        frozenset((word.face or 0, word.individual or "") for word in named if word.verb is not Verb.DENY),
        frozenset(told) | frozenset(_seen_together(known)),
        frozenset((word.face or 0, word.individual or "") for word in named if word.verb is Verb.DENY),
        odds,
        iso(since),
    )


def questions(db: Database, of: Ledger) -> list[Question]:
    """The most worthy first; one a face."""
    every = [*together(of), *pairs(of), *unsure(db, of), *swaps(of)]
    every.sort(key=lambda q: (-q.worth, q.face, q.other))
    asked: dict[int, Question] = {}
    for question in every:
        if question.worth >= LEAST:
            asked.setdefault(question.face, question)
    return list(asked.values())


def together(of: Ledger) -> Iterator[Question]:
    """Two faces of one picture are two animals: where they have one name, one of the two has it wrongly."""
    for id, profile in of.profiles.items():
        for frame in _of_one_picture(profile):
            for face in frame:
                other = of.likest(face, id)
                if other is not None and (face, id) not in of.confirmed:
                    p = of.odds.probability(of.similarity(face, id))
                    yield Question(
                        "together", face, other, id, id, p, CERTAINLY_WRONG - p,
                        f"one picture shows {profile.name} twice",
                    )  # fmt: skip


def pairs(of: Ledger) -> Iterator[Question]:
    """Individuals that look like one; of two that people know only what is all but certain."""
    ids = [id for id in of.profiles if any(own.face in of.vectors for own in _newest(of.profiles[id]))]
    if len(ids) < 2:
        return
    means = np.stack([_mean(of, id) for id in ids])
    for place, near in _nearest(means):
        one, other = ids[place], ids[near]
        if frozenset((one, other)) in of.apart:
            continue
        if _rank(of.profiles[one]) > _rank(of.profiles[other]):
            one, other = other, one
        cosine, face, its = _closest(of, one, other)
        p = of.odds.probability(cosine)
        both_known = not of.profiles[one].row["provisional"]
        if both_known and p < 0.9:
            continue
        seen = of.in_window(one) + of.in_window(other)
        stake = (LITTLE, PART, ONE_ANIMAL)[seen]
        names = f"{of.profiles[one].name} and {of.profiles[other].name}"
        yield Question("pair", face, its, other, one, p, 4 * p * (1 - p) * stake, f"{names} may be one animal")


def unsure(db: Database, of: Ledger) -> Iterator[Question]:
    """Faces of which the machine only guesses; one for an individual, a camera and a day."""
    rows = db.query(
        """SELECT face, recognitions.individual, similarity, camera, captured_at, max(recognised_at)
        FROM recognitions JOIN faces ON faces.id = face JOIN frames ON frames.id = frame
        WHERE verdict = 'unsure' AND faces.individual IS NULL AND recognitions.individual IS NOT NULL
        AND coalesce(unusable, '') = '' AND captured_impossible = 0
        GROUP BY face ORDER BY similarity DESC, face"""
    )
    told: set[tuple[str, str, str]] = set()
    for row in rows:
        face, id, day = row["face"], row["individual"], (row["captured_at"] or "")[:10]
        other = of.likest(face, id)
        if other is None or (face, id) in of.denied or (id, row["camera"], day) in told:
            continue
        told.add((id, row["camera"], day))
        p = of.odds.probability(row["similarity"])
        fresh = (row["captured_at"] or "") >= of.since
        stake = (PART if of.in_window(id) else ONE_ANIMAL) if fresh else LITTLE
        name = of.profiles[id].name
        yield Question("unsure", face, other, id, None, p, 4 * p * (1 - p) * stake, f"it may be {name}, or another one")


def swaps(of: Ledger) -> Iterator[Question]:
    """An animal that does not age a year a year: its strangest picture."""
    for id, profile in of.profiles.items():
        if not (profile.ageing and profile.ageing.suspect and profile.birth):
            continue
        strange = _strangest(profile, lambda face, id=id: (face, id) in of.confirmed)  # type: ignore[misc]
        other = of.likest(strange, id) if strange is not None else None
        if strange is None or other is None:
            continue
        p = of.odds.probability(of.similarity(strange, id))
        stake = ONE_ANIMAL if of.in_window(id) else PART
        rate = profile.ageing.years_per_year
        why = f"{profile.name} ages {rate:.1f} years a year: two animals may go by this name"
        yield Question("swap", strange, other, id, id, p, stake * max(0.5, 4 * p * (1 - p)), why)


def _newest(profile: Profile) -> list[Picture]:
    return sorted(profile.faces, key=lambda own: (own.captured_at or "", own.face), reverse=True)[:EXEMPLARS]


def _vectors(db: Database, faces: Sequence[int]) -> dict[int, Vectors]:
    """Of the version that most of these faces have."""
    sql = """SELECT face, identity, vector FROM (SELECT * FROM embeddings UNION ALL SELECT * FROM reembeddings)
        WHERE face IN ({})"""
    rows = list(people.chosen(db, sql, sorted(faces)))
    versions = [identity for _, identity, _ in rows]
    usual = max(sorted(set(versions)), key=versions.count, default=None)
    return {
        face: np.frombuffer(vector, np.float16).astype(np.float32)
        for face, identity, vector in rows
        if identity == usual
    }


def _seen_together(profiles: Mapping[str, Profile]) -> Iterator[frozenset[str]]:
    shown: dict[int, set[str]] = {}
    for id, profile in profiles.items():
        for own in profile.faces:
            shown.setdefault(own.frame, set()).add(id)
    for ids in shown.values():
        yield from (frozenset((one, other)) for one in ids for other in ids if one < other)


def _of_one_picture(profile: Profile) -> list[list[int]]:
    frames: dict[int, list[int]] = {}
    for own in profile.faces:
        frames.setdefault(own.frame, []).append(own.face)
    return [faces for faces in frames.values() if len(faces) > 1]


def _rank(profile: Profile) -> tuple[bool, int, str]:
    """Whose name stays when two are one: one that people know, one seen more often."""
    return not profile.row["provisional"], profile.images, profile.id


def _mean(of: Ledger, id: str) -> Vectors:
    mean = np.mean([of.vectors[own.face] for own in _newest(of.profiles[id]) if own.face in of.vectors], axis=0)
    unit: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-6)
    return unit


def _nearest(means: Vectors) -> list[tuple[int, int]]:
    """Pairs of rows, each once, that are among the nearest of either."""
    found = set()
    for begin in range(0, len(means), 1024):
        cosines = means[begin : begin + 1024] @ means.T
        cosines[np.arange(len(cosines)), np.arange(begin, begin + len(cosines))] = -2
        most = min(NEAREST, len(means) - 1)
        for row, near in enumerate(np.argpartition(-cosines, most - 1, axis=1)[:, :most]):
            found |= {(min(begin + row, int(n)), max(begin + row, int(n))) for n in near}
    return sorted(found)


def _closest(of: Ledger, one: str, other: str) -> tuple[float, int, int]:
    """How similar two individuals are, and their two most similar faces."""
    ours, theirs = ([own.face for own in _newest(of.profiles[id]) if own.face in of.vectors] for id in (one, other))
    cosines = np.stack([of.vectors[face] for face in ours]) @ np.stack([of.vectors[face] for face in theirs]).T
    row, column = np.unravel_index(int(np.argmax(cosines)), cosines.shape)
    return float(np.sort(cosines, axis=None)[-BEST:].mean()), ours[int(row)], theirs[int(column)]


def _strangest(profile: Profile, settled: Callable[[int], bool]) -> int | None:
    """The face whose age is furthest from what its birth date says, of those that nobody has confirmed."""
    if profile.birth is None:
        return None
    born = profile.birth.median().toordinal()
    aged = [
        (abs(own.age_years - (datetime.fromisoformat(own.captured_at).toordinal() - born) / 365.25), own.face)
        for own in profile.faces
        if own.age_years is not None and own.captured_at and not own.impossible and not settled(own.face)
    ]
    return max(aged)[1] if aged else None
