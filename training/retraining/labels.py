"""Labels by arithmetic: an animal's birth date and the day of a picture are an age.  Pure rules.

A label that cannot be right is refused with its reason, and stands in the report: one wrong birth date is a hundred
wrong labels, and one reset clock as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from pathlib import Path

from station.domain import WHOLE, Box, TimeSource
from training.manifest import PixelBox
from training.retraining.sightings import Sighting

_DAYS_PER_YEAR = 365.25
_EXAMPLES = 3


class Why(StrEnum):
    """Why a face is no label, in words."""

    UNCONFIRMED = "nobody has confirmed the individual: the machine made it"
    PEOPLE = "the picture shows people"
    UNUSABLE = "the face cannot be used: too small, blurred, badly lit, or of another species"
    GONE = "the picture is no longer there, or is another one"
    NO_TIME = "the picture has no time"
    CLOCK = "the camera's clock is suspect: before 2000, or ahead of the station's"
    FILE_TIME = "the time is the file's, not the camera's, and may be that of a copy"
    BEFORE_BIRTH = "the picture is older than the animal: the birth date or the camera's clock is wrong"
    AFTER_DEATH = "the picture is of after the animal's death: the date or the camera's clock is wrong"
    TOO_OLD = "no animal of the species grows so old: the birth date or the camera's clock is wrong"


@dataclass(frozen=True, slots=True)
class Label:
    """A face of known age."""

    face: int
    individual: str
    path: Path
    digest: str
    box: PixelBox | None
    """None: the whole picture is the face."""
    captured: datetime
    """In the station's zone, where days begin and end."""
    born_on: date

    @property
    def age_years(self) -> float:
        """On the day of the picture."""
        return (self.captured.date() - self.born_on).days / _DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Refused:
    """A face that is no label."""

    face: int
    individual: str
    path: Path
    why: Why


@dataclass(frozen=True, slots=True)
class Labels:
    """What people's word gives."""

    kept: tuple[Label, ...]
    refused: tuple[Refused, ...]

    def refusals(self) -> list[str]:
        """Each reason once, with how many faces it costs and some of the individuals."""
        found = Counter(one.why for one in self.refused)
        return [f"{number} x {why.value} ({self._examples(why)})" for why, number in found.most_common()]

    def _examples(self, why: Why) -> str:
        names = list(dict.fromkeys(one.individual for one in self.refused if one.why is why))
        return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")


def labels(sightings: Iterable[Sighting], longevity_years: float | None, zone: tzinfo) -> Labels:
    """Of all that was seen; `longevity_years` None: the species' is not known, and no age is too old."""
    kept: list[Label] = []
    refused: list[Refused] = []
    for seen in sightings:
        found = _labelled(seen, longevity_years, zone)
        if isinstance(found, Label):
            kept.append(found)
        else:
            refused.append(Refused(seen.face, seen.individual, seen.path, found))
    return Labels(tuple(kept), tuple(refused))


def _labelled(seen: Sighting, longevity_years: float | None, zone: tzinfo) -> Label | Why:
    if doubt := _unusable(seen):
        return doubt
    assert seen.captured_at is not None
    local = seen.captured_at.astimezone(zone)
    label = Label(seen.face, seen.individual, seen.path, seen.digest, _in_pixels(seen), local, seen.born_on)
    if local.date() < seen.born_on:
        return Why.BEFORE_BIRTH
    if seen.died_on and local.date() > seen.died_on:
        return Why.AFTER_DEATH
    if longevity_years is not None and label.age_years > longevity_years:
        return Why.TOO_OLD
    return label


def _unusable(seen: Sighting) -> Why | None:
    """What speaks against the face whatever its age."""
    doubts = (
        (seen.provisional, Why.UNCONFIRMED),
        (seen.people, Why.PEOPLE),
        (seen.unusable, Why.UNUSABLE),
        (seen.captured_at is None, Why.NO_TIME),
        (seen.impossible, Why.CLOCK),
        (seen.source is TimeSource.FILE, Why.FILE_TIME),
        (not seen.there, Why.GONE),
    )
    return next((why for holds, why in doubts if holds), None)


def _in_pixels(seen: Sighting) -> PixelBox | None:
    return None if seen.box == WHOLE else pixel_box(seen.box, seen.width_px, seen.height_px)


def pixel_box(box: Box, width_px: int, height_px: int) -> PixelBox:
    """A box in fractions of a picture, in its pixels."""
    return PixelBox(box.x * width_px, box.y * height_px, box.width * width_px, box.height * height_px)


def individuals(kept: Sequence[Label]) -> set[str]:
    """Whose faces they are."""
    return {label.individual for label in kept}
