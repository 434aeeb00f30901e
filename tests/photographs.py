"""Real photographs, as many different ones as are wanted."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.conftest import DATA, picture

LARGEST_BYTES = 1_000_000


def photographs(data: Path = DATA) -> Callable[[int], bytes]:
    """Number -> picture, no two alike: first the files as they are, of all sets mixed, then compressed anew.

    Drawn ones where the real ones are missing.
    """
    there = (f for f in data.rglob("*") if f.suffix.lower() in (".jpg", ".png") and f.stat().st_size < LARGEST_BYTES)
    different = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in there}
    files = [file for _, file in sorted(different.items())]

    def photograph(number: int) -> bytes:
        again, place = divmod(number, len(files))
        content = files[place].read_bytes()
        return _compressed(content, number) if again else content

    return photograph if files else drawn


def drawn(number: int) -> bytes:
    """A small picture of noise."""
    return picture(number % 250, seed=number, width=160, height=120)


def _compressed(content: bytes, number: int) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(out, "JPEG", quality=70, comment=str(number))
    return out.getvalue()
