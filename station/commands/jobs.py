"""`station jobs`: what happens by the clock, what came of it, and what comes next."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime, tzinfo
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from station.commands.options import Config, now

if TYPE_CHECKING:
    from station.settings import Settings

app = typer.Typer(rich_markup_mode="markdown", help="What happens by the clock; without a command: list it.")
SHOWN = 3
_COLUMNS = ("job", "for", "started", "took", "outcome", "message")
Name = Annotated[str, typer.Argument(help="census, selfcheck, retraining, backup or retention")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="retention and retraining: say what would be done, and do not")]


@app.callback(invoke_without_command=True, epilog="Example: `station jobs --config /etc/station/station.toml`")
def jobs(
    context: typer.Context,
    config: Config = Path("config/station.toml"),
    last: Annotated[int, typer.Option(help="so many of the newest runs of each job", min=1, max=100)] = SHOWN,
    form: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> None:
    """Show each job's last runs (start, duration, outcome, message) and its next."""
    if context.invoked_subcommand:
        return
    from station import settings, terminal  # noqa: PLC0415
    from station.times import zone  # noqa: PLC0415

    read = settings.load(config)
    found, own = _all(read, last), zone(read.station.timezone)
    if form == "json":
        typer.echo(json.dumps(found))
        return
    rows = [dict(zip(_COLUMNS, row, strict=True)) for job in found for row in _rows(job, own)]
    terminal.listing(rows, _COLUMNS, {name: itemgetter(name) for name in _COLUMNS}, "table")
    for job in found:
        typer.echo(f"{job['job']:<12}{_next(job, own)}")


@app.command(epilog="Example: `station jobs run census --config /etc/station/station.toml`")
def run(name: Name, dry_run: DryRun = False, config: Config = Path("config/station.toml")) -> None:
    """Run a job now, also beside the daemon, as a child that everybody else goes before; Ctrl-C stops it.

    It does not take the place of the next run by the clock.  Status 1: it failed.
    """
    from station import errand, settings  # noqa: PLC0415
    from station.due import Ending  # noqa: PLC0415
    from station.signals import heard  # noqa: PLC0415

    read = settings.load(config)
    known = read.schedule.words()
    if name not in known:
        raise errand.JobError(f"there is no job {name}; there are {', '.join(known)}")
    asked: list[int] = []
    with heard((signal.SIGTERM, signal.SIGINT), asked.append):
        wanted = errand.Errand(name, config.absolute(), read.station.database)
        more = ("--dry-run",) if dry_run else ()
        done = errand.perform(wanted, None, now, lambda: "it was stopped by hand" if asked else "", *more)
    typer.echo(f"{name}: {done.ending.value} after {_took(done.seconds)}: {done.message}")
    raise typer.Exit(0 if done.ending in (Ending.DONE, Ending.PUT_OFF) else 1)


@app.command(hidden=True)
def do(
    name: Name,
    slot: Annotated[str | None, typer.Option(help="the time that it is for")] = None,
    dry_run: DryRun = False,
    config: Config = Path("config/station.toml"),
) -> None:
    """What the daemon and `station jobs run` start: the job itself, in this process, which nobody has noted."""
    from station import chores, settings  # noqa: PLC0415
    from station.errand import PUT_OFF_STATUS  # noqa: PLC0415

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        typer.echo(chores.do(name, chores.Chore(settings.load(config), config, now(), slot, dry_run)))
    except chores.PutOff as why:
        typer.echo(str(why))
        sys.exit(PUT_OFF_STATUS)


def _all(read: Settings, most: int) -> list[dict[str, Any]]:
    from station import history, jobbook  # noqa: PLC0415
    from station import jobs as by_clock  # noqa: PLC0415
    from station.times import iso  # noqa: PLC0415

    next_ = {job: (found, why) for job, found, why in by_clock.coming(read, now())}
    with history.reading(read.station.database) as db:
        runs = {job: jobbook.newest(db, job, most) for job in read.schedule.words()}
    return [
        {
            "job": job,
            "schedule": words,
            "runs": [jobbook.plain(run) for run in runs[job]],
            "next": iso(next_[job][0].at) if job in next_ else None,
            "waits": next_[job][1] if job in next_ else "",
            "gave_up": next_[job][0].gave_up if job in next_ else "",
        }
        for job, words in read.schedule.words().items()
    ]


def _rows(job: dict[str, Any], own: tzinfo) -> list[tuple[str, ...]]:
    return [
        (job["job"], run["slot"] or "by hand", _local(run["started_at"], own), _took(run["seconds"]), run["outcome"],
         run["message"])
        for run in job["runs"]
    ]  # fmt: skip


def _next(job: dict[str, Any], own: tzinfo) -> str:
    if job["next"] is None:
        return f"never; `station jobs run {job['job']}` runs it"
    wait = f", but waits: {job['waits']}" if job["waits"] else ""
    gave_up = f"; the last time was given up: {job['gave_up']}" if job["gave_up"] else ""
    return f"{job['schedule']}: next {_local(job['next'], own)}{wait}{gave_up}"


def _local(at: str, own: tzinfo) -> str:
    return datetime.fromisoformat(at).astimezone(own).strftime("%Y-%m-%d %H:%M")


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
