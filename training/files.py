"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from station import durable


@contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is whole and on disk: a power cut leaves what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.part")
    try:
        with scratch.open("wb") as handle:
            yield handle
        durable.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
