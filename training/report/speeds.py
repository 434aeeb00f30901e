"""What `training qps` measured: a table for the terminal, and the same as files.

| file | what it holds |
|---|---|
| `qps.csv` | a row for each network, precision and batch size; empty cells are unknown |
| `qps.json` | the same with the machine, the protocol and the errors of the study; keys stay |
| `qps.svg` | images a second against error |
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from station.bundles import Figure
from training.accuracy import Accuracy
from training.files import replacing
from training.plan import StudyError
from training.protocol import Plan, Row
from training.report.exports import Cell, csv_of, rounded
from training.report.wording import count
from training.report.write import ReportError
from training.results import Speed
from training.throughput import Precision, Preset

SCHEMA = 1
TABLES = ("qps.csv", "qps.json")
PLOT = "qps.svg"
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Speeds:
    """All that was measured, and on what."""

    machine: Mapping[str, str]
    plan: Plan
    pictures: str | None
    """Of which JPEG bytes were fed; None: none were."""
    known: Accuracy | None
    created_at: str
    rows: tuple[Row, ...] = ()
    missing: tuple[str, ...] = ()
    """What was not measured, for want of time."""

    def errors(self, network: str) -> dict[str, Figure | None]:
        """The network's error by data set."""
        known = self.known.mae_years if self.known else {}
        return {data: errors.get(network) for data, errors in known.items()}


def draw(found: Speeds, folder: Path) -> None:
    """Writes the plot; raises `ReportError` where what it is drawn with is not installed."""
    try:
        from training.report.speed_plot import plot  # noqa: PLC0415 (a machine that only measures need not have it)
    except ModuleNotFoundError as error:
        raise ReportError(
            f"{PLOT} was not drawn: {error.name} is not installed here; the tables are in {folder}. Install "
            f"matplotlib, or run `training qps --redraw --out {folder}` where it is installed"
        ) from error
    _replace(folder / PLOT, plot(found))


def read(folder: Path) -> Speeds:
    """What `write_tables` wrote, without the errors.  Raises `StudyError`."""
    file = folder / TABLES[1]
    try:
        whole = json.loads(file.read_text())
        protocol = whole["protocol"]
        sweep = tuple(Preset(**preset) for preset in protocol["sweep"])
        plan = Plan(
            protocol["name"],
            Preset(**protocol["main"]),
            sweep,
            protocol["expanded_to"],
            protocol["budget_s"] or math.inf,
        )
        rows = tuple(_read_row(row) for row in whole["rows"])
        missing = tuple(whole["missing"])
        return Speeds(whole["machine"], plan, protocol["pictures"], None, whole["created_at"], rows, missing)
    except OSError as error:
        raise StudyError(f"{file} cannot be read: {error.strerror}; --redraw needs what was measured before") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} is not what `training qps` writes ({error!r}): measure anew") from error


def _read_row(row: dict[str, Any]) -> Row:
    alone, from_jpeg = (row[name] and Speed(**row[name]) for name in ("alone", "from_jpeg"))
    return Row(
        row["network"], row["input_px"], Precision(row["precision"]), row["asked_batch"], row["main"], alone, from_jpeg
    )


def write_tables(found: Speeds, folder: Path) -> None:
    """What is there so far."""
    _replace(folder / TABLES[0], csv_of(_cells(found, row) for row in found.rows))
    _replace(folder / TABLES[1], _json(found))


def _cells(found: Speeds, row: Row) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        "network": row.network, "input_px": row.input_px, "precision": row.precision.value, "batch": row.alone.batch,
        "asked_batch": row.asked_batch, "main": int(row.main), **_speed("alone", row.alone),
        **_speed("from_jpeg", row.from_jpeg),
    }  # fmt: skip
    for data, error in found.errors(row.network).items():
        named = ("", "value"), ("_low", "low"), ("_high", "high")
        cells |= {f"mae_years_{data}{end}": rounded(getattr(error, part, None)) for end, part in named}
    return cells


def _speed(prefix: str, speed: Speed | None) -> dict[str, Cell]:
    columns = ("images_per_s", "slowest", "fastest", "runs", "peak_mb")
    return {f"{prefix}_{column}": rounded(getattr(speed, column, None)) for column in columns}


