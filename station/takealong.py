"""What the configuration names beside database and age model: in a backup or, being large or to be had again, not.

A restored configuration names the same things in the same order, maybe in other places: so order is what they are
known by.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from station.bundles import CARD
from station.sections.line import BESIDE, MEGADETECTOR, WHOLE, Faces
from station.settings import Settings

FINDERS, BASE = "finders", "base"


def finders(read: Settings) -> list[Path]:
    """The folders of the finders, as often as they are named."""
    return [Path(how.finder) for how in _looks(read) if how.finder not in (WHOLE, MEGADETECTOR)]


def names(places: list[Path], kind: str) -> list[str]:
    """Of each place its name in a backup, one for the same place; empty: nothing is there."""
    known = list(dict.fromkeys(places))
    there = {place: (place / CARD).is_file() if kind == FINDERS else place.is_file() for place in known}
    return [f"{kind}/{known.index(place)}" if there[place] else "" for place in places]


def files(read: Settings) -> Iterator[tuple[str, Path]]:
    """Every file of the finders and every manifest of `[retraining] base`, with its name in a backup."""
    for name, folder in sorted(set(zip(names(finders(read), FINDERS), finders(read), strict=True))):
        for file in sorted(folder.resolve().rglob("*")) if name else ():
            if file.is_file():
                yield f"{name}/{file.relative_to(folder.resolve()).as_posix()}", file
    base = list(read.retraining.base)
    for name, file in sorted(set(zip(names(base, BASE), base, strict=True))):
        if name:
            yield name, file


def left_out(read: Settings) -> Iterator[str]:
    """What a station needs and a backup of it has not, a sentence each."""
    for folder in _missing(finders(read), FINDERS):
        yield f"the finder {folder} is not in it, for there is no such bundle: a restored station does not start"
    for file in _missing(list(read.retraining.base), BASE):
        yield f"the manifest {file} of [retraining] base is not in it, for there is no such file"
    if any(file.is_file() for file in read.retraining.base):
        yield (
            "the manifests of [retraining] base are in it, the pictures that they name are not: keep a copy of these; "
            "without them a restored station works, but does not retrain"
        )
    weights = {how.megadetector for how in _looks(read)} - {"", BESIDE}
    for path in sorted(weights):
        yield f"MegaDetector's weights are not in it: a restored station needs {path}"
    if read.retraining.weights not in ("auto", "none"):
        yield f"[retraining] weights are not in it: to retrain, a restored station needs {read.retraining.weights}"


def _missing(places: list[Path], kind: str) -> list[Path]:
    return sorted({place for name, place in zip(names(places, kind), places, strict=True) if not name})


def _looks(read: Settings) -> list[Faces]:
    return [how for how in (read.faces, *(camera.faces for camera in read.cameras.values())) if how]
