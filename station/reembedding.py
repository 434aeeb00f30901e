"""A new version of the embedding: the faces that it is to know individuals by are looked at again.

Vectors of different versions are never compared, so without this a new bundle, or the first with an identity part,
would take every animal for a new one.  What is done is committed as it goes, beside the vectors that are there; a
picture that is gone is passed over.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from station import embeddings, history, lookback
from station.ages import Ages
from station.bundles import Identity
from station.domain import Reason
from station.embeddings import Place
from station.exemplars import Shelf
from station.store import Store

log = logging.getLogger(__name__)
_AT_ONCE = 32


class Reembedding:
    """Of the exemplars of all known individuals, as far as their pictures are still there."""

    def __init__(self, store: Store, file: Path, ages: Ages, identity: Identity, most_pixels: int) -> None:
        """`file`: the store's database; it is read by a connection of its own, for which live pictures do not wait."""
        self._store, self._file, self._ages, self._identity = store, file, ages, identity
        self._most_pixels = most_pixels

    def run(self) -> None:
        """Does what is to be done."""
        places = self._wanted()
        if not places:
            return
        log.info("looking again at %d faces, to know their animals by the new embedding", len(places))
        done = sum(self._embed(places[begin : begin + _AT_ONCE]) for begin in range(0, len(places), _AT_ONCE))
        if done < len(places):
            log.warning(
                "%d of %d faces could not be looked at again, for their pictures are gone or changed; animals that are "
                "known by these alone will be taken for new ones",
                len(places) - done, len(places),
            )  # fmt: skip

    def _wanted(self) -> list[Place]:
        """Exemplars without an embedding of this version."""
        version = self._identity.version
        with history.reading(self._file) as db:
            shelves: dict[str, Shelf] = {}
            faces: dict[int, int] = {}
            for named in embeddings.named(db, version):
                shelves.setdefault(named.individual, Shelf()).offer(named.exemplar)
            full = {individual for individual, shelf in shelves.items() if shelf.full}
            for named in embeddings.strangers(db, version):
                if named.individual not in full:
                    shelves.setdefault(named.individual, Shelf()).offer(named.exemplar)
                    faces[named.exemplar.key] = named.face
            chosen = [faces[key] for shelf in shelves.values() for key in shelf.keys if key in faces]
            return embeddings.places(db, sorted(chosen))

    def _embed(self, places: list[Place]) -> int:
        found = lookback.crops(places, self._ages.card, self._most_pixels)
        crops = [(place.face, crop) for place, crop in found if not isinstance(crop, Reason)]
        if not crops:
            return 0
        _, vectors = self._ages.run(np.concatenate([crop for _, crop in crops]))
        with self._store.writing() as db:
            embeddings.renew(db, self._identity.version, zip((face for face, _ in crops), vectors, strict=True))
        return len(crops)
