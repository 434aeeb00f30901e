"""`station individuals`: who is known, and what people say of them."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from station.commands.options import Form, Format, MaybeConfig, MaybeDatabase, Model, SpeciesName, Who, now
from station.domain import StationError

if TYPE_CHECKING:
    from station.hearing import Hearing

app = typer.Typer(
    invoke_without_command=True,
    help="Who is known: name, sex, birth date, age; and what people say of them, which outranks the machine.",
    epilog="Example: `station individuals --db station.db` or `station individuals show bao --db station.db`",
)
Whom = Annotated[str, typer.Argument(help="an individual's id or name")]
Faces = Annotated[list[str], typer.Argument(help="a face's number, or its picture: FILE, or FILE#N of several faces")]
Anyway = Annotated[bool, typer.Option("--anyway", help="say it although pictures contradict it")]
DATES = {"born": "born_on", "born_after": "born_after", "born_before": "born_before", "died": "died_on", "sex": "sex"}
Row = Mapping[str, Any]


@app.callback()
def individuals(
    context: typer.Context,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    model: Model = None,
    species: SpeciesName = "",
    everybody: Annotated[bool, typer.Option("--all", help="also those that no picture shows any more")] = False,
    form: Format = Form.TABLE,
) -> None:
    """List who is known."""
    if context.invoked_subcommand:
        context.obj = (db, config)
        return
    from station import profiles, terminal  # noqa: PLC0415
    from station.place import place, reading  # noqa: PLC0415

    known = place(db, config, model, species)
    with reading(known.database) as database:
        found = profiles.profiles(database, known.response(), known.season, known.zone, everybody=everybody)
    rows = [profiles.listed(profile, known.species, now().astimezone(known.zone)) for profile in found]
    terminal.listing(rows, profiles.COLUMNS, SHOWN, form.value)
    if not rows and form is Form.TABLE and (why := known.unnamed()):
        terminal.say(why)


@app.command(epilog="Example: `station individuals show bao --db station.db`")
def show(
    context: typer.Context,
    whom: Whom,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    model: Model = None,
    species: SpeciesName = "",
    form: Format = Form.TABLE,
) -> None:
    """Tell all of one individual: facts, birth date, ageing, pictures with the numbers of their faces."""
    from station import hearing, profiles, terminal  # noqa: PLC0415
    from station.place import place, reading  # noqa: PLC0415

    known = place(*_named(context, db, config), model, species)
    with reading(known.database) as database:
        [profile] = profiles.profiles(
            database, known.response(), known.season, known.zone, hearing.find(database, whom), everybody=True
        )
    if form is Form.TABLE:
        listed = profiles.listed(profile, known.species, now().astimezone(known.zone))
        terminal.facts(_told(listed, profile.ageing))
    faces = sorted(profile.faces, key=lambda face: (face.captured_at or "", face.face))
    terminal.listing([face._asdict() for face in faces], profiles.Picture._fields, FACES, form.value)


@app.command(epilog="Example: `station individuals name new-3 'Mei Mei' --db station.db`")
def name(
    context: typer.Context,
    whom: Whom,
    name: Annotated[str, typer.Argument(help="what people call it; '' takes a name away")],
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Name an individual."""
    _say(context, db, config, who, lambda heard: heard.name(whom, name))


