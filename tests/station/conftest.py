"""A ledger of one test's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.store import Store
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "station.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with Store(file, NOW) as store:
        store.use_model(card(), NOW)
        yield store
