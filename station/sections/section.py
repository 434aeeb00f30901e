"""What all sections have in common."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from station.times import zone

NAME = re.compile(r"[A-Za-z0-9_-]+")


class Section(BaseModel):
    """One table of the file: every key is known, and none changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def plain_name(value: str) -> str:
    """Raises `ValueError` where it cannot be part of a topic or a folder's name."""
    if not NAME.fullmatch(value):
        raise ValueError("use letters, digits, - and _ only")
    return value


def known_zone(value: str | None) -> str | None:
    """Raises `ValueError` where it is no time zone."""
    if value is not None:
        zone(value)
    return value
