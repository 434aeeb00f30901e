"""What a box is and how it feels: its processor and driver, its load, whether it is slowed down.

All of it is read from the system's own files; None where there is none, or where it may not be read.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/version")


def processor() -> str:
    """The processor's name, and how many of its cores this process may use."""
    text = _read(Path("/proc/cpuinfo")) or ""
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return f"{next(names, platform.machine())}, {cores()} cores"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def driver() -> str | None:
    """The version of the NVIDIA kernel driver."""
    first = (_read(_DRIVER) or "").partition("\n")[0]
    return next((word for word in first.split() if word[:1].isdigit() and "." in word), None)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return None
