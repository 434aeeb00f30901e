"""What of the spool may go, in a real ledger with real files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station import chores, settings
from station.census import WINDOW_DAYS
from station.errand import JobError
from station.history import reading
from station.retention import DAY, MONTH, SAID, ClockDoubted, carry_out, plan
from station.schema import open_database
from station.settings import Settings
from station.times import iso
from tests.reserve import Reserve
from tests.station.test_commands import station

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
OLD = datetime(2026, 1, 10, 12, tzinfo=UTC)
HOUR, DAY_LONG = timedelta(hours=1), timedelta(days=1)


class Spooled:
    """A reserve whose pictures came as messages."""

    def __init__(self, said: Reserve, root: Path) -> None:
        self.said, self.root = said, root
        (root / "ridge").mkdir(parents=True)

    def picture(
        self, at: datetime = OLD, individual: str | None = None, confidence: float = 0.5, **columns: object
    ) -> Path:
        count = len(list(self.root.rglob("*.jpg")))
        file = self.root / "ridge" / f"{hashlib.sha256(str(count).encode()).hexdigest()}.jpg"
        file.write_bytes(b"x" * 100)
        row = {"path": str(file), "topic": "t", "admitted_at": iso(at), "done": at} | columns
        frame = self.said.frame(at, **row)  # type: ignore[arg-type]
        self.face = self.said.face(frame, individual, confidence=confidence)
        return file


@pytest.fixture
def spooled(file: Path) -> Iterator[Spooled]:
    with closing(open_database(file)) as db:
        one = Spooled(Reserve(db, file.parent / "pictures"), file.parent / "spool")
        one.said.frame(NOW - HOUR, admitted_at=iso(NOW - HOUR))
        yield one


@pytest.fixture
def read(file: Path) -> Settings:
    return settings.of(
        {"station": {"database": file}, "mqtt": {"spool": file.parent / "spool"}, "schedule": {"spool_days": 90}}
    )


def going(spooled: Spooled, read: Settings) -> list[Path]:
    spooled.said.db.conn.commit()
    return [one.path for one in plan(read, NOW).going]


def test_recorded_and_old_pictures_go_and_no_others(spooled: Spooled, read: Settings, tmp_path: Path) -> None:
    old = spooled.picture()
    spooled.picture(NOW - 10 * DAY_LONG)
    spooled.picture(outcome=None)
    spooled.picture(done=NOW - HOUR)
    spooled.picture(topic=None)
    elsewhere = tmp_path / "original.jpg"
    elsewhere.write_bytes(b"x")
    spooled.picture(path=str(elsewhere))
    assert going(spooled, read) == [old]


def test_the_best_face_of_each_animal_and_month_stays(spooled: Spooled, read: Settings) -> None:
    worse = spooled.picture(individual="bao", confidence=0.4)
    spooled.picture(OLD + HOUR, "bao", 0.9)
    spooled.picture(OLD, "mei", 0.1)
    spooled.picture(OLD + 31 * DAY_LONG, "bao", 0.1)
    assert going(spooled, read) == [worse]
    assert plan(read, NOW).kept == {MONTH: 3}


def test_a_face_that_cannot_be_used_is_not_the_best(spooled: Spooled, read: Settings) -> None:
    spooled.picture(individual="bao", confidence=0.4)
    blurred = spooled.picture(OLD + HOUR, "bao", 0.9)
    spooled.said.db.execute("UPDATE faces SET unusable = 'blurred' WHERE id = ?", [spooled.face])
    assert going(spooled, read) == [blurred]


def test_a_picture_that_came_again_is_not_taken_for_the_one_of_before(spooled: Spooled, read: Settings) -> None:
    refused = spooled.picture(outcome="rejected")
    spooled.picture(NOW - HOUR, path=str(refused), modified_ns=99)
    assert going(spooled, read) == []


def test_a_month_is_of_the_station_s_own_time(spooled: Spooled, read: Settings) -> None:
    eve = datetime(2026, 1, 31, 20, tzinfo=UTC)
    spooled.picture(eve, "bao", 0.4)
    spooled.picture(eve - HOUR * 10, "bao", 0.9)
    assert len(going(spooled, read)) == 1
    east = read.model_copy(update={"station": read.station.model_copy(update={"timezone": "+08:00"})})
    assert len(going(spooled, east)) == 0


def test_what_people_spoke_of_stays(spooled: Spooled, read: Settings) -> None:
    spooled.picture(individual="bao", confidence=0.9)
    spooled.picture(OLD + HOUR, "bao", 0.4)
    word = {"said_at": iso(NOW), "who": "ann", "verb": "confirm", "individual": "bao", "face": spooled.face}
    spooled.said.db.table("words").insert(word)
    assert going(spooled, read) == []
    assert plan(read, NOW).kept == {MONTH: 1, SAID: 1}


def test_the_days_that_a_census_names_keep_a_picture(spooled: Spooled, read: Settings) -> None:
    spooled.picture(individual="bao", confidence=0.4)
    spooled.picture(OLD + 2 * DAY_LONG, "bao", 0.9)
    census = {"individuals": [{"id": "bao", "first_seen": "2026-01-10", "last_seen": "2026-01-12"}]}
    row = {"day": "2026-01-31", "made_at": iso(OLD), "census": json.dumps(census)}
    spooled.said.db.table("censuses").insert(row)
    assert going(spooled, read) == []
    assert plan(read, NOW).kept == {DAY: 1, MONTH: 1}


def test_what_went_is_gone_from_the_disk_and_stays_in_the_ledger(spooled: Spooled, read: Settings, file: Path) -> None:
    old = spooled.picture()
    going(spooled, read)
    assert carry_out(read, plan(read, NOW), NOW) == 100
    assert not old.exists()
    assert plan(read, NOW).going == ()
    with reading(file) as db:
        assert db.execute("SELECT outcome FROM frames WHERE path = ?", [str(old)]).fetchone() == ("observed",)


def test_by_a_clock_that_is_far_ahead_nothing_goes(spooled: Spooled, read: Settings) -> None:
    spooled.picture()
    spooled.said.db.conn.commit()
    with pytest.raises(ClockDoubted, match="the newest picture came on 2026-06-30"):
        plan(read, NOW + timedelta(days=3650))


def test_a_dry_run_says_what_would_go_and_deletes_nothing(spooled: Spooled, file: Path) -> None:
    now = datetime.now(UTC)
    old = spooled.picture(now - 2 * WINDOW_DAYS * DAY_LONG)
    spooled.said.frame(now, admitted_at=iso(now))
    spooled.said.db.conn.commit()
    config = file.with_name("station.toml")
    config.write_text('[station]\ndatabase = "station.db"\n[mqtt]\nspool = "spool"\n')
    told = station("jobs", "run", "retention", "--dry-run", "--config", config)
    assert "1 pictures of the spool, older than 365 days, would go" in told and old.exists()
    assert "deleted" in station("jobs", "run", "retention", "--config", config)
    assert not old.exists()


def test_only_retention_and_retraining_have_a_dry_run(read: Settings, file: Path) -> None:
    with pytest.raises(JobError, match="backup has no dry run"):
        chores.do("backup", chores.Chore(read, file, NOW, None, dry_run=True))
