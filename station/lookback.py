"""Faces of the ledger, looked at again: cut out of their originals, where these are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from station.bundles import Card
from station.domain import Pixels, Reason
from station.embeddings import Place
from station.pictures import BadPicture, Picture


def crops(places: Sequence[Place], card: Card, most_pixels: int) -> Iterator[tuple[Place, Pixels | Reason]]:
    """Each face as the card wants it, uint8 1 x 3 x S x S, or why there is none.

    A picture is read once for those of its faces that stand side by side.
    """
    for (path, digest), group in groupby(places, key=lambda place: (place.path, place.digest)):
        its = list(group)
        try:
            picture = Picture(_bytes(path, digest), most_pixels)
            cut = picture.crops([place.box for place in its], card.input_px, card.crop_margin)
        except BadPicture as error:
            yield from ((place, error.reason) for place in its)
        else:
            yield from zip(its, (cut[n : n + 1] for n in range(len(its))), strict=True)


def _bytes(path: str, digest: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise BadPicture(Reason.VANISHED, "the original is gone") from None
    except OSError as error:
        raise BadPicture(Reason.UNREADABLE, f"the original cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise BadPicture(Reason.CHANGED, "another picture lies in its place")
    return data
