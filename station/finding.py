"""Faces found by a trained finder: in the whole frame and its tiles, or inside the boxes of animals.

A frame is looked at in views (`station.views`), which a JPEG is decoded for at no more than the size that they take;
the crops for the age model come from the full picture.  What is found is judged by what the age model would see: how
good a picture it is (`station.quality`), and whether it is of the species at all, where the bundle can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from station import quality, views
from station.bundles import GOLDEN, PROGRAM, BundleError
from station.detections import Detector
from station.domain import Box, Face, Flaw, Floats, Frame, Pixels
from station.faces import Found, sure
from station.finder_card import GATE, FinderCard, Gate, read_finder_card
from station.golden import Form, arrays
from station.pictures import Picture
from station.programs import Running

TOLERANCE = 0.05
"""How far a score may lie from the one that the bundle says it must be."""
LEAST_OVERLAP = 0.8
"""The least intersection over union of a face with the one that the bundle says must be there."""
_VIEWS_AT_ONCE = 16
_AROUND = 0.1
"""Added around an animal's box on each side, as a fraction of its longer side."""
_COVERED = 0.5
"""The share of a face inside the box of a person from which on it is that person's."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceGolden:
    """Golden inputs uint8 n x 3 x S x S, the boxes, n x N x 4, and the scores, n x N, that they must give."""

    inputs: Pixels
    boxes: Floats
    scores: Floats
    threshold: float
    """The score from which on a box is a face."""

    @classmethod
    def of(cls, bundle: Path, card: FinderCard) -> FaceGolden:
        """Raises `BundleError` where they cannot be read, or do not go with the card."""
        inputs, boxes, scores = arrays(bundle, "inputs", "boxes", "scores")
        wanted = (len(inputs), 3, card.input_px, card.input_px)
        if not len(inputs) or inputs.shape != wanted or boxes.shape != (*scores.shape, 4) or len(scores) != len(inputs):
            raise BundleError(
                f"{bundle / GOLDEN} holds inputs {inputs.shape}, boxes {boxes.shape} and scores {scores.shape}, which "
                f"do not go together, or not with {card.input_px} pixels"
            )
        return cls(inputs.astype(np.uint8), boxes, scores, card.threshold)

    def fault(self, form: Form) -> str:
        """As `Golden` says."""
        boxes, scores = form(self.inputs)
        if boxes.shape != self.boxes.shape or scores.shape != self.scores.shape:
            raise ValueError(
                f"the program gives boxes {boxes.shape} and scores {scores.shape}, not {self.boxes.shape} and "
                f"{self.scores.shape}"
            )
        off = float(np.abs(scores.max(axis=1) - self.scores.max(axis=1)).max())
        if not off <= TOLERANCE:
            return f"the surest score is off by {off:.3f}, more than {TOLERANCE}"
        missing = self._alone(self.boxes, self.scores, boxes, scores)
        if missing or self._alone(boxes, scores, self.boxes, self.scores):
            return "a face is not where it must be" if missing else "a face is found where there is none"
        return ""

    def _alone(self, boxes: Floats, scores: Floats, others: Floats, theirs: Floats) -> bool:
        """Whether some clear face of the one has none of about its place and score among the others."""
        for box, score, other, its in zip(boxes, scores, others, theirs, strict=True):
            clear = score >= self.threshold + TOLERANCE
            alike = np.abs(score[clear][:, None] - its[None]) <= TOLERANCE
            there = views.overlaps(box[clear], other) >= LEAST_OVERLAP
            if not (alike & there).any(axis=1).all():
                return True
        return False


@dataclass(frozen=True, slots=True, eq=False)
class GateGolden:
    """The golden inputs of a gate, uint8 n x 3 x G x G, and what it must say of each, n."""

    inputs: Pixels
    wanted: Floats

    @classmethod
    def of(cls, bundle: Path, gate: Gate) -> GateGolden:
        """Raises `BundleError` where they cannot be read, or do not go with the card."""
        inputs, wanted = arrays(bundle, "gate_inputs", "gate")
        if not len(inputs) or inputs.shape != (len(wanted), 3, gate.input_px, gate.input_px):
            raise BundleError(f"{bundle / GOLDEN} holds inputs {inputs.shape} for a gate of {gate.input_px} pixels")
        return cls(inputs.astype(np.uint8), wanted)

    def fault(self, form: Form) -> str:
        """As `Golden` says."""
        (told,) = form(self.inputs)
        if told.shape != self.wanted.shape:
            raise ValueError(f"the gate gives {told.shape}, not {self.wanted.shape}")
        off = float(np.abs(told - self.wanted).max())
        return "" if off <= TOLERANCE else f"what the gate says is off by {off:.3f}, more than {TOLERANCE}"


class TrainedFinder:
    """A loaded finder's bundle.  May be used by many threads at once; the device is one after the other's."""

    def __init__(self, bundle: Path, device: str = "auto") -> None:
        """Loads and checks it.  Raises `BundleError`."""
        self.card = card = read_finder_card(bundle)
        golden = FaceGolden.of(bundle, card)
        self.running = Running(bundle / PROGRAM, golden, device, _VIEWS_AT_ONCE, "view")
        self._gate = (
            Running(bundle / GATE, GateGolden.of(bundle, card.gate), self.running.device, _VIEWS_AT_ONCE)
            if card.gate
            else None
        )

    @property
    def programs(self) -> tuple[Running, ...]:
        """All that it runs."""
        return (self.running, self._gate) if self._gate else (self.running,)

    def find(self, frame: Frame, picture: Picture) -> Found:
        """In the whole frame and, where they are needed, its tiles."""
        card = self.card
        looked = views.views(picture.width, picture.height, card.input_px, card.least_face_share, card.views)
        return Found(self.seen(picture, looked))

    def seen(self, picture: Picture, looked: Sequence[Box]) -> tuple[Face, ...]:
        """The faces in these views, the surest first.  Raises `BadPicture`."""
        if not looked:
            return ()
        boxes, scores = self.running.run(picture.crops(looked, self.card.input_px))
        told = list(zip(boxes, scores, strict=True))
        places, certain = views.gathered(told, looked, self.card.views, self.card.threshold)
        return tuple(Face(Box(*map(float, place)), float(score)) for place, score in zip(places, certain, strict=True))

    def judge(self, picture: Picture, faces: tuple[Face, ...], crops: Pixels, margin: float) -> tuple[Face, ...]:
        """As `station.faces.Judge` says."""
        judged = [self._rated(picture, face, crop, margin) for face, crop in zip(faces, crops, strict=True)]
        good = [at for at, face in enumerate(judged) if face.flaw is None]
        for at, foreign in zip(good, self._foreign(picture, [judged[at].box for at in good]), strict=True):
            if foreign:
                judged[at] = replace(judged[at], flaw=Flaw.OTHER_SPECIES)
        return tuple(judged)

    def _rated(self, picture: Picture, face: Face, crop: Pixels, margin: float) -> Face:
        face_px = max(face.box.width * picture.width, face.box.height * picture.height)
        its = quality.measured(crop, face_px, margin)
        return replace(face, quality=its.score, flaw=its.flaw(self.card.quality))

    def _foreign(self, picture: Picture, boxes: Sequence[Box]) -> list[bool]:
        """Which are rather of something else than of the species."""
        gate = self.card.gate
        if gate is None or self._gate is None or not boxes:
            return [False] * len(boxes)
        (told,) = self._gate.run(picture.crops(boxes, gate.input_px, gate.crop_margin))
        return [bool(each < gate.least) for each in told]


class FacesOfAnimals:
    """Looks for faces inside the boxes of animals, at full resolution; people mask what they cover."""

    def __init__(self, finder: TrainedFinder, detector: Detector, threshold: float) -> None:
        """`threshold`: of the detector; below it, a person makes no frame one with people, and masks."""
        self._finder, self._detector, self._threshold = finder, detector, threshold

    def find(self, frame: Frame, picture: Picture) -> Found:
        """In each animal's box, a little widened."""
        seen = self._detector.detect(frame, picture)
        if people := len(sure(seen.people, self._threshold)):
            return Found((), people)
        animals = sure(seen.animals, self._threshold)
        faces = self._finder.seen(picture, [_around(each.box, picture) for each in animals])
        return Found(tuple(face for face in faces if not any(_covers(each.box, face.box) for each in seen.people)))


def _around(animal: Box, picture: Picture) -> Box:
    """A square view of an animal."""
    width, height = animal.width * picture.width, animal.height * picture.height
    side = max(1.0, max(width, height) * (1 + 2 * _AROUND))
    across, down = side / picture.width, side / picture.height
    return Box(animal.x + (animal.width - across) / 2, animal.y + (animal.height - down) / 2, across, down)


def _covers(person: Box, face: Box) -> bool:
    shared = views.intersections(_array(person), _array(face))[0, 0]
    return bool(shared >= _COVERED * face.width * face.height)


def _array(box: Box) -> Floats:
    return np.array([[box.x, box.y, box.width, box.height]], np.float32)
