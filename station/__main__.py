"""The command line.  Thin: every command says what it does, and calls what does it."""

from __future__ import annotations

import enum
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from station import logs
from station.commands import census, export, faces, individuals, jobs, models
from station.commands.options import Config, Database, Form, now
from station.domain import Reason, StationError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="How old is each animal that the camera traps saw, and how sure is that.",
    epilog="Example: `station scan /media/card --camera ridge --model models/current --db station.db`",
)


app.add_typer(individuals.app, name="individuals")
app.add_typer(faces.app, name="faces")
app.add_typer(export.app, name="export")
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.command(epilog=census.EXAMPLE)(census.census)
SELFCHECKS = 50
"""So many of the newest are listed."""


@app.command(epilog="Example: `station run --config /etc/station/station.toml`")
def run(config: Config = Path("station.toml")) -> None:
    """Watch the camera folders and estimate what arrives, until stopped (SIGTERM or Ctrl-C).

    SIGHUP reads the configuration anew; where it is wrong, the old one goes on.
    """
    from station import daemon, settings, systemd  # noqa: PLC0415

    logs.configure(logging.INFO, os.environ)
    daemon.run(lambda: settings.load(config), now, systemd.Service.of(os.environ), config.absolute())


@app.command(epilog="Example: `station check --config station.toml`")
def check(config: Config = Path("station.toml")) -> None:
    """Tell everything that is wrong with configuration, folders, bundle, database, device and space."""
    from station import check, terminal  # noqa: PLC0415

    raise typer.Exit(terminal.findings(check.check(config, now())) == check.Level.WRONG)


class View(enum.StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"


@app.command(epilog="Example: `station health --config /etc/station/station.toml`")
def health(
    config: Config = Path("config/station.toml"),
    form: Annotated[View, typer.Option("--format", help="table or json")] = View.TABLE,
) -> None:
    """Tell how the station does, of the daemon or, where none runs, of the database; status 1: it has problems."""
    from station import settings, terminal, web  # noqa: PLC0415

    report = web.report(settings.load(config), now())
    terminal.health(report, form.value)
    raise typer.Exit(bool(report["problems"]))


@app.command(epilog="Example: `station selfcheck --config /etc/station/station.toml`")
def selfcheck(
    config: Config = Path("config/station.toml"),
    record_baseline: Annotated[
        bool, typer.Option("--record-baseline", help="from now on compare with what the box does today")
    ] = False,
    past: Annotated[bool, typer.Option("--history", help="measure nothing: list the self-checks of before")] = False,
    form: Annotated[View, typer.Option("--format", help="table or json")] = View.TABLE,
) -> None:
    """Measure how fast this box is and compare it with what it could do; status 1: slower than 0.8 of it, or wrong.

    Beside a running station, live pictures go first, and the figures become no baseline.
    """
    from station import fitness, logbook, settings  # noqa: PLC0415

    read = settings.load(config)
    if past:
        checks = logbook.past(read.station.database, SELFCHECKS)
        typer.echo(json.dumps(checks) if form == View.JSON else "\n".join(fitness.listed(checks)))
        return
    from station import selfcheck  # noqa: PLC0415  torch takes seconds to import

    selfcheck.be_nice_beside_a_station(read)
    check = selfcheck.selfcheck(read, now(), record_baseline)
    typer.echo(check.json() if form == View.JSON else "\n".join(fitness.lines(check)))
    raise typer.Exit(not check.ok)


@app.command(epilog="Example: `station scan /media/card --camera ridge --model models/current --db station.db`")
def scan(
    folder: Annotated[Path, typer.Argument(help="the folder with the pictures", exists=True, file_okay=False)],
    camera: Annotated[str, typer.Option(help="the camera's id")],
    model: Annotated[Path, typer.Option(help="a bundle folder")],
    db: Database,
    faces: Annotated[
        str, typer.Option(help="where the faces are: whole (the picture is one), megadetector, or a finder's folder")
    ] = "whole",
    megadetector: Annotated[
        str, typer.Option(help="MegaDetector's boxes: file (megadetector.json beside the pictures), or its weights")
    ] = "",
    threshold: Annotated[float, typer.Option(help="MegaDetector confidence below which boxes are passed over")] = 0.2,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="look into the folders below")] = False,
    pattern: Annotated[str, typer.Option(help="what the folders below mean, such as {camera}/{individual}")] = "",
    timezone: Annotated[str, typer.Option(help="zone of the camera's clock: a name or an offset like +08:00")] = "UTC",
    file_time: Annotated[
        bool, typer.Option("--file-time", help="take the file's time where a picture has none")
    ] = False,
    species: Annotated[str, typer.Option(help="a species file's name or path, if not the bundle's")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Estimate every picture of a folder once.  Again does only what is new; Ctrl-C is safe, again goes on."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s", stream=sys.stderr)
    from station import daemon, history, settings, terminal  # noqa: PLC0415
    from station.sections.section import NAME  # noqa: PLC0415

    if not NAME.fullmatch(camera):
        raise StationError(f"--camera {camera!r}: letters, digits, - and _ only")
    read = settings.of(
        {
            "station": {"database": db, "bundle": model, "timezone": timezone, "species": species},
            "line": {"device": device},
            "faces": {"finder": faces, "megadetector": megadetector, "threshold": threshold},
            "cameras": {camera: {"folder": folder, "recursive": recursive, "pattern": pattern, "file_time": file_time}},
        }
    )
    with daemon.composed(read, now) as station, daemon.stopped_by_signals(station.bell):
        begun, done = time.monotonic(), 0
        with terminal.progress("scanning") as bar:
            for outcomes in station.scan():
                done += len(outcomes)
                bar.update(bar.task_ids[0], completed=done, total=done + station.store.waiting())
        passed_over = station.folders[camera].passed_over
        seconds = time.monotonic() - begun
        with station.store.asking() as ledger:
            tally = history.tally(ledger, station.store.run)
        terminal.summary(tally, passed_over, seconds, station.bell.stopped, station.store.waiting())
    raise typer.Exit(130 if station.bell.stopped else 0)


