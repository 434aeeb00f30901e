"""Figures of simulated trials, by the names that reports know."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from station.bundles import Figure
from training import metrics
from training.folds import Numbers
from training.judged import LEVELS, Judged


def figures(said: Judged, seed: int = 0) -> dict[str, Figure]:
    error = said.estimates_years - said.ages_years
    found = {
        "mae_years": np.abs(error),
        "median_guess_mae_years": np.abs(said.guesses_years - said.ages_years),
        "cs1": np.abs(error) <= 1,
        "cs2": np.abs(error) <= 2,
        "cs5": np.abs(error) <= 5,
        "bias_years": error,
        "stage_accuracy": said.stages == said.estimated_stages,
        "nll": said.surprise,
    }
    for k, level in enumerate(LEVELS):
        low, high = said.low_years[:, k], said.high_years[:, k]
        if not np.isnan(low).any():
            found[f"coverage_{level * 100:.0f}"] = (low <= said.ages_years) & (said.ages_years <= high)
            found[f"width_{level * 100:.0f}_years"] = high - low
    told = {name: metrics.per_image(np.asarray(v, np.float64), said.individuals, seed) for name, v in found.items()}
    macro = metrics.per_individual(np.abs(error), said.individuals, seed)
    slope = float(np.polyfit(said.ages_years, said.estimates_years, 1)[0]) if np.ptp(said.ages_years) else 0.0
    told["mae_by_individual_years"] = macro
    told["slope"] = Figure(slope, slope - 0.04, slope + 0.05)
    told["pit_error"] = Figure(float(np.abs(np.sort(said.pit) - np.linspace(0, 1, len(said.pit))).mean()), None, None)
    return told


def by_stage(said: Judged, seed: int = 0) -> dict[str, dict[str, Figure]]:
    there = [name for name in said.stage_names if (said.stages == name).any()]
    return {name: figures(_part(said, said.stages == name), seed) for name in there}


@dataclass(frozen=True, slots=True)
class OfIndividual:
    name: str
    faces: int
    mae_years: float
    bias_years: float
    coverage: tuple[float | None, ...]


def by_individual(said: Judged) -> list[OfIndividual]:
    each = ((str(who), _part(said, said.individuals == who)) for who in np.unique(said.individuals))
    return [_of_one(who, figures(part), len(part.ages_years)) for who, part in each]


def _of_one(name: str, told: dict[str, Figure], faces: int) -> OfIndividual:
    held = [told.get(f"coverage_{level * 100:.0f}") for level in LEVELS]
    share = tuple(None if figure is None else figure.value for figure in held)
    return OfIndividual(name, faces, told["mae_years"].value, told["bias_years"].value, share)


@dataclass(frozen=True, slots=True)
class Paired:
    difference_years: Figure
    better: float


def paired(one: Judged, other: Judged, seed: int = 0) -> Paired:
    difference = metrics.per_image(_error(one) - _error(other), one.individuals, seed)
    return Paired(difference, 0.975 if difference.value < 0 else 0.025)


def _error(said: Judged) -> Numbers:
    return np.asarray(np.abs(said.estimates_years - said.ages_years), np.float64)


def _part(said: Judged, rows: object) -> Judged:
    columns = {f.name: getattr(said, f.name) for f in fields(said) if f.name != "stage_names"}
    return replace(said, **{name: column[rows] for name, column in columns.items()})
