"""What outlives a power cut.  SQLite sees to its own files, this to the others."""

from __future__ import annotations

import os
from pathlib import Path


def sync(place: Path) -> None:
    """Brings a file's content, or a folder's names, to the disk."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(scratch: Path, target: Path) -> None:
    """Puts a finished file in place, whole or not at all."""
    sync(scratch)
    scratch.replace(target)
    sync(target.absolute().parent)