@app.command(epilog="Example: `station estimates --db station.db --individual bao --format csv > bao.csv`")
def estimates(
    db: Database,
    individual: Annotated[str | None, typer.Option(help="only of this individual")] = None,
    camera: Annotated[str | None, typer.Option(help="only of this camera")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="only pictures taken from then on: 2026-05-01 or with a time; UTC unless it has an offset"),
    ] = None,
    impossible: Annotated[bool, typer.Option("--impossible", help="also of pictures with an impossible clock")] = False,
    every_model: Annotated[
        bool, typer.Option("--every-model", help="also what models of before said of the same faces")
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="table, csv or json")] = Form.TABLE,
) -> None:
    """List the estimates: when, where, who, how old, how sure."""
    from station import history, terminal  # noqa: PLC0415

    with history.reading(db) as database:
        rows = history.estimates(database, individual, camera, _moment(since), impossible, every_model)
        terminal.estimates(rows, history.estimate_columns(database), form.value)
        if not impossible and (clocks := history.impossible_clocks(database)):
            typer.echo(
                f"left out: {clocks} pictures with an impossible clock (--impossible shows theirs too)", err=True
            )


@app.command(epilog="Example: `station why /media/card/DCIM/IMG_0001.JPG --db station.db`")
def why(file: Annotated[str, typer.Argument(help="a picture's path, or its name")], db: Database) -> None:
    """Tell the life of one picture: admitted, attempts, outcome, faces, estimates, individual."""
    from station import history, terminal  # noqa: PLC0415

    with history.reading(db) as database:
        frames = history.frames_of(database, file)
        for frame in frames:
            original = history.path_of(database, frame["original"]) if frame["original"] else None
            copies = history.copies_of(database, frame["id"])
            terminal.life(frame, history.faces_of(database, frame["id"]), original, copies)
    if not frames:
        raise StationError(
            f"{file} is not in {db}: it was never admitted; is its folder watched, and its suffix a picture's?"
        )


