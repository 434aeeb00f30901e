"""`[retraining]` and `[models]`: how a new model comes about, and how it is watched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from station.sections.section import Section


class Retraining(Section):
    """How the station trains itself anew on what people confirmed, and what the gate asks of a new model."""

    base: tuple[Path, ...] = Field(
        (), description="the manifests that the first bundle was fitted on; they stay in the mix, and are known by hash"
    )
    faces: Literal["all", "vouched"] = Field(
        "all",
        description="all: every face of a confirmed individual; vouched: only those that a person or a path named",
    )
    least_faces: int = Field(100, ge=1, description="with fewer newly labelled faces nothing is trained")
    least_individuals: int = Field(3, ge=1, description="with newly labelled faces of fewer animals nothing is trained")
    holdout: float = Field(
        0.3, gt=0, lt=1, description="share of the animals that are never trained on, so that they can judge"
    )
    holdout_days: int = Field(
        60, ge=1, description="only pictures of so many days judge, and only older ones are trained on"
    )
    least_judges: int = Field(9, ge=2, description="with fewer animals to judge by nothing is trained")
    backbone: Literal["frozen", "trained"] = Field(
        "frozen", description="frozen: only the head is fitted; trained: the whole network, which takes long"
    )
    weights: str = Field("auto", description="what fitting starts from: auto (pretrained), none or a file")
    epochs: int = Field(8, ge=1, description="of training the whole network")
    folds: int = Field(5, ge=2, description="parts of the animals, each judged by a model fitted on the others")
    promote: Literal["gate", "person"] = Field(
        "gate", description="gate: a model that passes goes into service; person: it waits for `station models promote`"
    )
    certain: float = Field(0.95, ge=0.5, lt=1, description="how surely a new model must not be worse")
    tolerated: float = Field(
        0.05, ge=0, le=1, description="worse is more than this share of the old model's error above it"
    )
    better: float = Field(0.8, ge=0.5, lt=1, description="how surely it must be better")
    stage_margin: float = Field(
        0.15, ge=0, description="in a life stage it may be worse by this share of the old model's error there"
    )
    stage_margins_years: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="the same in years, for life stages by name"
    )
    coverage_least: float = Field(0.85, ge=0, le=1, description="share of true ages that its 90% intervals must hold")
    coverage_most: float = Field(0.95, ge=0, le=1, description="intervals that hold more are wider than need be")
    speed: float = Field(0.8, gt=0, description="pictures a second on this box, as a share of the old model's")
    shadow_faces: int = Field(
        200, ge=0, description="newest faces that a new model looks at beside the old one before it goes into service"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.coverage_least >= self.coverage_most:
            raise ValueError("coverage_least must be below coverage_most: write shares such as 0.85 and 0.95")
        return self


class Models(Section):
    """The watch over a model after its promotion; where it made the station worse, the one of before comes back."""

    watch_days: float = Field(14, ge=0, description="days for which a promotion is watched; 0: it is not")
    watch_error_years: float = Field(
        0.5, gt=0, description="years by which the error on animals of known birth date may be above the former model's"
    )
    watch_animals: int = Field(
        3, ge=2, description="animals of known birth date that must have been seen since for that to count"
    )
    watch_speed: float = Field(
        0.8, ge=0, le=1, description="share of the former model's images/s below which a self-check counts against it"
    )
    kept: int = Field(
        5,
        ge=0,
        description="so many of the newest retrained bundles stay whole; of older ones that nothing needs, retention "
        "leaves the card and the gate's words",
    )
