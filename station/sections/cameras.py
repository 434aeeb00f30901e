"""`[cameras.NAME]`: one camera or folder each, where it hangs and how its clock is read."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from station.sections.line import Faces
from station.sections.section import Section, known_zone


class Folder(Section):
    """How a camera folder is watched."""

    pattern: str = Field(
        "",
        description="what the folders below mean, such as {camera}/{individual}; DCIM and 100RECNX do not count",
    )
    recursive: bool = Field(True, description="look into the folders below")
    watch: Literal["inotify", "poll"] = Field("inotify", description="poll: for network shares, which send no events")
    settle_s: float = Field(2.0, ge=0, description="seconds a file keeps its size and time before it is taken unclosed")
    rescan_s: float = Field(300.0, ge=1, description="seconds between two listings of the folder")

    @field_validator("pattern")
    @classmethod
    def _parts(cls, value: str) -> str:
        parts = [part for part in value.split("/") if part]
        known = {"{camera}", "{individual}", "*"}
        if wrong := [part for part in parts if part not in known]:
            raise ValueError(f"{wrong[0]!r} is none of {{camera}}, {{individual}} and *")
        if len(set(parts) - {"*"}) != len([p for p in parts if p != "*"]):
            raise ValueError("a name can stand in it once")
        return "/".join(parts)


class Camera(Folder):
    """One camera, or one folder of several."""

    name: str = Field("", description="what people call it; empty: its id")
    folder: Path | None = Field(None, description="where its pictures arrive; none: a camera that a pattern names")
    timezone: str | None = Field(None, description="zone of its clock, if not the station's")
    clock_shift_s: float = Field(0.0, description="seconds to add to what its clock writes")
    file_time: bool = Field(False, description="take the file's time where a picture has none")
    faces: Faces | None = Field(None, description="its own [faces]; what it leaves out is as in the station's")
    silent_after_h: float | None = Field(
        None,
        ge=0,
        description="hours of silence since a picture that are told, if not by its rhythm; 0: it may be silent",
    )

    latitude: float | None = Field(None, ge=-90, le=90, description="where it hangs, in decimal degrees (WGS 84)")
    longitude: float | None = Field(None, ge=-180, le=180, description="the same, positive to the east")
    deployment_start: datetime | None = Field(
        None, description="when it was put up there; none: with its first picture. A camera that moves gets a new id"
    )
    deployment_end: datetime | None = Field(None, description="when it was taken down; none: with its newest picture")

    _timezone = field_validator("timezone")(known_zone)

    @field_validator("folder")
    @classmethod
    def _one_spelling(cls, value: Path | None) -> Path | None:
        return Path(os.path.abspath(value)) if value else None  # noqa: PTH100  `absolute` keeps `..`
