"""A new version of the embedding: the faces that it is to know individuals by are looked at again.

Vectors of different versions are never compared, so without this a new bundle, or the first with an identity part,
would take every animal for a new one.  What is done is committed as it goes; a picture that is gone is passed over.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from station import embeddings
from station.ages import Ages
from station.bundles import Identity
from station.domain import Pixels
from station.embeddings import Place
from station.exemplars import Shelf
from station.pictures import BadPicture, Picture
from station.store import Store

log = logging.getLogger(__name__)
_AT_ONCE = 32


class Reembedding:
    """Of the exemplars of all known individuals, as far as their pictures are still there."""

    def __init__(self, store: Store, ages: Ages, identity: Identity, most_pixels: int) -> None:
        self._store, self._ages, self._identity, self._most_pixels = store, ages, identity, most_pixels

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
        with self._store.asking() as db:
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
        crops = list(self._crops(places))
        if not crops:
            return 0
        _, vectors = self._ages.run(np.concatenate([crop for _, crop in crops]))
        with self._store.writing() as db:
            embeddings.renew(db, self._identity.version, zip((face for face, _ in crops), vectors, strict=True))
        return len(crops)

    def _crops(self, places: list[Place]) -> Iterator[tuple[int, Pixels]]:
        card = self._ages.card
        for place in places:
            try:
                data = Path(place.path).read_bytes()
                if hashlib.sha256(data).hexdigest() == place.digest:
                    picture = Picture(data, self._most_pixels)
                    yield place.face, picture.crops([place.box], card.input_px, card.crop_margin)
            except (BadPicture, OSError):
                continue
