"""Training manifests: CSV files with one labelled face a row.

```
path,individual,age_years,x,y,width,height
images/a.jpg,ling,3.5,120,80,200,210
```
`path` is relative to the manifest.  The age is `age_years`, or comes from `born_on` and `captured_at`.  The box is
in pixels of the upright picture; without one the whole picture is the face.  Other columns are kept.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from station.domain import StationError

BOX = ("x", "y", "width", "height")
REQUIRED = ("path", "individual")
_KNOWN = frozenset({*REQUIRED, "age_years", "born_on", "captured_at", *BOX})
_OLDEST_YEARS = 250.0
_SHOWN = 20


class ManifestError(StationError):
    """A training manifest is wrong, or holds too little to train on."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A face box in pixels of the upright picture, origin top left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled face."""

    line: int
    path: Path
    individual: str
    age_years: float | None
    """None: the manifest does not say, which is enough for identity and too little for ages."""
    box: PixelBox | None
    """None: the whole picture is the face."""
    extra: Mapping[str, str]
    """The other columns, as they stand."""


@dataclass(frozen=True, slots=True)
class Table:
    """A manifest's text, cell by cell, as it stands."""

    header: tuple[str, ...]
    lines: Mapping[int, dict[str, str]]
    """The cells of each row by column, under the line that `Row.line` has."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest file as it was read."""

    file: Path
    sha256: str
    rows: tuple[Row, ...]


def read(files: Sequence[Path], required: Sequence[str] = REQUIRED) -> tuple[Manifest, ...]:
    """Reads manifests; raises `ManifestError` that names every mistake in all of them with its line.

    Columns that are not `required` may be missing or empty: the individual is then an empty name.
    """
    mistakes: list[str] = []
    manifests = tuple(_read(file, required, mistakes) for file in files)
    _note_repeated(manifests, mistakes)
    _refuse(mistakes)
    return manifests


def table(file: Path) -> Table:
    """The cells of a manifest that `read` found right."""
    reader = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""), restval="")
    header = tuple(reader.fieldnames or ())
    return Table(header, dict((reader.line_num, cells) for cells in reader))  # noqa: C402 (it counts as it reads)


def aged(manifests: Iterable[Manifest]) -> tuple[Row, ...]:
    """All rows, each with an age; raises `ManifestError` that names those without, or where there are no rows."""
    pairs = [(manifest, row) for manifest in manifests for row in manifest.rows]
    if not pairs:
        raise ManifestError("the manifests hold no rows: nothing to train on")
    _refuse(
        [
            f"{manifest.file}, line {row.line}: no age: give age_years, or born_on and captured_at"
            for manifest, row in pairs
            if row.age_years is None
        ]
    )
    return tuple(row for _, row in pairs)


def _refuse(mistakes: Sequence[str]) -> None:
    if not mistakes:
        return
    more = [f"and {len(mistakes) - _SHOWN:,} more"] if len(mistakes) > _SHOWN else []
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes):,} mistakes"
    raise ManifestError("\n  ".join([f"the training manifest has {count}:", *mistakes[:_SHOWN], *more]))


def _read(file: Path, required: Sequence[str], mistakes: list[str]) -> Manifest:
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        mistakes.append(f"{file} cannot be read: {error.strerror}")
        return Manifest(file, "", ())
    except UnicodeDecodeError as error:
        mistakes.append(f"{file} is not UTF-8 text (byte {error.start}): save it as CSV in UTF-8")
        return Manifest(file, "", ())
    digest = hashlib.sha256(data).hexdigest()
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not _columns_stand(file, reader.fieldnames or (), required, mistakes):
        return Manifest(file, digest, ())
    rows = []
    for cells in reader:
        rows.append(_Line(file, reader.line_num, cells, required, mistakes).row())
    return Manifest(file, digest, tuple(rows))


