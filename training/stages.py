"""Life stages: those of the species, or, where no file tells them, classes of age."""

from __future__ import annotations

import math

import numpy as np

from station.species import LifeStage, Species
from training.folds import Names, Numbers

_CLASSES = 5
_OLD_YEARS = 10.0
"""Where the oldest is older, classes begin at whole years; else at tenths."""


def stages_for(species: Species | None, ages_years: Numbers) -> tuple[LifeStage, ...]:
    """The species' life stages, or else classes that hold about a fifth of the ages each ("0-4 y": before the fifth
    birthday), fewer where many ages are the same."""
    if species is not None:
        return species.life_stages
    per_year = 1 if ages_years.max() > _OLD_YEARS else 10
    fifths = np.quantile(ages_years, np.linspace(0, 1, _CLASSES + 1)[1:-1], method="lower")
    _, *starts = sorted({_steps(age, per_year) for age in [ages_years.min(), *fifths]})
    return tuple(
        LifeStage(_name(start, end, per_year), start / per_year)
        for start, end in zip([0, *starts], [*starts, None], strict=True)
    )


def stages_at(stages: tuple[LifeStage, ...], ages_years: Numbers) -> Names:
    """The name of the life stage at each age, N."""
    starts = np.array([stage.from_years for stage in stages])
    reached = np.searchsorted(starts, ages_years, side="right") - 1
    return np.array([stage.name for stage in stages])[np.maximum(reached, 0)]


def _steps(age_years: float, per_year: int) -> int:
    return math.floor(age_years * per_year + 1e-9)


def _name(start: int, end: int | None, per_year: int) -> str:
    if end is None:
        return f"{start / per_year:g}+ y" if start else "all ages"
    return f"{start / per_year:g}-{(end - 1) / per_year:g} y"