@app.command(epilog="Example: `station individuals confirm bao IMG_0042.JPG 1077 --db station.db`")
def confirm(
    context: typer.Context,
    whom: Whom,
    faces: Faces,
    new: Annotated[bool, typer.Option("--new", help="an individual that nobody has heard of yet")] = False,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Say that these faces are the individual."""

    def said(heard: Hearing) -> None:
        for number, face in enumerate(faces):
            heard.confirm(heard.face(face), whom, new and not number)

    _say(context, db, config, who, said)


@app.command(epilog="Example: `station individuals deny bao IMG_0042.JPG --db station.db`")
def deny(
    context: typer.Context,
    whom: Whom,
    faces: Faces,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Say that these faces are not the individual."""

    def said(heard: Hearing) -> None:
        for face in faces:
            heard.deny(heard.face(face), whom)

    _say(context, db, config, who, said)


@app.command(epilog="Example: `station individuals merge new-3 bao --db station.db`")
def merge(
    context: typer.Context,
    whom: Whom,
    into: Annotated[str, typer.Argument(help="the individual that it is")],
    anyway: Anyway = False,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Say that two individuals are one; the second keeps its name."""
    _say(context, db, config, who, lambda heard: heard.merge(whom, into, anyway))


@app.command(epilog="Example: `station individuals split bao IMG_0042.JPG IMG_0043.JPG --into xin --db station.db`")
def split(
    context: typer.Context,
    whom: Whom,
    faces: Faces,
    into: Annotated[str, typer.Option(help="whose they are; without: a new individual's")] = "",
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Say that these faces of an individual are another one's."""
    _say(context, db, config, who, lambda heard: heard.split([heard.face(face) for face in faces], whom, into))


@app.command("set", epilog="Example: `station individuals set bao --born 2019-08-21 --sex f --db station.db`")
def set_(
    context: typer.Context,
    whom: Whom,
    born: Annotated[str | None, typer.Option(help="the day it was born; '' takes it away")] = None,
    born_after: Annotated[str | None, typer.Option(help="a day before which it was not born")] = None,
    born_before: Annotated[str | None, typer.Option(help="a day after which it was not born")] = None,
    died: Annotated[str | None, typer.Option(help="the day it died")] = None,
    sex: Annotated[str | None, typer.Option(help="f or m; '' where it is not known")] = None,
    anyway: Anyway = False,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Set facts of an individual."""
    given = {"born": born, "born_after": born_after, "born_before": born_before, "died": died, "sex": sex}
    facts = {DATES[key]: value or None for key, value in given.items() if value is not None}
    _say(context, db, config, who, lambda heard: heard.set(whom, facts, anyway))


@app.command(epilog="Example: `station individuals undo 12 --db station.db`")
def undo(
    context: typer.Context,
    word: Annotated[int, typer.Argument(help="its number in the history")],
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    who: Who = "",
) -> None:
    """Take back what was said; an undo can be undone too."""
    _say(context, db, config, who, lambda heard: heard.undo(word))


@app.command(epilog="Example: `station individuals history bao --db station.db`")
def history(
    context: typer.Context,
    whom: Annotated[str | None, typer.Argument(help="only of this individual")] = None,
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    form: Format = Form.TABLE,
) -> None:
    """List what people said, in its order, with what was undone."""
    from station import hearing, people, terminal  # noqa: PLC0415
    from station.place import database_of, reading  # noqa: PLC0415

    with reading(database_of(*_named(context, db, config))) as database:
        rows = list(people.told(database, hearing.find(database, whom) if whom else None))
    terminal.listing(rows, people.TOLD, WORDS, form.value)


def _named(context: typer.Context, db: Path | None, config: Path | None) -> tuple[Path | None, Path | None]:
    """What stands after the command, or before it."""
    before: tuple[Path | None, Path | None] = context.obj or (None, None)
    return db or before[0], config or before[1]


def _say(
    context: typer.Context, db: Path | None, config: Path | None, who: str, said: Callable[[Hearing], object]
) -> None:
    from station import terminal  # noqa: PLC0415

    with heard(*_named(context, db, config), who) as hears:
        said(hears)
        terminal.say(hears.follow())


def heard(db: Path | None, config: Path | None, who: str) -> AbstractContextManager[Hearing]:
    """Who listens to the person at the keyboard."""
    from station.hearing import hearing  # noqa: PLC0415
    from station.place import database_of  # noqa: PLC0415

    return hearing(database_of(db, config), who or user(), now())


def user() -> str:
    """The person at the keyboard."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise StationError("who says it? Say --who NAME") from error


def _born(row: Row) -> str:
    if row["born"] is None:
        return "unknown"
    return f"{row['born']}" if row["born_is_known"] else f"{row['born']}  ({row['born_low']} – {row['born_high']})"


def _age(row: Row) -> str:
    if row["age_years"] is None:
        return ""
    spread = "" if row["born_is_known"] else f"  ({row['age_low_years']:.1f} – {row['age_high_years']:.1f})"
    return f"{row['age_years']:.1f}{spread}"


def _stage(row: Row) -> str:
    share = row["life_stage_probability"]
    return f"{row['life_stage']}  {share:.0%}" if row["life_stage"] else ""


def _known_as(row: Row) -> str:
    more = " (died)" if row["died_on"] else " (not confirmed)" if row["provisional"] else ""
    return (row["name"] or "") + more


SHOWN: dict[str, Callable[[Row], str]] = {
    "individual": lambda row: row["id"],
    "name": _known_as,
    "sex": lambda row: row["sex"] or "",
    "born (90%)": _born,
    "age today": _age,
    "life stage": _stage,
    "first seen": lambda row: (row["first_seen"] or "")[:10],
    "last seen": lambda row: (row["last_seen"] or "")[:10],
    "where": lambda row: row["cameras"],
    "images": lambda row: str(row["images"]),
}
FACES: dict[str, Callable[[Row], str]] = {
    "face": lambda row: str(row["face"]),
    "captured (UTC)": lambda row: (row["captured_at"] or "unknown")[:19].replace("T", " "),
    "camera": lambda row: row["camera"],
    "age": lambda row: "" if row["age_years"] is None else f"{row['age_years']:.1f}",
    "file": lambda row: row["path"],
}
WORDS: dict[str, Callable[[Row], str]] = {
    "word": lambda row: str(row["word"]),
    "said (UTC)": lambda row: row["said_at"][:19].replace("T", " "),
    "who": lambda row: row["who"],
    "what": lambda row: row["what"],
    "undone": lambda row: (row["undone_at"] or "")[:19].replace("T", " "),
}


def _told(row: Row, ageing: Any) -> list[tuple[str, str]]:
    stands = "its number is the machine's, nobody has confirmed it" if row["provisional"] else "confirmed by people"
    told = [
        ("individual", row["id"] + (f", {row['name']}" if row["name"] else "")),
        ("standing", f"merged into {row['merged_into']}" if row["merged_into"] else stands),
        ("sex", {"f": "female", "m": "male"}.get(row["sex"], "unknown")),
        ("born", _born(row)),
        ("age", _age(row)),
        ("life stage", _stage(row)),
        ("seen", f"{(row['first_seen'] or 'never')[:10]} to {(row['last_seen'] or '')[:10]}, at {row['cameras']}"),
        ("pictures", str(row["images"])),
    ]
    if row["died_on"]:
        told.append(("died", row["died_on"]))
    if ageing:
        swap = "; two animals may go by this name" if ageing.suspect else ""
        told.append(
            ("ageing", f"{ageing.years_per_year:.2f} years a year ({ageing.low:.2f} – {ageing.high:.2f}){swap}")
        )
    return told
