"""Census folders of old nights go, but the first of each month and what is not the job's."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from station import chores, jobbook, oldnights, settings
from station.chores import Chore
from station.schema import open_database
from station.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIRST = date(2026, 1, 30)


@pytest.fixture
def read(tmp_path: Path) -> Settings:
    """Eight nights from the end of January on, of which three are to stay."""
    with closing(open_database(tmp_path / "station.db")):
        pass
    for number in range(8):
        night(tmp_path, FIRST + timedelta(days=number))
    return settings.of({"station": {"database": tmp_path / "station.db"}, "schedule": {"nights_kept": 3}})


def night(home: Path, day: date) -> Path:
    folder = home / "census" / day.isoformat()
    folder.mkdir(parents=True)
    for name in ("census.html", "census.json", "counts.csv"):
        (folder / name).write_bytes(b"x" * 100)
    jobbook.make(home / "station.db", day, NOW)
    return folder


def going(read: Settings) -> list[str]:
    return [folder.name for folder in oldnights.plan(read).folders]


def test_the_newest_nights_and_the_first_of_each_month_stay(read: Settings) -> None:
    assert going(read) == ["2026-01-31", "2026-02-02", "2026-02-03"]


def test_a_folder_with_what_is_not_the_job_s_stays(read: Settings) -> None:
    (read.census_folder / "2026-02-02" / "my notes.txt").write_text("see the cub")
    assert going(read) == ["2026-01-31", "2026-02-03"]


def test_folders_that_the_job_has_not_made_stay(read: Settings) -> None:
    for name in ("2026-02-31", "2025-12-30", "2025-12-31", "survey"):
        (read.census_folder / name).mkdir()
    (read.census_folder / "2025-12-29").symlink_to("2026-02-03")
    assert going(read) == ["2026-01-31", "2026-02-02", "2026-02-03"]


def test_what_went_is_gone_and_its_night_is_not_made_again(read: Settings, tmp_path: Path) -> None:
    job = Chore(read, tmp_path / "station.toml", NOW, None)
    dry = chores.retain(Chore(read, job.config, NOW, None, dry_run=True))
    assert "the census folders of 3 nights, 2026-01-31 to 2026-02-03, would go; 5 stay" in dry
    assert len(list(read.census_folder.iterdir())) == 8
    assert "2026-02-03, deleted; 5 stay" in chores.retain(job)
    assert len(list(read.census_folder.iterdir())) == 5
    again = Chore(read, job.config, NOW, "2026-02-04T02:30:00+00:00")
    assert chores.nights(again) == []
    assert "census folders" not in chores.retain(job)


def test_without_a_census_there_is_nothing_to_say(tmp_path: Path) -> None:
    read = settings.of({"station": {"database": tmp_path / "station.db"}})
    assert oldnights.plan(read).sentence(done=False) == ""
