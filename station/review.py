"""Questions to people and their answers: what an answer says, and a CSV that goes out and comes back.

An answer is applied once: a row that was applied already is passed over, and one whose face has got another name since
it was asked is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database

from station import people
from station.domain import Box, Pixels, StationError
from station.doubts import Question
from station.durable import replace
from station.hearing import Hearing, WordError
from station.pictures import BadPicture, Picture, save_jpeg
from station.words import Names, Verb, standing

YES = {"y", "yes", "same"}
NO = {"n", "no", "different"}
SKIP = {"", "s", "skip", "?"}
COLUMNS = (
    "answer", "why", "probability_same", "worth", "kind", "face", "path", "captured_at", "camera", "x", "y", "width",
    "height", "individual", "other_face", "other_path", "other_captured_at", "other_x", "other_y", "other_width",
    "other_height", "shows", "pair",
)  # fmt: skip
_NEEDED = ("answer", "kind", "face", "other_face", "individual", "shows")
SIDE_PX = 320
_MARGIN, _GAP_PX = 0.15, 8


class ReviewError(StationError):
    """A file of answers cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A row of a file of answers: yes, no, or None for neither."""

    line: int
    same: bool | None
    kind: str
    face: int
    other: int
    individual: str
    shows: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the rows of a file."""

    applied: int
    already: int
    skipped: int
    wrong: tuple[str, ...]
    """In words, with the row's line."""


def say(heard: Hearing, answer: Answer) -> None:
    """What the answer means, as words.  Raises `WordError`."""
    if answer.same and answer.kind == "pair" and answer.shows:
        heard.merge(answer.shows, answer.individual)
    elif answer.same:
        heard.confirm(answer.face, answer.individual)
    elif answer.kind == "pair":
        heard.differ(answer.face, answer.other)
    else:
        heard.deny(answer.face, answer.individual)


def answer_to(question: Question, same: bool) -> Answer:
    """From the terminal."""
    return Answer(0, same, question.kind, question.face, question.other, question.individual, question.shows)


def apply(heard: Hearing, rows: Iterable[Answer | str]) -> Outcome:
    """Says what the rows say, each once; what is wrong with a row is told, and the others are said."""
    db = heard.db
    applied = already = skipped = 0
    wrong = []
    for row in rows:
        if isinstance(row, str):
            wrong.append(row)
        elif row.same is None:
            skipped += 1
        elif said_already(db, row):
            already += 1
        else:
            try:
                _check_unchanged(db, row)
                say(heard, row)
                heard.follow()
                applied += 1
            except WordError as error:
                wrong.append(f"line {row.line}: {error}")
    return Outcome(applied, already, skipped, tuple(wrong))


def said_already(db: Database, answer: Answer) -> bool:
    """Whether this answer is among the words, or is so by itself; one that was undone is not given again either."""
    said = people.words(db)
    now = Names(standing(said)).now
    if answer.same and answer.kind == "pair":
        both = {answer.shows, answer.individual}
        merged = any({word.individual, word.value.get("into")} == both for word in said if word.verb is Verb.MERGE)
        return merged or now(answer.shows or "") == now(answer.individual)
    if answer.kind == "pair":
        faces = {answer.face, answer.other}
        return any({word.face, word.value.get("other")} == faces for word in said if word.verb is Verb.DENY)
    verb = Verb.CONFIRM if answer.same else Verb.DENY
    about = (word for word in said if word.face == answer.face and word.individual)
    return any(word.verb is verb and now(word.individual or "") == now(answer.individual) for word in about)


def _check_unchanged(db: Database, answer: Answer) -> None:
    row = db.execute("SELECT individual FROM faces WHERE id = ?", [answer.face]).fetchone()
    if row is None:
        raise WordError(f"there is no face {answer.face}")
    if row[0] != answer.shows:
        was, now = answer.shows or "nobody known", row[0] or "nobody known"
        raise WordError(f"face {answer.face} showed {was} when this was asked, and shows {now} now: ask again")


def read(file: Path) -> Iterator[Answer | str]:
    """The rows of a file of answers, or what is wrong with them.  Raises `ReviewError`."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            if missing := [name for name in _NEEDED if name not in (table.fieldnames or ())]:
                raise ReviewError(
                    f"{file} has no column {', '.join(missing)}: fill in what `station faces review --out` wrote, "
                    "as CSV with commas"
                )
            for row in table:
                yield _answer(row, table.line_num)
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"{file} cannot be read: {error}") from error


def _answer(row: dict[str, Any], line: int) -> Answer | str:
    said = (row["answer"] or "").strip().lower()
    if said not in YES | NO | SKIP:
        return f"line {line}: answer {row['answer']!r}: write y (the same animal), n (another one) or nothing"
    try:
        face, other = int(row["face"]), int(row["other_face"])
    except (TypeError, ValueError):
        return f"line {line}: {row['face']!r} and {row['other_face']!r} are no numbers of faces"
    if not row["individual"]:
        return f"line {line}: the column individual is empty"
    same = True if said in YES else False if said in NO else None
    return Answer(line, same, row["kind"] or "", face, other, row["individual"], row["shows"] or None)


def write(db: Database, file: Path, questions: Iterable[Question], pairs: Path | None) -> int:
    """Writes questions for a person to fill in; how many.  Raises `ReviewError`."""
    scratch, count = file.with_name(f".{file.name}.part"), 0
    try:
        with scratch.open("w", encoding="utf-8-sig", newline="") as out:  # as spreadsheets want it
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            for question in questions:
                writer.writerow(row(db, question, pairs))
                count += 1
        replace(scratch, file)
    except OSError as error:
        raise ReviewError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return count


def row(db: Database, question: Question, pairs: Path | None = None) -> dict[str, Any]:
    """A question with where its faces are; with a folder, the two beside each other are written there."""
    face, other = place(db, question.face), place(db, question.other)
    return {
        "answer": "",
        "why": question.why,
        "probability_same": round(question.probability, 3),
        "worth": round(question.worth, 3),
        "kind": question.kind,
        "face": question.face,
        "individual": question.individual,
        "other_face": question.other,
        "shows": question.shows or "",
        "pair": beside(face, other, pairs / f"{question.face}-{question.other}.jpg") if pairs else "",
        **{key: face[key] for key in ("path", "captured_at", "camera", "x", "y", "width", "height")},
        **{f"other_{key}": other[key] for key in ("path", "captured_at", "x", "y", "width", "height")},
    }


def place(db: Database, face: int) -> dict[str, Any]:
    """Where a face is."""
    sql = """SELECT path, captured_at, camera, x, y, width, height FROM faces JOIN frames ON frames.id = faces.frame
        WHERE faces.id = ?"""
    [found] = db.query(sql, [face])
    return dict(found)


def beside(face: dict[str, Any], other: dict[str, Any], file: Path) -> str:
    """Writes two faces beside each other; its name, or nothing where a picture is no longer there."""
    try:
        left, right = _crop(face), _crop(other)
    except (OSError, BadPicture):
        return ""
    gap = np.full((SIDE_PX, _GAP_PX, 3), 255, np.uint8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(save_jpeg(np.concatenate([left, gap, right], axis=1)))
    except OSError as error:
        raise ReviewError(f"{file} cannot be written: {error.strerror}") from error
    return str(file)


def _crop(face: dict[str, Any]) -> Pixels:
    box = Box(face["x"], face["y"], face["width"], face["height"])
    crop = Picture(Path(face["path"]).read_bytes()).crops([box], SIDE_PX, _MARGIN)[0]
    upright: Pixels = crop.transpose(1, 2, 0)
    return upright
