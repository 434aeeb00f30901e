"""What many tests need: a tiny real bundle, real pictures, a fixed clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from station.pictures import save_jpeg
from tests.discs import disc_finder
from tests.tiny import tiny_bundle

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real pictures beside the project."""
    if not DATA.is_dir():
        pytest.skip(f"the real pictures are not there: {DATA}")
    return DATA


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose age is the brightness of the picture: 0 years black, 10 years white."""
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finder's bundle whose faces are bright discs, and whose gate refuses green ones."""
    return disc_finder(tmp_path_factory.mktemp("finders") / "discs")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def jpeg() -> bytes:
    """A 240 x 240 picture taken at 2026-05-01 10:00:00."""
    return picture(128)


def picture(
    shade: int,
    taken: str | None = "2026:05:01 10:00:00",
    offset: str | None = None,
    seed: int = 0,
    width: int = 240,
    height: int = 240,
) -> bytes:
    """A JPEG of about one brightness; another seed is another content."""
    noise = np.random.default_rng(seed).integers(-8, 9, (height, width, 3))
    return save_jpeg(np.clip(shade + noise, 0, 255).astype(np.uint8), taken, offset)
