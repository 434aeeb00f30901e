"""Where the faces are in a frame.

A finder is anything with `find`: `Whole`, for pictures that were cropped upstream; `Animals`, which takes
MegaDetector's boxes of animals; and the trained ones of `station.finding`.  A frame that shows a person has no faces:
none of it is cropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from station.detections import Detector
from station.domain import WHOLE, Face, Frame, Pixels
from station.pictures import Picture


@dataclass(frozen=True, slots=True)
class Found:
    """The faces of a frame, or how many people there are; with people in it, it has no faces."""

    faces: tuple[Face, ...]
    people: int = 0


class Finder(Protocol):
    """Finds the faces in a frame; may be called from many threads at once."""

    def find(self, frame: Frame, picture: Picture) -> Found:
        """Raises `BadPicture` where it cannot say."""
        ...


class Judge(Protocol):
    """Says how good pictures of faces are, and which cannot be used; may be called from many threads at once."""

    def __call__(self, picture: Picture, faces: tuple[Face, ...], crops: Pixels, margin: float, /) -> tuple[Face, ...]:
        """The same faces, in order; `crops` are theirs for the age model, uint8 N x 3 x S x S, with this margin."""
        ...


def as_found(_picture: Picture, faces: tuple[Face, ...], _crops: Pixels, _margin: float, /) -> tuple[Face, ...]:
    """The judge that asks nothing: what others cropped is not for us to refuse."""
    return faces


class Whole:
    """The whole picture is one face."""

    def find(self, frame: Frame, picture: Picture) -> Found:
        """The picture."""
        return Found((Face(WHOLE),))


class Animals:
    """The boxes of animals at or above a confidence, of a frame without people, are its faces."""

    def __init__(self, detector: Detector, threshold: float) -> None:
        self._detector, self._threshold = detector, threshold

    def find(self, frame: Frame, picture: Picture) -> Found:
        """As MegaDetector says."""
        seen = self._detector.detect(frame, picture)
        if people := len(sure(seen.people, self._threshold)):
            return Found((), people)
        return Found(sure(seen.animals, self._threshold))


def sure(boxes: tuple[Face, ...], threshold: float) -> tuple[Face, ...]:
    """Those at or above it."""
    return tuple(box for box in boxes if (box.confidence or 0.0) >= threshold)
