"""Names and words from outside are shown as they are, whatever rich would make of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from station import history, terminal
from station.check import Finding, Level
from station.domain import Lane
from station.store import Candidate, Store
from tests.frames import observed, take
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME = "IMG_1 [copy] [red]x.jpg"
DETAIL = "[/general] of [bold]megadetector[/bold].json"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One observed picture and one rejected, with words that look like markup."""
    file = tmp_path / "station.db"
    with Store(file, NOW) as store:
        store.use_model(card(), NOW)
        names = (NAME, f"broken {NAME}")
        store.admit([Candidate("ridge", f"/p [/x]/{name}", 1, 1, "bao [b]", Lane.LIVE) for name in names], NOW)
        first, _ = take(store, 2)
        store.record([observed(first, "", 3.0)], NOW)
        store.end_run(NOW)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE frames SET outcome = 'rejected', detail = ? WHERE outcome IS NULL", [DETAIL])
        connection.execute("UPDATE faces SET individual = 'bao [b]'")
    return file


@pytest.fixture
def reading(database: Path) -> Iterator[Any]:
    with history.reading(database) as db:
        yield db


def test_the_table_shows_names_as_they_are(reading: Any, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.estimates(history.estimates(reading), history.estimate_columns(reading), "table")
    told = capsys.readouterr().out
    assert NAME in told
    assert "bao [b]" in told


@pytest.mark.parametrize(("name", "word"), [(NAME, "bao [b]"), (f"broken {NAME}", DETAIL)])
def test_why_shows_names_and_details_as_they_are(
    reading: Any, capsys: pytest.CaptureFixture[str], name: str, word: str
) -> None:
    [frame] = history.frames_of(reading, name)
    terminal.life(frame, history.faces_of(reading, frame["id"]), None, [f"/copies [/x]/{NAME}"])
    told = capsys.readouterr().out
    for words in (f"/p [/x]/{name}", word, f"/copies [/x]/{NAME}"):
        assert words in told


def test_findings_show_paths_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.findings([Finding(Level.WRONG, DETAIL)]) is Level.WRONG
    assert DETAIL in capsys.readouterr().out


def test_csv_without_rows_has_its_header(reading: Any, capsys: pytest.CaptureFixture[str]) -> None:
    columns = history.estimate_columns(reading)
    terminal.estimates(history.estimates(reading, "nobody"), columns, "csv")
    assert capsys.readouterr().out == ",".join(columns) + "\n"
    [row] = history.estimates(reading)
    assert tuple(row) == columns
