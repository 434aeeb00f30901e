"""The schemas of Camtrap DP 1.0.2 and of the station's own two tables, as they lie in `schemas/`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "schemas"
ADDRESS = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2"
PROFILE = "camtrap-dp-profile.json"
STANDARD = ("deployments", "media", "observations")
OWN = ("individuals", "age-estimates")


@cache
def schema(file: str) -> dict[str, Any]:
    """One of them, by its file's name."""
    read: dict[str, Any] = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    return read


def of_table(table: str) -> dict[str, Any]:
    """A table's."""
    return schema(f"{table}-table-schema.json")


def columns(table: str) -> list[str]:
    """In the schema's order."""
    return [field["name"] for field in of_table(table)["fields"]]
