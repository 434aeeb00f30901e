"""`[project]`: the study that the pictures are taken for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from station.sections.section import Section


class Project(Section):
    """What a package of data says of the study; `station export camtrap-dp` names what it misses."""

    title: str = Field("", description="the study's title")
    description: str = Field("", description="what it is for, in a few sentences")
    sampling_design: Literal[
        "", "simpleRandom", "systematicRandom", "clusteredRandom", "experimental", "targeted", "opportunistic"
    ] = Field(
        "",
        description="how the places were chosen: simpleRandom, systematicRandom, clusteredRandom, experimental, "
        "targeted or opportunistic",
    )
    capture_method: tuple[Literal["activityDetection", "timeLapse"], ...] = Field(
        ("activityDetection",),
        description="what made the cameras take pictures: activityDetection, timeLapse",
        min_length=1,
    )
    one_species: bool = Field(
        False, description="every animal that is boxed is of the station's species; false: only those that people know"
    )
    contact: str = Field("", description="the person to ask")
    email: str = Field("", description="of the contact")
    organization: str = Field("", description="that publishes the data; empty: the contact does")
    data_license: str = Field("", description="such as CC0-1.0 or CC-BY-4.0; empty: none is given")
    media_license: str = Field("", description="of the pictures; give both licences or none")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.data_license) != bool(self.media_license):
            raise ValueError("give data_license and media_license, or neither: a package names both")
        return self
