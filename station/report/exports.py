"""Every figure of the census for other programs.

| file | one row for |
|---|---|
| `census.json` | nothing: the whole census; keys stay, `schema` rises when one changes its meaning |
| `counts.csv` | each life stage and sex, with sums: the likely number and its 90% interval |
| `individuals.csv` | each counted animal |
| `cameras.csv` | each camera: trap nights, pictures, detections |
| `changes.csv` | each life stage that changed, each animal no longer counted |
| `unused.csv` | each reason for which faces or pictures told of no animal |
| `histogram.csv` | each life stage: the plain histogram, and its correction |

Empty cells, and null, are unknown.  Days are of the station's zone, ages in years.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from station.census import Census
from station.headcount import Range

SCHEMA = 1
Row = Mapping[str, Any]


def as_json(of: Census) -> str:
    """The whole census."""
    return json.dumps({"schema": SCHEMA, **asdict(of)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def tables(of: Census) -> dict[str, str]:
    """The CSV files by name."""
    return {
        "counts.csv": _csv(("life_stage", "sex", "animals", "low", "high"), counts(of)),
        "individuals.csv": _csv(_INDIVIDUAL, individuals(of)),
        "cameras.csv": _csv(
            ("camera", "name", "nights", "silent_days", "images", "detections", "per_100_nights", "individuals"),
            map(asdict, of.effort),
        ),
        "changes.csv": _csv(("individual", "name", "change", "was", "now", "why"), _changes(of)),
        "unused.csv": _csv(("reason", "n"), ({"reason": why, "n": n} for why, n in of.ledger.unusable.items())),
        "histogram.csv": _csv(("life_stage", "told", "corrected", "low", "high"), _histogram(of)),
    }


def counts(of: Census) -> Iterable[Row]:
    """Life stages, youngest first, then all of them."""
    for line in of.counts:
        yield _count(line.stage, "all", line.animals)
        for sex, number in line.by_sex.items():
            yield _count(line.stage, sex, number)
    yield _count("all", "all", of.total)
    for sex, number in of.by_sex.items():
        yield _count("all", sex, number)


def _count(stage: str, sex: str, of: Range) -> Row:
    return {"life_stage": stage, "sex": sex, "animals": of.likely, "low": of.low, "high": of.high}


_INDIVIDUAL = (
    "id", "name", "sex", "stage", "stage_probability", "age_years", "age_low_years", "age_high_years", "born",
    "born_low", "born_high", "first_seen", "last_seen", "cameras", "images", "events", "provisional", "confidence",
    "seen_tonight", "new", "again", "returned_after_days", "overdue_since", "allowed_days",
)  # fmt: skip


def individuals(of: Census) -> Iterable[Row]:
    """The one seen last first."""
    for one in of.individuals:
        cells = {name: getattr(one, name) for name in _INDIVIDUAL}
        yield {name: int(cell) if isinstance(cell, bool) else cell for name, cell in cells.items()} | {
            "cameras": " ".join(one.cameras)
        }


def _changes(of: Census) -> Iterable[Row]:
    for moved in of.transitions:
        yield {
            "individual": moved.id, "name": moved.label, "change": "life stage", "was": moved.was, "now": moved.now,
            "why": moved.cause,
        }  # fmt: skip
    for gone in of.left:
        yield {"individual": gone.id, "name": gone.label, "change": "no longer counted", "why": gone.why}


def _histogram(of: Census) -> Iterable[Row]:
    told = of.histogram
    nothing = (None,) * len(told.told)
    columns = (told.told, told.corrected or nothing, told.low or nothing, told.high or nothing)
    for stage, *cells in zip(of.stages, *columns, strict=True):
        yield dict(zip(("life_stage", "told", "corrected", "low", "high"), (stage.name, *cells), strict=True))


def _csv(columns: Iterable[str], rows: Iterable[Row]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
