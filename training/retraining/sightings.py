"""One face of an individual whose birth date people know, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from station.domain import Box, TimeSource


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face that could become a label."""

    face: int
    individual: str
    path: Path
    digest: str
    """SHA-256 of the picture, as it was when it was looked at."""
    box: Box
    width_px: int
    """Of the upright picture."""
    height_px: int
    captured_at: datetime | None
    """UTC."""
    source: TimeSource
    impossible: bool
    """The camera's clock was before 2000 or ahead of the station's."""
    born_on: date
    died_on: date | None
    provisional: bool
    """The machine made the individual, and nobody has confirmed it."""
    people: bool
    """The picture shows people too."""
    there: bool
    """Its file still lies where it lay, with the size and the time it had."""
    unusable: bool = False
    """The finder found that it tells no age."""
