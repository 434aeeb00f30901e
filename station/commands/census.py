"""`station census`: who was seen, how old they are, how sure that is."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from station.commands.options import MaybeConfig, MaybeDatabase, Model, SpeciesName, now
from station.domain import StationError

if TYPE_CHECKING:
    from station.census import Census, StageCount
    from station.headcount import Range
    from station.place import Place

EXAMPLE = "Example: `station census --db station.db --out census` or `station census --date 2026-06-30 --db station.db`"


class Report(enum.StrEnum):
    """How a census is written."""

    HTML = "html"
    JSON = "json"
    CSV = "csv"


def census(
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    on: Annotated[str | None, typer.Option("--date", help="the day it is of: 2026-06-30; without: today")] = None,
    out: Annotated[Path | None, typer.Option(help="a folder for the page and the tables")] = None,
    form: Annotated[Report | None, typer.Option("--format", help="only html, json or csv")] = None,
    window: Annotated[int, typer.Option(help="days in which an animal must have been seen", min=1, max=36_500)] = 365,
    then: Annotated[
        bool, typer.Option("--as-known-then", help="what was known on that day, not what is known now")
    ] = False,
    model: Model = None,
    species: SpeciesName = "",
) -> None:
    """Count who was seen in the last year by life stage and sex, with intervals; with --out, as a page and tables.

    Counts are of animals seen, never of animals there are.
    """
    from station import nightly  # noqa: PLC0415
    from station.place import place  # noqa: PLC0415

    if form is Report.HTML and out is None:
        raise StationError("--format html writes a page: --out DIR says where")
    at, known = now(), place(db, config, model, species)
    wanted = nightly.night(known, _day(on), at, window, then)
    taken = nightly.take(known, wanted, pictures=out is not None and form in (None, Report.HTML))
    if out:
        from station.report.write import write  # noqa: PLC0415

        files = write(taken.census, taken.portraits, out, (form.value,) if form else ("html", "json", "csv"))
        typer.echo(f"{out}: {', '.join(file.name for file in files)}")
    else:
        _show(taken.census, form)
    if not then:
        _keep(known, taken.census, at)


def _keep(known: Place, made: Census, at: datetime) -> None:
    """Notes it for the next one, where the database lets it: the count is as good without."""
    from station import nightly, schema  # noqa: PLC0415

    try:
        nightly.keep(known, made, at)
    except schema.ReadOnlyError as error:
        typer.echo(
            f"station: this census is not kept, so the next one cannot say what changed since: {error}", err=True
        )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise StationError(f"--date {text}: not a date; write 2026-06-30") from error


def _show(of: Census, form: Report | None) -> None:
    from station import terminal  # noqa: PLC0415
    from station.report import exports, sentences, wording  # noqa: PLC0415

    if form is Report.JSON:
        sys.stdout.write(exports.as_json(of))
    elif form is Report.CSV:
        sys.stdout.write(exports.tables(of)["counts.csv"])
    else:
        terminal.say(sentences.title(of))
        terminal.say(sentences.lead(of))
        if of.individuals:
            columns = ("life stage", "all", "female", "male", "sex unknown")
            rows = [
                dict(zip(columns, (line.stage, *map(wording.counted, _ranges(line))), strict=True))
                for line in of.counts
            ]
            terminal.listing(rows, columns, {name: itemgetter(name) for name in columns}, "table")
        terminal.facts([*sentences.since(of), *_effort(of), *_unused(of)])
        terminal.say(sentences.seen_only())


def _ranges(line: StageCount) -> list[Range]:
    return [line.animals, *line.by_sex.values()]


def _effort(of: Census) -> Iterator[tuple[str, str]]:
    nights, faces = (sum(getattr(one, what) for one in of.effort) for what in ("nights", "detections"))
    rate = f", {100 * faces / nights:,.1f} faces per 100 nights" if nights else ""
    cameras = len(of.effort)
    yield "trap nights", f"{nights:,} by {cameras} camera{'' if cameras == 1 else 's'}{rate}"


def _unused(of: Census) -> Iterator[tuple[str, str]]:
    for why, n in of.ledger.unusable.items():
        yield "not used", f"{n:,}: {why}"
