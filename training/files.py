"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from station.copies import sync_folder


@contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is whole and on disk: a power cut leaves what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.part")
    try:
        with scratch.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        scratch.replace(file)
        sync_folder(file.parent)
    finally:
        scratch.unlink(missing_ok=True)
