"""Runs Python in a process of its own, where some libraries cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_without(absent: Iterable[str], code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in the repository's root; to import a library of `absent` there is a `ModuleNotFoundError`."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules.update(dict.fromkeys({sorted(absent)!r}))\n{code}"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
