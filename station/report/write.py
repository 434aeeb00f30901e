"""A census as files in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from station.census import Census, CensusError
from station.report.exports import as_json, tables
from station.report.page import page

PAGE = "census.html"
FORMATS = ("html", "json", "csv")


def write(of: Census, portraits: Mapping[str, str], folder: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Writes `census.html`, `census.json` and the tables, each all at once.  Raises `CensusError`."""
    files: dict[str, str] = {}
    if "csv" in formats:
        files |= tables(of)
    if "json" in formats:
        files["census.json"] = as_json(of)
    if "html" in formats:
        files[PAGE] = page(of, portraits)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_replaced(folder / name, text) for name, text in files.items()]
    except OSError as error:
        raise CensusError(
            f"the census cannot be written to {folder}: {error.strerror}; choose another --out"
        ) from error


def _replaced(file: Path, text: str) -> Path:
    half = file.with_name(f".{file.name}.half")
    half.write_text(text, encoding="utf-8", newline="")
    os.replace(half, file)  # noqa: PTH105
    return file
