"""The figures of a study as files that other programs read.

| file | one row for |
|---|---|
| `results.csv` | each trial, wide: every figure in three columns, `mae_years`, `mae_years_low`, `mae_years_high` |
| `folds.csv` | each face of each data set, with the fold (0, 1, ...) in which it is tested |
| `out_of_fold.csv` | each face of each trial: what a model said that had not seen its individual |
| `results.json` | nothing: the whole study, all figures that the page shows, keys that stay |

Empty cells, and null, are unknown.  Texts stand as the manifests have them; paths as they were given.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from station.bundles import Figure
from training.judged import LEVELS
from training.report.measures import Measures
from training.report.trials import is_chosen, key, shown
from training.results import DataSet, Speed, Study, Trial

SCHEMA = 1
Cell = str | int | float | None
_DECIMALS = 6


def results_csv(study: Study) -> str:
    """Best first on each data set; the columns of figures are those that any trial has."""
    names = dict.fromkeys(name for trial in study.trials for name in trial.figures)
    return csv_of({**_described(study, trial), **_wide(trial, names)} for d in study.data for trial in study.on(d.name))


def _described(study: Study, trial: Trial) -> dict[str, Cell]:
    return {
        "data": trial.data,
        "network": trial.network,
        "loss": trial.loss,
        "weights": trial.weights,
        "chosen": int(is_chosen(study, trial)),
        "faces": len(trial.judged.individuals),
        "individuals": len(np.unique(trial.judged.individuals)),
        "parameters": trial.size.parameters,
        "macs": trial.size.macs,
        "fitting_s": rounded(trial.fitting_s),
        **_speed(trial.speed),
    }


def _speed(speed: Speed | None) -> dict[str, Cell]:
    columns = ("images_per_s", "slowest", "fastest", "runs", "batch", "device")
    named = (name if name == "images_per_s" else f"images_per_s_{name}" for name in columns)
    values = (None,) * len(columns) if speed is None else (getattr(speed, name) for name in columns)
    return dict(zip(named, values, strict=True))


def _wide(trial: Trial, names: Iterable[str]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for name in (*names, "random_split_mae_years"):
        figure = trial.random_split_mae_years if name == "random_split_mae_years" else trial.figures.get(name)
        cells[name] = None if figure is None else rounded(figure.value)
        cells[f"{name}_low"] = None if figure is None else rounded(figure.low)
        cells[f"{name}_high"] = None if figure is None else rounded(figure.high)
    return cells


def folds_csv(study: Study) -> str:
    """The splits, the same for every network."""
    return csv_of(
        {"data": data.name, **_face(data, row), "fold": int(data.fold[row])}
        for data in study.data
        for row in range(len(data.fold))
    )


def _face(data: DataSet, row: int) -> dict[str, Cell]:
    known = data.known
    return {
        "path": known.rows[row].path.as_posix(),
        "individual": str(known.individuals[row]),
        "age_years": rounded(known.ages_years[row]),
    }


def out_of_fold_csv(study: Study) -> str:
    """Every estimate of every trial; `low_90_years` and the like are ends of conformal intervals."""
    return csv_of(row for data in study.data for trial in study.on(data.name) for row in _estimates(data, trial))


def _estimates(data: DataSet, trial: Trial) -> Iterator[dict[str, Cell]]:
    judged = trial.judged
    for row in range(len(judged.individuals)):
        cells = {
            "data": data.name, "network": trial.network, "loss": trial.loss, "weights": trial.weights,
            **_face(data, row), "fold": int(judged.fold[row]),
            "estimate_years": rounded(judged.estimates_years[row]), "sd_years": rounded(judged.sd_years[row]),
        }  # fmt: skip
        for place, level in enumerate(LEVELS):
            cells[f"low_{100 * level:.0f}_years"] = rounded(judged.low_years[row, place])
            cells[f"high_{100 * level:.0f}_years"] = rounded(judged.high_years[row, place])
        yield cells


def results_json(study: Study, measures: Measures) -> str:
    """The study but for its faces; `schema` rises when a key changes its meaning."""
    whole: dict[str, Any] = {
        "schema": SCHEMA,
        "protocol": asdict(study.protocol),
        "planned": study.planned,
        "findings": list(measures.findings),
        "chosen": None if study.chosen is None else _identity(study.chosen),
        "data": [_data(data) for data in study.data],
        "trials": [_trial(study, trial, measures) for data in study.data for trial in study.on(data.name)],
        "closer": [_closer(study, trial, measures) for _, trial in shown(study)],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _identity(trial: Trial) -> dict[str, str]:
    network, loss, weights = key(trial)
    return {"data": trial.data, "network": network, "loss": loss, "weights": weights}


def _data(data: DataSet) -> dict[str, Any]:
    return {
        "name": data.name,
        "manifests": [asdict(manifest) for manifest in data.manifests],
        "faces": len(data.fold),
        "individuals": len(np.unique(data.known.individuals)),
        "left_out": data.known.left_out,
        "crop_margin": data.known.margin,
        "folds_sha256": data.folds_sha256,
        "near_duplicates": [
            {
                "one": data.known.rows[twin.one].path.as_posix(),
                "other": data.known.rows[twin.other].path.as_posix(),
                "distance_bits": twin.distance_bits,
            }
            for twin in data.twins
        ],
    }


def _trial(study: Study, trial: Trial, measures: Measures) -> dict[str, Any]:
    best = study.on(trial.data)[0]
    beside = None
    if trial is not best:
        found = measures.paired(best.judged, trial.judged, study.protocol.seed)
        beside = {"best_minus_this_years": _figure(found.difference_years), "best_ahead": rounded(found.better)}
    return {
        **_identity(trial),
        "figures": _figures(trial.figures),
        "random_split_mae_years": trial.random_split_mae_years and _figure(trial.random_split_mae_years),
        "beside_the_best": beside,
        "parameters": trial.size.parameters,
        "macs": trial.size.macs,
        "speed": None if trial.speed is None else asdict(trial.speed),
        "fitting_s": rounded(trial.fitting_s),
    }


def _closer(study: Study, trial: Trial, measures: Measures) -> dict[str, Any]:
    stages = measures.by_stage(trial.judged, study.protocol.seed)
    individuals = measures.by_individual(trial.judged)
    return {
        **_identity(trial),
        "stages": {stage: _figures(figures) for stage, figures in stages.items()},
        "individuals": {
            one.name: {
                "faces": one.faces,
                "mae_years": rounded(one.mae_years),
                "bias_years": rounded(one.bias_years),
                **{f"coverage_{100 * lv:.0f}": rounded(c) for lv, c in zip(LEVELS, one.coverage, strict=True)},
            }
            for one in individuals
        },
    }


def _figures(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | None]]:
    return {name: _figure(figure) for name, figure in figures.items()}


def _figure(figure: Figure) -> dict[str, float | None]:
    return {"value": rounded(figure.value), "low": rounded(figure.low), "high": rounded(figure.high)}


def rounded(value: float | None) -> float | None:
    """Beyond the sixth decimal lies only noise; what is no number is unknown."""
    return None if value is None or not math.isfinite(value) else round(float(value), _DECIMALS)


def csv_of(rows: Iterable[Mapping[str, Cell]]) -> str:
    """Its header has the columns of the first row; without rows there is nothing."""
    file = io.StringIO(newline="")
    listed = iter(rows)
    first = next(listed, None)
    if first is None:
        return ""
    writer = csv.DictWriter(file, list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(listed)
    return file.getvalue()
