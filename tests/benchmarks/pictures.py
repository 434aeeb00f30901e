"""Many different files of real face crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import DATA
from tests.photographs import drawn


def face_files(folder: Path, count: int, source: Path = DATA / "panda_faces" / "images") -> list[Path]:
    """The pictures of `source` again and again, no two files alike: each ends with its number, which decoders ignore.

    Drawn ones where the real ones are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = [file.read_bytes() for file in sorted(source.glob("*.jpg"))]
    picture: Callable[[int], bytes] = (lambda n: there[n % len(there)]) if there else drawn
    files = [folder / f"{number:06}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(picture(number) + number.to_bytes(4, "big"))
    return files