@app.command(epilog="Example: `station retry --db station.db --reason truncated`")
def retry(
    db: Database,
    reason: Annotated[Reason | None, typer.Option(help="only those rejected for this reason")] = None,
    under: Annotated[Path | None, typer.Option(help="only this file, or those below this folder")] = None,
) -> None:
    """Put rejected pictures back in the queue; the next run or scan looks at them again."""
    from station import history  # noqa: PLC0415
    from station.store import Store  # noqa: PLC0415

    with history.reading(db):
        pass  # it is there, and a station's: a mistyped name is not to become a database
    with Store(db, now()) as store:
        count = store.retry(reason.value if reason else None, str(under.absolute()) if under else None)
        store.end_run(now())
    typer.echo(f"{count} pictures wait again")


@app.command(epilog="Example: `station backup /media/stick/station.tar.gz --config /etc/station/station.toml`")
def backup(
    file: Annotated[Path, typer.Argument(help="the .tar.gz to write")],
    config: Config = Path("config/station.toml"),
) -> None:
    """Write database, bundle, finders and configuration into one file, also while the station runs, and read it back.

    Passwords and keys lie in files of their own and are not in it, nor are the pictures of camera folders and of
    training manifests.
    """
    from station import backup  # noqa: PLC0415

    made = backup.backup(config, file, now())
    typer.echo(f"{file}: {len(made.files)} files, {file.stat().st_size / 1e6:.1f} MB, read back and found sound")
    if not made.bundle:
        typer.echo("there was no bundle in service to put into it")
    for sentence in made.left_out:
        typer.echo(sentence)


@app.command(epilog="Example: `station restore /media/stick/station.tar.gz --config /etc/station/station.toml`")
def restore(
    file: Annotated[Path, typer.Argument(help="a backup")], config: Config = Path("config/station.toml")
) -> None:
    """Put a backup into place, while the station stands still; what was there is kept as `….before-restore`."""
    from station import restore  # noqa: PLC0415

    made, read = restore.restore(file, config)
    typer.echo(f"{file}, made {made.made_at} at station {made.station}, is in place: {config}, {read.station.database}")
    for sentence in made.left_out:
        typer.echo(sentence)


@app.command(epilog="Example: `station migrate --config /etc/station/station.toml`")
def migrate(config: Config = Path("config/station.toml")) -> None:
    """Bring the database to this program's schema, with a copy beside it first; `station run` does so by itself."""
    from station import schema, settings  # noqa: PLC0415

    database = settings.load(config).station.database
    added = schema.upgrade(database)
    typer.echo(f"{database}: {', '.join(added) or 'nothing to do'}")


@app.command(epilog="Example: `station doctor --fix --config /etc/station/station.toml`")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="mend what can be mended; the station must stand still")] = False,
    config: Config = Path("config/station.toml"),
    db: Annotated[Path | None, typer.Option("--db", help="a database alone, without a configuration")] = None,
) -> None:
    """Look for damage in database, spool and outbox, and for what power cuts left; status 1: something is wrong.

    With --fix, mend it: the database is copied first, and nothing is thrown away.
    """
    from station import doctor, settings, terminal  # noqa: PLC0415
    from station.check import Level  # noqa: PLC0415

    read = settings.of({"station": {"database": db}, "mqtt": {"spool": db.with_name("spool")}}) if db else None
    wrong = terminal.findings(doctor.doctor(read or settings.load(config), fix)) == Level.WRONG
    typer.echo("mended as said" if wrong and fix else "all is well" if not wrong else "`--fix` mends what can be")
    raise typer.Exit(wrong and not fix)


@app.command(epilog="Example: `station demo`")
def demo(
    folder: Annotated[Path | None, typer.Option(help="where to put it; kept afterwards. Without: ./demo")] = None,
    seed: Annotated[int, typer.Option(help="of the simulated reserve")] = 1,
) -> None:
    """Simulate a small reserve, fit a model, run the daemon on it, and show what comes out."""
    from station import demo  # noqa: PLC0415

    demo.demo(folder or Path("demo"), seed, now)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise StationError(f"--since {text}: not a date or time; write 2026-05-01 or 2026-05-01T18:30+08:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def main(arguments: list[str] | None = None) -> Any:
    """Runs a command; what a person must mend is one message and exit status 2."""
    try:
        return app(arguments)
    except StationError as error:
        logs.tell_mistake(f"station: {error}", os.environ)
        sys.exit(2)


if __name__ == "__main__":
    main()
