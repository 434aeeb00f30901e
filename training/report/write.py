"""A study's results as files in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from station.domain import StationError
from training.files import replacing
from training.report.exports import folds_csv, out_of_fold_csv, results_csv, results_json
from training.report.measures import Measures
from training.results import Study

PAGE = "report.html"


class ReportError(StationError):
    """The page cannot be made; the tables are there."""


def write(study: Study, measures: Measures, folder: Path) -> None:
    """Writes `report.html`, `results.csv`, `results.json`, `folds.csv` and `out_of_fold.csv`, each all at once.

    The page comes last, so that the tables are there where it cannot be made: it raises `ReportError` where what it is
    made with is not installed.  Raises `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _tables(study, measures):
        _replace(folder / name, text)
    _replace(folder / PAGE, _page(study, measures))


def _tables(study: Study, measures: Measures) -> Iterator[tuple[str, str]]:
    yield "results.csv", results_csv(study)
    yield "results.json", results_json(study, measures)
    yield "folds.csv", folds_csv(study)
    yield "out_of_fold.csv", out_of_fold_csv(study)


def _page(study: Study, measures: Measures) -> str:
    try:
        from training.report.page import page  # noqa: PLC0415 (a machine that only trains need not have these)
    except ModuleNotFoundError as error:
        raise ReportError(
            f"{PAGE} was not made: {error.name} is not installed here; results.csv, results.json, folds.csv and "
            "out_of_fold.csv are. Install matplotlib and jinja2, or run the same command with --resume on the folder "
            "where they are installed"
        ) from error
    return page(study, measures)


def _replace(file: Path, text: str) -> None:
    with replacing(file) as handle:
        handle.write(text.encode())
