"""Runs Python in a process of its own, where some libraries cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_HOOK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run_without(absent: Iterable[str], code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in the repository's root with the libraries `absent` missing."""
    return subprocess.run(
        [sys.executable, "-c", _HOOK.format(absent=set(absent)) + code],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
