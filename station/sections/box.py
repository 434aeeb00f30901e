"""`[station]`: the box itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from station.sections.section import Section, known_zone, plain_name


class Station(Section):
    """The box itself."""

    id: str = Field("station", description="unique name of this station: letters, digits, - and _")
    timezone: str = Field("UTC", description="zone of the station and its cameras: a name or an offset like +08:00")
    database: Path = Field(Path("station.db"), description="the SQLite database")
    bundle: Path = Field(
        Path("models/current"), description="the age model in service: a bundle folder or a link to one"
    )
    species: str = Field(
        "", description="a species file's name or path; empty: the one the bundle names, if there is one"
    )

    _id = field_validator("id")(plain_name)
    _timezone = field_validator("timezone")(known_zone)
