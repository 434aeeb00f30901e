"""A process that changes the model in service without a pause, until it is killed.  It imports no torch."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from station import promotions
from station.promotions import By, Kind, Place


def promote_without_end(database: Path, link: Path, names: list[str]) -> None:
    place = Place(database, link)
    for name in cycle(names):
        now = datetime.now(UTC)
        with promotions.alone(place):
            promotions.reconcile(place, now)
            if place.target() != link.parent / name:
                promotions.change(place, link.parent / name, Kind.PROMOTION, By.GATE, "better", now)
