"""The page of a study: one file that needs nothing else, the same bytes for the same study.

Names and file names come from manifests: the template escapes all text, and only drawings made here pass as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2

from training.cautions import ALWAYS, scope
from training.report import breakdowns, comparisons, portraits, sentences
from training.report.measures import Measures
from training.report.plates import comparison, plates
from training.report.portraits import Pair, Portrait
from training.report.tables import Table
from training.report.trials import key, names, shown
from training.results import DataSet, Study, Trial


@dataclass(frozen=True, slots=True)
class Part:
    """All that is shown of one data set."""

    data: DataSet
    shown: str
    """The trial that plots, life stages and individuals are of."""
    near: Table
    sure: Table
    stages: Table
    individuals: Table
    folds: Table
    worst: tuple[Portrait, ...]
    twins: tuple[Pair, ...]
    cautions: tuple[str, ...]


def page(study: Study, measures: Measures) -> str:
    """The page as HTML; `study` has at least one complete trial."""
    room = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    return room.get_template("template.html").render(
        study=study,
        title=sentences.title(study),
        abstract=sentences.abstract(study),
        made=sentences.made(study),
        findings=sentences.grouped(measures.findings, [data.name for data in study.data]),
        chosen=sentences.chosen(study),
        compared=comparison(study),
        main=comparisons.main(study),
        paired=comparisons.paired(study, measures),
        speed=next((trial.speed for trial in study.trials if trial.speed is not None), None),
        closer=sentences.closer(study),
        plates=plates(study),
        always=ALWAYS,
        parts=[_part(study, data, trial, measures) for data, trial in shown(study)],
    )


def _part(study: Study, data: DataSet, trial: Trial, measures: Measures) -> Part:
    judged, seed = trial.judged, study.protocol.seed
    return Part(
        data,
        names(study)[key(trial)],
        comparisons.near(study, data.name),
        comparisons.sure(study, data.name),
        breakdowns.by_stage(judged, measures.by_stage(judged, seed)),
        breakdowns.by_individual(judged, measures.by_individual(judged)),
        breakdowns.folds(data),
        portraits.farthest_off(data.known, judged),
        portraits.twins(data),
        scope(data.known, trial.figures),
    )
