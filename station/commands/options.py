"""Options that several commands have, and the one place that asks for the time."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


class Form(enum.StrEnum):
    """How a listing is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Config = Annotated[Path, typer.Option("--config", "-c", help="the configuration file")]
MaybeConfig = Annotated[Path | None, typer.Option("--config", "-c", help="the configuration file, instead of --db")]
Database = Annotated[Path, typer.Option("--db", help="the SQLite database")]
MaybeDatabase = Annotated[Path | None, typer.Option("--db", help="the SQLite database")]
Model = Annotated[Path | None, typer.Option(help="a bundle folder, if not the one that the database knows last")]
SpeciesName = Annotated[str, typer.Option("--species", help="a species file's name or path, if not the bundle's")]
Who = Annotated[str, typer.Option(help="who says it", envvar="STATION_WHO", show_default="the user")]
Format = Annotated[Form, typer.Option("--format", help="table, csv or json")]


def now() -> datetime:
    """The one place that asks for the time."""
    return datetime.now(UTC)
