"""The tables that take one trial or one data set apart: by life stage, by individual, by fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.folds import Numbers
from training.judged import LEVELS, Judged
from training.report.comparisons import INTERVALS
from training.report.measures import Figures, OfIndividual
from training.report.tables import Cell, Line, Table, cell
from training.report.wording import NOTHING, Unit, Wording, number, wording
from training.results import DataSet

_FACES = Wording("faces", "", Unit.NUMBER)
_INDIVIDUALS = Wording("individuals", "", Unit.NUMBER)
_AGES = Wording("ages", "", Unit.YEARS)
_MEDIAN = Wording("median age", "", Unit.YEARS)
_OF_A_STAGE = ("mae_years", "bias_years", "stage_accuracy")


def by_stage(judged: Judged, figures: Mapping[str, Figures]) -> Table:
    """A line a life stage, youngest first; of a single individual there is no interval."""
    there = {name for part in figures.values() for name in part}
    columns = [*(name for name in _OF_A_STAGE if name in there), *INTERVALS]
    lines = []
    for stage in judged.stage_names:
        rows = judged.stages == stage
        told = figures.get(stage)
        if told is None:
            continue
        counts = (Cell(f"{rows.sum():,}"), Cell(f"{len(np.unique(judged.individuals[rows])):,}"))
        lines.append(Line(stage, (*counts, *(cell(name, told.get(name)) for name in columns))))
    return Table("life stage", (_FACES, _INDIVIDUALS, *map(wording, columns)), tuple(lines))


def by_individual(judged: Judged, individuals: Sequence[OfIndividual]) -> Table:
    """A line an individual, the largest error first."""
    lines = []
    for one in sorted(individuals, key=lambda one: (-one.mae_years, one.name)):
        ages = judged.ages_years[judged.individuals == one.name]
        held = [NOTHING if share is None else number(share, Unit.SHARE) for share in one.coverage]
        errors = [number(one.mae_years, Unit.YEARS), number(one.bias_years, Unit.SIGNED_YEARS)]
        lines.append(Line(one.name, tuple(Cell(text) for text in [f"{one.faces:,}", _span(ages), *errors, *held])))
    columns = ["mae_years", "bias_years", *(f"coverage_{100 * level:.0f}" for level in LEVELS)]
    return Table("individual", (_FACES, _AGES, *map(wording, columns)), tuple(lines))


def folds(data: DataSet) -> Table:
    """What each fold was tested on."""
    lines = []
    for fold in np.unique(data.fold):
        rows = data.fold == fold
        ages, animals = data.known.ages_years[rows], np.unique(data.known.individuals[rows])
        texts = (f"{rows.sum():,}", f"{len(animals):,}", _span(ages), f"{np.median(ages):.3g}")
        lines.append(Line(f"{fold + 1}", tuple(Cell(text) for text in texts)))
    return Table("fold", (_FACES, _INDIVIDUALS, _AGES, _MEDIAN), tuple(lines))


def _span(ages: Numbers) -> str:
    low, high = ages.min(), ages.max()
    return f"{low:.3g}" if low == high else f"{low:.3g}–{high:.3g}"