def _json(found: Speeds) -> str:
    rows = [
        asdict(row)
        | {"mae_years": {data: error and asdict(error) for data, error in found.errors(row.network).items()}}
        for row in found.rows
    ]
    whole = {
        "schema": SCHEMA, "created_at": found.created_at, "machine": dict(found.machine),
        "protocol": {"name": found.plan.name, "main": _preset(found.plan.main),
                     "sweep": [_preset(each) for each in found.plan.sweep], "budget_s": rounded(found.plan.budget_s),
                     "pictures": found.pictures, "expanded_to": found.plan.pictures},
        "rows": rows, "missing": list(found.missing),
    }  # fmt: skip
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _preset(preset: Preset) -> dict[str, Cell]:
    return {
        "batch": preset.batch,
        "warm": preset.warm,
        "timed": preset.timed,
        "runs": preset.runs,
        "least_runs": preset.least_runs,
    }


def table(found: Speeds, folder: Path | None) -> str:
    """For the terminal."""
    return "\n".join(_lines(found, folder)) + "\n"


def _lines(found: Speeds, folder: Path | None) -> Iterator[str]:
    yield f"device     {found.machine['device']}; {found.machine['processor']}"
    yield f"libraries  {', '.join(f'{name} {found.machine[name]}' for name in ('torch', 'torchvision', 'timm'))}"
    yield f"protocol   {_protocol(found.plan)}"
    yield "           alone: from pictures on the device to features there, as served, channels-last"
    if found.pictures:
        yield f"           from JPEG: bytes to features, decoded by {found.machine['workers']}; {found.pictures}"
    yield ""
    yield from _grid([_heads(found), *(_row(found, row) for row in found.rows)])
    yield ""
    if found.known is None:
        yield "errors     unknown: name a study's folder with --study"
    if found.missing:
        yield f"not done   {'; '.join(found.missing)}: for want of time"
    if folder:
        yield f"files      {folder / 'qps.csv'}, {folder / 'qps.json'}, {folder / PLOT}"


def _protocol(plan: Plan) -> str:
    main = plan.main
    within = f", shorter where {plan.budget_s:g} s for all ask for it" if plan.budget_s < float("inf") else ""
    warm = count(main.warm, "batch", "batches")
    return (
        f"{plan.name}: {warm} to warm up, {main.runs} times {main.timed} batches{within}; median (slowest to fastest)"
    )


def _heads(found: Speeds) -> list[str]:
    jpeg = ["from JPEG, images/s"] if found.pictures else []
    errors = [f"MAE {data}, years" for data in (found.known.mae_years if found.known else ())]
    return ["network", "px", "precision", "batch", "alone, images/s", *jpeg, "peak MB", *errors]


def _row(found: Speeds, row: Row) -> list[str]:
    jpeg = [_rate(row.from_jpeg)] if found.pictures else []
    errors = [f"{error.value:.2f}" if error else _NOTHING for error in found.errors(row.network).values()]
    peak = _NOTHING if row.alone.peak_mb is None else f"{row.alone.peak_mb:,.0f}"
    halved = "" if row.alone.batch == row.asked_batch else f" (of {row.asked_batch})"
    batch = f"{row.alone.batch}{halved}"
    return [row.network, str(row.input_px), row.precision, batch, _rate(row.alone), *jpeg, peak, *errors]


def _rate(speed: Speed | None) -> str:
    if speed is None:
        return _NOTHING
    decimals = 1 if speed.images_per_s < 100 else 0
    median, low, high = (f"{x:,.{decimals}f}" for x in (speed.images_per_s, speed.slowest, speed.fastest))
    return f"{median} ({low} to {high})"


def _grid(lines: list[list[str]]) -> Iterator[str]:
    """Columns as wide as they need; words to the left, figures to the right."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        cells = (
            cell.ljust(width) if head in ("network", "precision") else cell.rjust(width)
            for head, cell, width in zip(lines[0], line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _replace(file: Path, text: str) -> None:
    with replacing(file) as handle:
        handle.write(text.encode())
