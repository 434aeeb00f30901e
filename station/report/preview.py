"""The page of what a finder finds in a folder's pictures, for the eye: one file that needs nothing else.

A picture with people is told of and not shown.  Names come from people and folders: the template escapes all text.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from station.domain import WHOLE, Face, Frame, StationError
from station.durable import replace
from station.faces import Finder, Found, Judge
from station.pictures import SUFFIXES, BadPicture, Picture, save_jpeg

SHOWN_PX, CROP_PX, MARGIN = 640, 160, 0.15


class PreviewError(StationError):
    """There is nothing to preview, or the page cannot be written."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as the page shows it; addresses hold the pictures themselves."""

    name: str
    size: str
    picture: str = ""
    shape: str = ""
    """Width by height, as CSS says it."""
    faces: tuple[tuple[Face, str], ...] = ()
    """Each with its crop."""
    people: int = 0
    trouble: str = ""
    """Why it could not be looked at."""


def files(folder: Path, recursive: bool, most: int) -> tuple[list[Path], int]:
    """The pictures to show, evenly among all by name, and how many there are.  Raises `PreviewError`."""
    found = sorted(file for file in folder.glob("**/*" if recursive else "*") if file.suffix.lower() in SUFFIXES)
    if not found:
        deeper = "" if recursive else "; --recursive looks into the folders below"
        raise PreviewError(f"{folder} holds no pictures{deeper}")
    if len(found) <= most:
        return found, len(found)
    return [found[at] for at in np.linspace(0, len(found) - 1, most).astype(int)], len(found)


def shown(pictures: Sequence[Path], folder: Path, finder: Finder, judge: Judge, max_pixels: int) -> Iterator[Shown]:
    """Each of them, looked at as the station would."""
    for file in pictures:
        name = file.relative_to(folder).as_posix()
        try:
            picture = Picture(file.read_bytes(), max_pixels)
            found = finder.find(Frame(0, "preview", str(file.absolute()), 0, 0), picture)
            yield _shown(name, picture, found, judge)
        except BadPicture as error:
            yield Shown(name, "", trouble=f"{error.reason}: {error.detail}")
        except OSError as error:
            yield Shown(name, "", trouble=f"cannot be read: {error.strerror}")


def _shown(name: str, picture: Picture, found: Found, judge: Judge) -> Shown:
    size = f"{picture.width} × {picture.height} pixels"
    if found.people:
        return Shown(name, size, people=found.people)
    crops = picture.crops([face.box for face in found.faces], CROP_PX, MARGIN)
    faces = judge(picture, found.faces, crops, MARGIN)
    side = max(picture.width, picture.height)
    whole = picture.crops([WHOLE], SHOWN_PX)[0]
    left, top = ((side - length) / 2 / side * SHOWN_PX for length in (picture.width, picture.height))
    inside = whole[:, round(top) : SHOWN_PX - round(top), round(left) : SHOWN_PX - round(left)]
    addresses = [_address(crop) for crop in crops]
    return Shown(name, size, _address(inside), f"{inside.shape[2]} / {inside.shape[1]}",
                 tuple(zip(faces, addresses, strict=True)))  # fmt: skip


def _address(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    jpeg = save_jpeg(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def page(title: str, pictures: Sequence[Shown], every: int) -> str:
    """As HTML; those with faces first."""
    room = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    faces = [face for one in pictures for face, _ in one.faces]
    return room.get_template("preview.html").render(
        title=title,
        every=every,
        pictures=sorted(pictures, key=lambda one: (not one.faces, bool(one.trouble))),
        faces=len(faces),
        usable=sum(face.flaw is None for face in faces),
        flaws=Counter(str(face.flaw) for face in faces if face.flaw).most_common(),
        with_faces=sum(bool(one.faces) for one in pictures),
        with_people=sum(bool(one.people) for one in pictures),
        unread=sum(bool(one.trouble) for one in pictures),
    )


def write(file: Path, html: str) -> None:
    """All at once.  Raises `PreviewError`."""
    half = file.with_name(f".{file.name}.half")
    try:
        half.write_text(html, encoding="utf-8", newline="")
        replace(half, file)
    except OSError as error:
        raise PreviewError(f"{file} cannot be written: {error.strerror}; choose another --out") from error
    finally:
        half.unlink(missing_ok=True)
