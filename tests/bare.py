"""Runs Python in a process of its own, where some libraries cannot be imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


_FINDER = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        there = name.partition(".")[0] in {allowed!r} or name.startswith("_sysconfigdata")
        return super().find_spec(name, path, target) if there else None
sys.meta_path = [BuiltinImporter, FrozenImporter, Present]
"""


def run_with_only(present: Iterable[str], code: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in the repository's root with the standard library and the top-level packages `present` alone."""
    allowed = sorted({*present, *sys.stdlib_module_names})
    return subprocess.run(
        [sys.executable, "-c", f"{_FINDER.format(allowed=allowed)}\n{code}"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def with_dependencies(distributions: Iterable[str]) -> set[str]:
    """The top-level packages of distributions and of all that they require, as installed here."""
    found: set[str] = set()
    wanted = list(distributions)
    while wanted:
        name = re.split(r"[^A-Za-z0-9._-]", wanted.pop())[0]
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in found:
            continue
        with suppress(metadata.PackageNotFoundError):
            requires = metadata.requires(name) or []
            found.add(name)
            wanted += [line for line in requires if "extra ==" not in line]
    names = metadata.packages_distributions()
    return {top for top, of in names.items() if found & {re.sub(r"[-_.]+", "-", d).lower() for d in of}}


def run_without(absent: Iterable[str], code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` in the repository's root; to import a library of `absent` there is a `ModuleNotFoundError`."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules.update(dict.fromkeys({sorted(absent)!r}))\n{code}"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
