"""`station faces`: what people are asked, and what they answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from station.commands.individuals import heard, user
from station.commands.options import MaybeConfig, MaybeDatabase, Model, SpeciesName, Who, now
from station.domain import StationError

if TYPE_CHECKING:
    from station.doubts import Question
    from station.place import Place

app = typer.Typer(no_args_is_help=True, help="Faces: what is most worth a person's minute.")
WINDOW = timedelta(days=365)


@app.callback()
def faces() -> None:
    """Faces: what is most worth a person's minute."""


@app.command(epilog="Example: `station faces review --db station.db --pairs /tmp/pairs`")
def review(
    db: MaybeDatabase = None,
    config: MaybeConfig = None,
    model: Model = None,
    species: SpeciesName = "",
    most: Annotated[int, typer.Option(help="so many questions at most", min=1)] = 20,
    out: Annotated[
        Path | None, typer.Option(help="write the questions as a CSV to be filled in, and ask nothing")
    ] = None,
    in_: Annotated[Path | None, typer.Option("--in", help="take the answers from such a CSV")] = None,
    pairs: Annotated[Path | None, typer.Option(help="write each two faces beside each other into this folder")] = None,
    who: Who = "",
) -> None:
    """Ask what is most worth knowing: are these two faces one animal?  The most worthy question comes first."""
    from station import review, terminal  # noqa: PLC0415
    from station.place import database_of, place, reading  # noqa: PLC0415

    if out and in_:
        raise StationError("--out writes questions and --in reads answers: take one of them")
    if in_:
        raise typer.Exit(_take(in_, database_of(db, config), who))
    known = place(db, config, model, species)
    asked = _questions(known)[:most]
    if out:
        with reading(known.database) as database:
            count = review.write(database, out, asked, pairs)
        terminal.say(f"{out}: {count} questions; write y or n under answer, and give it back with --in {out}")
        return
    _ask(known, asked, pairs, who or user())


@app.command(epilog="Example: `station faces preview /media/card --recursive --finder models/finder --out page.html`")
def preview(
    folder: Annotated[Path, typer.Argument(help="the folder with the pictures", exists=True, file_okay=False)],
    finder: Annotated[str, typer.Option(help="a finder's folder, whole or megadetector: as [faces] finder")],
    out: Annotated[Path, typer.Option(help="the page to write")],
    megadetector: Annotated[str, typer.Option(help="as [faces] megadetector: file, or its weights")] = "",
    threshold: Annotated[
        float, typer.Option(help="as [faces] threshold: MegaDetector's confidence", min=0, max=1)
    ] = 0.2,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="look into the folders below")] = False,
    most: Annotated[int, typer.Option(help="so many pictures at most, evenly by name", min=1)] = 100,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
) -> None:
    """Show what a finder finds in pictures, on one page: boxes, crops, how sure, how good, and what cannot be used.

    Nothing is stored; pictures with people are not shown.
    """
    from station import settings, terminal  # noqa: PLC0415
    from station.finders import Finders  # noqa: PLC0415
    from station.report import preview  # noqa: PLC0415

    pictures, every = preview.files(folder, recursive, most)
    read = settings.of(
        {
            "line": {"device": device},
            "faces": {"finder": finder, "megadetector": megadetector, "threshold": threshold},
        }
    )
    how = Finders(read, "").camera("preview", "", folder.absolute())
    done = []
    with terminal.progress("looking") as bar:
        for one in preview.shown(pictures, folder, how.finder, how.judge, int(read.line.max_megapixels * 1e6)):
            done.append(one)
            bar.update(bar.task_ids[0], completed=len(done), total=len(pictures))
    preview.write(out, preview.page(f"Faces in {folder.absolute().name}", done, every))
    faces = sum(len(one.faces) for one in done)
    terminal.say(f"{out}: {faces} faces in {sum(bool(one.faces) for one in done)} of {len(done)} pictures")


def _questions(known: Place) -> list[Question]:
    from station import doubts, profiles  # noqa: PLC0415
    from station.place import reading  # noqa: PLC0415

    with reading(known.database) as database:
        animals = profiles.profiles(database, known.response(), known.season, known.zone)
        return doubts.questions(database, doubts.ledger(database, animals, known.odds(), now() - WINDOW))


def _take(file: Path, database: Path, who: str) -> int:
    """Applies answers; the exit status."""
    from station import review, terminal  # noqa: PLC0415

    rows = list(review.read(file))
    with heard(database, None, who) as hears:
        done = review.apply(hears, rows)
    for line in done.wrong:
        terminal.say(f"{file}, {line}")
    answers = "1 answer" if done.applied == 1 else f"{done.applied} answers"
    terminal.say(
        f"{answers} taken, {done.already} were known already, {done.skipped} without an answer, "
        f"{len(done.wrong)} not taken"
    )
    return int(bool(done.wrong))


def _ask(known: Place, asked: list[Question], pairs: Path | None, who: str) -> None:
    """One after the other; each answer is kept at once."""
    from station import review, terminal  # noqa: PLC0415
    from station.place import reading  # noqa: PLC0415

    if not asked:
        terminal.say("there is nothing to ask just now")
    for number, question in enumerate(asked, 1):
        with reading(known.database) as database:
            terminal.facts(_told(review.row(database, question, pairs), f"{number} of {len(asked)}"))
        said = typer.prompt("the same animal? y, n, s to skip, q to stop", default="s").strip().lower()
        if said == "q":
            return
        if said in review.YES | review.NO:
            with heard(known.database, None, who) as hears:
                done = review.apply(hears, [review.answer_to(question, said in review.YES)])
            terminal.say("; ".join(done.wrong) or ("noted" if done.applied else "that was known already"))


def _told(row: dict[str, object], number: str) -> list[tuple[str, str]]:
    def place(prefix: str) -> str:
        box = ", ".join(f"{row[prefix + side]:.2f}" for side in ("x", "y", "width", "height"))
        return f"{row[prefix + 'path']}  box {box}  {str(row[prefix + 'captured_at'])[:10]}"

    told = [
        ("question", f"{number}: {row['why']}"),
        ("this face", f"{row['face']}  {place('')}"),
        (f"{row['individual']}", f"{row['other_face']}  {place('other_')}"),
        ("likely", f"{row['probability_same']:.0%} the same animal"),
    ]
    return told + ([("side by side", str(row["pair"]))] if row["pair"] else [])