def _columns_stand(file: Path, header: Sequence[str], required: Sequence[str], mistakes: list[str]) -> bool:
    before = len(mistakes)
    missing = [name for name in required if name not in header]
    if missing:
        hint = "separate the columns with commas" if ";" in "".join(header) else f"it has {', '.join(header) or 'none'}"
        mistakes.append(f"{file}, line 1: the column {' and the column '.join(missing)} is missing; {hint}")
    without = [name for name in BOX if name not in header]
    if 0 < len(without) < len(BOX):
        mistakes.append(f"{file}, line 1: a box needs all of {', '.join(BOX)}; {', '.join(without)} is missing")
    repeated = sorted({name for name in header if list(header).count(name) > 1})
    if repeated:
        mistakes.append(f"{file}, line 1: the column {', '.join(repeated)} stands there twice")
    return len(mistakes) == before


def _note_repeated(manifests: Iterable[Manifest], mistakes: list[str]) -> None:
    """The same face twice would count double, or stand under two names on both sides of a split."""
    first: dict[tuple[Path, PixelBox | None], str] = {}
    for manifest in manifests:
        for row in manifest.rows:
            place = f"{manifest.file}, line {row.line}"
            key = (row.path.resolve(), row.box)
            if key in first:
                mistakes.append(f"{place}: the same face as {first[key]}: keep one of the two")
            first.setdefault(key, place)


class _Line:
    """One line on its way to a `Row`; every mistake is noted, none stops the reading."""

    def __init__(
        self,
        file: Path,
        number: int,
        cells: Mapping[str | None, str | list[str] | None],
        required: Sequence[str],
        mistakes: list[str],
    ) -> None:
        self.file, self.line, self.required, self.mistakes = file, number, required, mistakes
        self.cells = {k: (v or "").strip() for k, v in cells.items() if k is not None and not isinstance(v, list)}
        if None in cells:
            self.wrong("more cells than the header has columns: put text that holds commas in quotes")

    def wrong(self, text: str) -> None:
        self.mistakes.append(f"{self.file}, line {self.line}: {text}")

    def row(self) -> Row:
        extra = {name: value for name, value in self.cells.items() if name not in _KNOWN}
        return Row(self.line, self.path(), self.individual(), self.age(), self.box(), extra)

    def path(self) -> Path:
        text = self.cells["path"]
        path = self.file.parent / text
        if not text:
            self.wrong("path is empty: name the picture, relative to the manifest")
        elif not path.is_file():
            self.wrong(f"the picture {path} is not there")
        return path

    def individual(self) -> str:
        name = self.cells.get("individual", "")
        if not name and "individual" in self.required:
            self.wrong("individual is empty: name the animal, or leave the row out")
        return name

    def number(self, column: str, example: str) -> float | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.wrong(f"{column} {text!r} is not a number: write it like {example}")
            return None
        return value

    def day(self, column: str) -> date | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).date()
        except ValueError:
            self.wrong(f"{column} {text!r} is not a date: write it like 2019-07-31 or 2024-05-01T06:30:00+08:00")
            return None

    def age(self) -> float | None:
        stated = self.number("age_years", "3.5, in years")
        years = self.age_from_dates() if not self.cells.get("age_years") else stated
        if years is not None and years < 0:
            self.wrong(f"the age is {years:g} years: an age is 0 or more")
        if years is not None and years > _OLDEST_YEARS:
            self.wrong(f"the age is {years:g} years: give years of age; a birth date goes into born_on")
        return years

    def age_from_dates(self) -> float | None:
        if not self.cells.get("born_on"):
            return None
        born, captured = self.day("born_on"), self.day("captured_at")
        if not self.cells.get("captured_at"):
            self.wrong("born_on needs captured_at, the day of the picture, to give an age")
        if born is None or captured is None:
            return None
        if captured < born:
            self.wrong(f"captured_at {captured} lies before born_on {born}: one of the two is wrong")
            return None
        return (captured - born).days / 365.25

    def box(self) -> PixelBox | None:
        given = [name for name in BOX if self.cells.get(name)]
        if not given:
            return None
        if len(given) < len(BOX):
            self.wrong(f"the box has only {', '.join(given)}: give all of {', '.join(BOX)}, or none")
            return None
        x, y, width, height = (self.number(name, "120, in pixels") for name in BOX)
        if x is None or y is None or width is None or height is None:
            return None
        if width <= 0 or height <= 0:
            self.wrong(f"the box is {width:g} x {height:g} pixels: width and height must be more than 0")
            return None
        return PixelBox(x, y, width, height)
