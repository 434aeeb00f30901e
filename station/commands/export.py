"""`station export`: what the station saw, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from station.commands.options import Config, MaybeConfig, MaybeDatabase, Model, SpeciesName, now
from station.domain import StationError

app = typer.Typer(
    no_args_is_help=True,
    help="Hand over what the station saw: as a Camtrap DP package, or as a MegaDetector results file.",
)
FINEST, COARSEST = 0.00001, 10.0


@app.command(
    "camtrap-dp", epilog="Example: `station export camtrap-dp reserve-2026 --config station.toml --round 0.01`"
)
def camtrap_dp(
    folder: Annotated[Path, typer.Argument(help="the folder to make")],
    config: Config = Path("config/station.toml"),
    db: MaybeDatabase = None,
    model: Model = None,
    species: SpeciesName = "",
    round_: Annotated[
        float | None, typer.Option("--round", help="round coordinates to so many degrees, such as 0.01")
    ] = None,
    pictures: Annotated[bool, typer.Option("--pictures", help="copy pictures too, never those with people")] = False,
) -> None:
    """Write a Camtrap DP 1.0.2 package, checked before it is handed over; [project] and the cameras' places go in."""
    from station import profiles, terminal  # noqa: PLC0415
    from station.camtrap import package  # noqa: PLC0415
    from station.place import place, reading  # noqa: PLC0415

    if round_ is not None and not FINEST <= round_ <= COARSEST:
        raise StationError(f"--round {round_}: degrees between {FINEST} and {COARSEST:g}, such as 0.01")
    known = place(db, config, model, species)
    assert known.settings
    with reading(known.database) as database:
        animals = profiles.profiles(database, known.response(), known.season, known.zone)
        wanted = package.Wanted(round_, pictures)
        made = package.export(database, known.settings, known.species, animals, folder, wanted, now())
    rows = ", ".join(f"{count} {table}" for table, count in made.rows.items())
    terminal.say(f"{folder}: {rows}; valid Camtrap DP 1.0.2")
    if pictures:
        gone = f"; {made.missing} are no longer where they were" if made.missing else ""
        terminal.say(f"{made.pictures} pictures copied{gone}")


@app.command(epilog="Example: `station export megadetector /srv/cards/megadetector.json --db station.db`")
def megadetector(
    file: Annotated[Path, typer.Argument(help="the .json to write")],
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
) -> None:
    """Write a MegaDetector results file of all pictures of folders; paths count from the folder they have in common."""
    from station import megadetector, terminal  # noqa: PLC0415
    from station.place import database_of, reading  # noqa: PLC0415

    with reading(database_of(db, config)) as database:
        count = megadetector.export(database, file, now(), "age-station")
    terminal.say(f"{file}: {count} pictures")
