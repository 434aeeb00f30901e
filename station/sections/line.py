"""`[line]` and `[faces]`: how the pictures are worked on, and where the faces in them are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from station.sections.section import Section

WHOLE, MEGADETECTOR, BESIDE = "whole", "megadetector", "file"
"""The finders that are no bundle; and where MegaDetector's boxes are read from, if not had from its weights."""


class Line(Section):
    """How the pictures are worked on."""

    device: str = Field("auto", description="auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    program: Literal["fastest", "exported"] = Field(
        "fastest",
        description="how the model runs; fastest: measured here, within 0.05 years of exported: as the bundle holds it",
    )
    workers: int = Field(2, ge=1, le=64, description="threads that read and decode pictures")
    batch_faces: int = Field(32, ge=1, le=4096, description="faces in a batch at most")
    linger_s: float = Field(0.2, ge=0, le=60, description="seconds a face waits for others to fill its batch")
    max_file_mb: float = Field(100, gt=0, description="larger files are rejected unread")
    max_megapixels: float = Field(100, gt=0, description="larger pictures are rejected undecoded")


class Faces(Section):
    """Where the faces are in a frame."""

    finder: str = Field(
        WHOLE,
        description="whole: the picture is one face; megadetector: its boxes of animals; else the folder of a finder",
        min_length=1,
    )
    megadetector: str = Field(
        "",
        description="file: its boxes from megadetector.json beside the pictures; or its weights, which are run here; "
        "empty: none, so a finder looks at whole frames (for finder megadetector: file)",
    )
    threshold: float = Field(0.2, ge=0, le=1, description="MegaDetector boxes below this confidence are passed over")
