"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def replace(file: Path, content: Any) -> None:
    """Writes bytes beside their place, syncs, and renames them into it: a power cut leaves what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)
