"""`station models`: the bundles beside the link, which is in service, and the way forward and back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from station.commands.options import Config, Form, Format, now

if TYPE_CHECKING:
    from station.models import Bundle
    from station.promotions import Change
    from station.settings import Settings

app = typer.Typer(
    invoke_without_command=True,
    help="The age models: which is in service, since when and why; another one, or the one of before.",
    epilog="Example: `station models --config station.toml` or `station models rollback --config station.toml`",
)
Why = Annotated[str, typer.Option(help="kept with it, for those who ask later")]
OWN_CONFIG = Path("config/station.toml")
PATIENCE_S = 60.0
Row = dict[str, Any]
COLUMNS = (
    "bundle", "version", "in_service", "since", "by", "why", "error_years", "error_low_years", "error_high_years",
    "individuals", "faces", "created_at", "gate", "problem", "cleared",
)  # fmt: skip
CHANGES = ("at", "kind", "version", "previous", "by", "why", "settled_at", "verdict")


def _error(row: Mapping[str, Any]) -> str:
    if row["error_years"] is None:
        return ""
    if row["error_low_years"] is None:
        return f"{row['error_years']:.2f}"
    return f"{row['error_years']:.2f} ({row['error_low_years']:.2f} to {row['error_high_years']:.2f})"


def _service(row: Mapping[str, Any]) -> str:
    if row["in_service"]:
        return f"since {row['since'][:16].replace('T', ' ')} UTC, by {row['by']}" if row["since"] else "yes"
    was = f"was, from {row['since'][:10]}" if row["since"] else ""
    return ", ".join(part for part in (was, "cleared" if row["cleared"] else "") if part)


SHOWN = {
    "bundle": lambda row: row["bundle"],
    "version": lambda row: row["version"] or "",
    "error, years": _error,
    "fitted on": lambda row: f"{row['faces']} faces, {row['individuals']} animals" if row["version"] else "",
    "in service": _service,
    "why": lambda row: row["problem"] or row["why"] or row["gate"] or "",
}
SHOWN_CHANGES = {
    "at": lambda row: row["at"][:16].replace("T", " "),
    "what": lambda row: row["kind"],
    "version": lambda row: row["version"],
    "instead of": lambda row: row["previous"] or "none",
    "by": lambda row: row["by"],
    "why": lambda row: row["why"],
    "the watch": lambda row: row["verdict"] or "",
}


@app.callback()
def models(
    context: typer.Context,
    config: Config = OWN_CONFIG,
    past: Annotated[bool, typer.Option("--history", help="every change of the model in service")] = False,
    form: Format = Form.TABLE,
) -> None:
    """List every bundle with its figures, and which is in service, since when and why."""
    if context.invoked_subcommand:
        context.obj = config
        return
    from station import models, terminal  # noqa: PLC0415

    read = _settings(config)
    if past:
        terminal.listing([_change(one) for one in models.history(read)], CHANGES, SHOWN_CHANGES, form.value)
        return
    terminal.listing([_row(one) for one in models.bundles(read)], COLUMNS, SHOWN, form.value)
    if form is Form.TABLE:
        _tell(read)


@app.command(epilog="Example: `station models promote models/second --why 'the survey of May' --config station.toml`")
def promote(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="a bundle folder, its name beside the link, or a version")],
    why: Why = "",
    config: Config = OWN_CONFIG,
) -> None:
    """Put a bundle into service, after its golden check; a running station takes it up without a restart."""
    from station import models  # noqa: PLC0415

    read = _settings(_named(context, config))
    models.promote(read, bundle, "person", why or "a person said so", now())
    _taken_up(read)


@app.command(epilog="Example: `station models rollback --why 'cubs are told too old' --config station.toml`")
def rollback(context: typer.Context, why: Why = "", config: Config = OWN_CONFIG) -> None:
    """Put back the model that was in service before."""
    from station import models  # noqa: PLC0415

    read = _settings(_named(context, config))
    models.rollback(read, why or "a person said so", "person", now())
    _taken_up(read)


@app.command(epilog="Example: `station models pin --why 'until the survey is over' --config station.toml`")
def pin(context: typer.Context, why: Why = "", config: Config = OWN_CONFIG) -> None:
    """From now on only a person changes the model in service."""
    from station import models  # noqa: PLC0415

    read = _settings(_named(context, config))
    models.pin(read, why or "a person said so", now())
    typer.echo(f"{models.in_service(read).name} is pinned: neither retraining nor the watch changes it")


@app.command(epilog="Example: `station models unpin --config station.toml`")
def unpin(context: typer.Context, config: Config = OWN_CONFIG) -> None:
    """Let retraining and the watch change the model in service again."""
    from station import models  # noqa: PLC0415

    held = models.unpin(_settings(_named(context, config)), now())
    typer.echo("it may be changed again" if held else "it was not pinned")


def _named(context: typer.Context, config: Path) -> Path:
    """Before or after the name of the command."""
    return context.obj if config == OWN_CONFIG and context.obj else config


def _settings(config: Path) -> Settings:
    from station import settings  # noqa: PLC0415

    return settings.load(config)


def _row(one: Bundle) -> Row:
    card, change = one.card, one.change
    error = card.metrics.get("mae_years") if card else None
    return {
        "bundle": one.path.name,
        "version": card.version if card else None,
        "in_service": one.in_service,
        "since": change.at if change else None,
        "by": change.by if change else None,
        "why": change.why if change else None,
        "error_years": error.value if error else None,
        "error_low_years": error.low if error else None,
        "error_high_years": error.high if error else None,
        "individuals": len(card.individuals) if card else None,
        "faces": sum(data.faces for data in card.training) if card else None,
        "created_at": card.created_at if card else None,
        "gate": one.gate,
        "problem": one.problem,
        "cleared": one.cleared,
    }


def _change(one: Change) -> Row:
    return {name: getattr(one, name) for name in CHANGES}


def _tell(read: Settings) -> None:
    """What else is worth a word."""
    from station import models, terminal  # noqa: PLC0415

    if held := models.pinned(read):
        terminal.say(f"pinned since {held[0][:16].replace('T', ' ')} UTC: {held[1]}")
    told = models.looked_at(read)
    if told and told.left:
        gone = f"; the originals of {told.gone} are gone" if told.gone else ""
        terminal.say(f"it has estimated {told.estimated} of {told.faces} faces so far, {told.left} are left{gone}")


def _taken_up(read: Settings) -> None:
    """Says what is in service, when the station that runs has taken it up."""
    from station import bundles, history, models, web  # noqa: PLC0415

    bundle = models.in_service(read)
    version = bundles.read_card(bundle).version
    if history.user_of(read.station.database) is None:
        typer.echo(f"{version} is in service: the station's next start loads it")
        return
    until = time.monotonic() + PATIENCE_S
    while read.health.listen and time.monotonic() < until:
        running = web.report(read, now())["running"]
        if running and running["model"] == version:
            typer.echo(f"{version} is in service, and the running station reads with it")
            return
        if models.in_service(read) != bundle:
            newest = models.history(read)[-1]
            typer.echo(f"{newest.version} is in service: {newest.why}", err=True)
            raise typer.Exit(1)
        time.sleep(0.1)
    typer.echo(f"{version} is in service: the running station takes it up within seconds; its log says when")
