"""A lighter manifest, cut from a full one by rules: good faces, one of a burst, not too many of one animal and age."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from training import crops, manifest, quality, twins
from training.bursts import Shot, bursts
from training.manifest import ManifestError, Row, Table
from training.quality import Quality

_JUDGED_PX = 224
_DAY = re.compile(r"\d{4}-?\d\d-?\d\d")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a face must be to stay.  None: that does not matter."""

    smallest_px: float | None = 64
    """The shorter side of the face, in pixels of its picture."""
    least_sharpness: float | None = 0.02
    """See `Quality`."""
    darkest: float | None = 20
    """Mean luminance, of 255."""
    most_blown: float | None = 0.5
    """The share of the face that is nothing but white."""
    burst_s: float | None = 60
    """Of one animal's pictures by one camera, each no later than this after the one before, the sharpest stays.

    Where no time of day is known, of those of one age that look the same.
    """
    most_a_year: int | None = 10
    """Of one animal in one year of its age, or of unknown age: the sharpest."""


@dataclass(frozen=True, slots=True)
class Subset:
    """What was written."""

    kept: int
    left_out: tuple[tuple[str, int], ...]
    """By which rule, how many; in the order in which the rules are applied, each to what the one before left."""


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    row: Row
    face_px: float
    quality: Quality
    shot: Shot


Rule = Callable[[Sequence[_Face]], list[_Face]]


def cut(file: Path, out: Path, rules: Rules, say: Callable[[str], None]) -> Subset:
    """Writes the manifest `out`: the rows of `file` that the rules let stay, in their order, with all their columns.

    Paths are rewritten for the folder of `out`.  Raises `ManifestError`: a wrong manifest, nothing left, or `out`
    exists.
    """
    if out.exists():
        raise _exists(out)
    (source,) = manifest.read([file])
    table = manifest.table(file)
    faces = _faces(source.rows, table, say)
    left_out = [("picture cannot be used", len(source.rows) - len(faces))]
    for name, rule in _rules(rules):
        kept = rule(faces)
        left_out.append((name, len(faces) - len(kept)))
        faces = kept
    if not faces:
        counts = ", ".join(f"{name}: {count:,}" for name, count in left_out if count)
        raise ManifestError(f"no face of {file} would be left ({counts}): loosen a rule")
    _write(out, _text(table, faces, out))
    return Subset(len(faces), tuple(left_out))


def _faces(rows: Sequence[Row], table: Table, say: Callable[[str], None]) -> list[_Face]:
    faces, moments = [], _moments(table, say)
    for row, crop in crops.cut(rows, _JUDGED_PX, margin=0.0):
        if isinstance(crop, str):
            say(f"left out {row.path} (line {row.line}): {crop}")
            continue
        camera, looks = table.lines[row.line].get("camera", "").strip(), twins.looks(crop.pixels[None])
        shot = Shot(row.individual, camera, moments.get(row.line), row.age_years, looks)
        faces.append(_Face(row, crop.face_px, quality.judge(crop.pixels), shot))
    return faces


def _rules(rules: Rules) -> Iterable[tuple[str, Rule]]:
    """Those that matter, in words."""
    smallest, sharpness, darkest, blown = rules.smallest_px, rules.least_sharpness, rules.darkest, rules.most_blown
    burst_s, most = rules.burst_s, rules.most_a_year
    if smallest is not None:
        yield f"face under {smallest:g} px", lambda faces: [f for f in faces if f.face_px >= smallest]
    if sharpness is not None:
        yield f"sharpness under {sharpness:g}", lambda faces: [f for f in faces if f.quality.sharpness >= sharpness]
    if darkest is not None:
        yield f"brightness under {darkest:g}", lambda faces: [f for f in faces if f.quality.brightness >= darkest]
    if blown is not None:
        yield f"more than {blown:.0%} white", lambda faces: [f for f in faces if f.quality.blown <= blown]
    if burst_s is not None:
        yield "a sharper one in the same burst", lambda faces: _one_a_burst(faces, burst_s)
    if most is not None:
        yield f"more than {most} a year and individual", lambda faces: _few_a_year(faces, most)


def _one_a_burst(faces: Sequence[_Face], burst_s: float) -> list[_Face]:
    burst = bursts([face.shot for face in faces], burst_s).tolist()
    return _sharpest(faces, {face.row.line: burst[number] for number, face in enumerate(faces)}, 1)


def _few_a_year(faces: Sequence[_Face], most: int) -> list[_Face]:
    def year(row: Row) -> Hashable:
        return row.individual, None if row.age_years is None else math.floor(row.age_years)

    return _sharpest(faces, {face.row.line: year(face.row) for face in faces}, most)


def _sharpest(faces: Sequence[_Face], group: Mapping[int, Hashable], most: int) -> list[_Face]:
    """At most so many of each group (by line), in the order of the manifest; of equally sharp ones the first."""
    taken: Counter[Hashable] = Counter()
    kept = []
    for face in sorted(faces, key=lambda face: (-face.quality.sharpness, face.row.line)):
        taken[group[face.row.line]] += 1
        if taken[group[face.row.line]] <= most:
            kept.append(face)
    return sorted(kept, key=lambda face: face.row.line)


def _moments(table: Table, say: Callable[[str], None]) -> dict[int, datetime]:
    """When pictures were taken, by line, where it is known to the time of day."""
    moments, odd = {}, []
    for line, cells in table.lines.items():
        text = cells.get("captured_at", "").strip()
        try:
            if text and not _DAY.fullmatch(text):
                moments[line] = datetime.fromisoformat(text)
        except ValueError:
            odd.append(f"line {line}, {text!r}")
    if odd:
        say(f"captured_at of {len(odd):,} rows is not used: not a time like 2024-05-01T06:30:00+08:00 ({odd[0]})")
    return moments


def _text(table: Table, faces: Sequence[_Face], out: Path) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, table.header, lineterminator="\n")
    writer.writeheader()
    for face in faces:
        writer.writerow(table.lines[face.row.line] | {"path": _path_from(out.parent, face.row.path)})
    return file.getvalue()


def _path_from(folder: Path, picture: Path) -> str:
    """Relative to a folder, through no link, so that `..` means what it says."""
    return Path(os.path.relpath(picture.parent.resolve() / picture.name, folder.resolve())).as_posix()


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.open("x", encoding="utf-8", newline="")
    except OSError as error:
        raise _exists(out) if out.exists() else _unwritable(out, error) from None
    try:
        with file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        out.unlink()
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> ManifestError:
    return ManifestError(f"{out} cannot be written: {error.strerror}; choose another --out")


def _exists(out: Path) -> ManifestError:
    return ManifestError(f"{out} exists already, and nothing is overwritten: choose another --out")


def summary(subset: Subset, out: Path) -> str:
    """What was left out and what is left, for the person who asked."""
    lines = [f"{count:8,} left out: {name}" for name, count in subset.left_out]
    return "\n".join([*lines, f"{subset.kept:8,} kept in {out}", ""])
