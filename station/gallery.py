"""The faces that new ones are compared with, and whom they show.  The one room of usearch.

The gallery is a cache of the ledger: it is made from it at the start, and again when people have said something; what
it learns in between is what is recorded.  Faces are taken in the order of their pictures, each with what was learnt
from those before, so it does not matter where a batch or a run ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from usearch.index import Index

from station import embeddings
from station.bundles import Identity
from station.domain import Floats, Observation, Observed, Outcome, Recognition, Verdict
from station.embeddings import Glimpse
from station.exemplars import Exemplar, Shelf
from station.individuals import (
    Birth,
    Decision,
    Likeness,
    alike,
    assigned,
    contradicts,
    provisional,
    said_of,
    similarity,
)
from station.people import merged
from station.people import newest as newest_word
from station.store import Store

BURST_S = 120.0
"""Faces of one camera no further apart may be of one visit."""
_REMEMBERED = 256
_NEAREST = 64
"""Exemplars looked up for a face; whose they are is then compared with all of theirs."""
_COMPARED = 8
"""Individuals compared in full."""


class Gallery:
    """Exemplars of all known individuals, in one version of the embedding.  Used by one thread."""

    def __init__(self, size: int) -> None:
        """`size`: E."""
        self._index = Index(ndim=size, metric="ip", dtype="f16", connectivity=16, expansion_add=32, expansion_search=64)
        self._shelves: dict[str, Shelf] = {}
        self._owner: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._shelves)

    def __contains__(self, individual: object) -> bool:
        return individual in self._shelves

    def learn(self, individual: str, exemplar: Exemplar, vector: Floats) -> None:
        """One more face of an individual."""
        if exemplar.key in self._owner:
            return
        gone = self._shelves.setdefault(individual, Shelf()).offer(exemplar)
        if gone != exemplar.key:
            self._index.add(exemplar.key, vector)
            self._owner[exemplar.key] = individual
        if gone is not None and gone in self._owner:
            self._index.remove(gone)
            del self._owner[gone]

    def arrange(self, shelves: dict[str, Shelf]) -> list[int]:
        """Takes these shelves instead of its own; the keys whose vectors it lacks (`complete`)."""
        owner = {key: individual for individual, shelf in shelves.items() for key in shelf.keys}
        for key in self._owner.keys() - owner.keys():
            self._index.remove(key)
        lacking = list(owner.keys() - self._owner.keys())
        self._shelves, self._owner = shelves, owner
        return sorted(lacking)

    def complete(self, vectors: Mapping[int, Floats]) -> None:
        """The vectors that were lacking, by key."""
        if vectors:
            self._index.add(np.fromiter(vectors, np.uint64, len(vectors)), np.stack(list(vectors.values())))

    def likenesses(self, vector: Floats, birth: Birth | None = None) -> list[Likeness]:
        """The individuals most like a face, but for those whose age contradicts that they are one."""
        if not len(self._index):
            return []
        near = self._index.search(vector, _NEAREST, threads=1).keys
        candidates = list(dict.fromkeys(self._owner[int(key)] for key in np.atleast_1d(near)))[:_COMPARED]
        return [
            Likeness(name, similarity(self._exemplars(name) @ vector))
            for name in candidates
            if not _vetoed(birth, self._shelves[name].birth)
        ]

    def _exemplars(self, individual: str) -> Floats:
        keys = np.array(self._shelves[individual].keys, np.uint64)
        found: Any = self._index.get(keys)
        return np.stack(found).astype(np.float32)


def _vetoed(face: Birth | None, individual: Birth | None) -> bool:
    return face is not None and individual is not None and contradicts(face, individual)


class Recogniser:
    """Names the faces of the Line's outcomes."""

    def __init__(self, store: Store, identity: Identity, species: str) -> None:
        """Reads what is known from the ledger.  `species`: what new animals are called after."""
        self._store, self._identity, self._species = store, identity, species
        self.gallery = Gallery(identity.size)
        self._word = -1
        with store.asking() as db:
            self._recent = deque(embeddings.newest(db, identity.version, _REMEMBERED), _REMEMBERED)
        self._catch_up()

    def __call__(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes with what the machine says of each face, and with the individuals that follow."""
        self._catch_up()
        return [self._named(outcome) if isinstance(outcome, Observed) else outcome for outcome in outcomes]

    def refresh(self) -> None:
        """The ledger knows more faces by this embedding than before.  May be called from any thread."""
        self._word = -1

    def _catch_up(self) -> None:
        """What people have said since changes who the faces show."""
        with self._store.asking() as db:
            word = newest_word(db)
            if word == self._word:
                return
            shelves: dict[str, Shelf] = {}
            faces: dict[int, int] = {}
            for named in embeddings.named(db, self._identity.version):
                shelves.setdefault(named.individual, Shelf()).offer(named.exemplar)
                faces[named.exemplar.key] = named.face
            lacking = {faces[key]: key for key in self.gallery.arrange(shelves)}
            found = embeddings.vectors(db, self._identity.version, list(lacking))
            self.gallery.complete({lacking[face]: vector for face, vector in found})
            self._names = embeddings.names(db)
            self._merged = merged(db)
            self._word = word

    def _named(self, outcome: Observed) -> Observed:
        if any(glimpse.frame == outcome.facts.digest for glimpse in self._recent):  # its twin came just before
            return outcome
        seen = [_rounded(observation) for observation in outcome.observations]
        births = [_birth(outcome, observation) for observation in seen]
        likenesses = {
            number: self.gallery.likenesses(self._template(outcome, observation), birth)
            for number, (observation, birth) in enumerate(zip(seen, births, strict=True))
        }
        decisions = assigned(likenesses, len(self.gallery), self._identity)
        said = self._said_of(outcome)
        told = [self._told(outcome, number, one, decisions[number], said) for number, one in enumerate(seen)]
        for number, observation in enumerate(told):
            self._learn(outcome, number, observation, births[number], bool(said))
        return replace(outcome, observations=tuple(told))

    def _said_of(self, outcome: Observed) -> str | None:
        """Whom the path names, as people call that animal since: folders keep the names of before a merge."""
        said = said_of(outcome)
        return self._merged.get(said, said) if said else None

    def _template(self, outcome: Observed, observation: Observation) -> Floats:
        """The face, with those of its burst that are of the same animal rather than of another."""
        own = observation.reading.embedding
        taken_s = _taken_s(outcome)
        burst = [own]
        for glimpse in self._recent:
            near = taken_s is not None and glimpse.taken_s is not None and abs(glimpse.taken_s - taken_s) <= BURST_S
            if near and glimpse.camera == outcome.frame.camera and alike(float(glimpse.vector @ own), self._identity):
                burst.append(glimpse.vector)
        mean = np.mean(burst, axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _told(
        self, outcome: Observed, number: int, observation: Observation, decision: Decision, said: str | None
    ) -> Observation:
        """What the machine says, and whose the face is by it or by a person's word, which goes before."""
        best, verdict = decision.best, decision.verdict
        individual = best.individual if best else None
        if verdict is Verdict.NEW and said and said in self.gallery:
            verdict = Verdict.UNSURE  # it is unlike what it is said to be: no second name for it
        elif verdict is Verdict.NEW:
            individual = said or self._new_name(outcome, number)
        recognition = Recognition(
            self._identity.version,
            verdict,
            individual,
            best.similarity if best else None,
            decision.runner_up.individual if decision.runner_up else None,
            decision.runner_up.similarity if decision.runner_up else None,
        )
        found = None if verdict is Verdict.UNSURE else individual
        return replace(observation, individual=said or found, recognition=recognition)

    def _new_name(self, outcome: Observed, number: int) -> str:
        digest = sha256(f"{outcome.facts.digest}/{number}".encode()).hexdigest()
        name = provisional(self._species, digest, self._names)
        self._names.add(name)
        return name

    def _learn(self, outcome: Observed, number: int, observation: Observation, birth: Birth | None, said: bool) -> None:
        vector, taken_s = observation.reading.embedding, _taken_s(outcome)
        self._recent.append(Glimpse(outcome.facts.digest, outcome.frame.camera, taken_s, vector))
        if observation.individual:
            exemplar = Exemplar(embeddings.key(outcome.facts.digest, number), taken_s, said, birth)
            self.gallery.learn(observation.individual, exemplar, vector)


def _rounded(observation: Observation) -> Observation:
    """With the embedding as the ledger will give it back."""
    reading = observation.reading
    vector = embeddings.unpacked(embeddings.packed(reading.embedding))
    return replace(observation, reading=replace(reading, embedding=vector))


def _taken_s(outcome: Observed) -> float | None:
    taken = outcome.facts.captured
    return taken.utc.timestamp() if taken.utc and not taken.impossible else None


def _birth(outcome: Observed, observation: Observation) -> Birth | None:
    estimate = observation.reading.estimate
    return embeddings.birth(_taken_s(outcome), estimate.age_years, estimate.sd_years)
