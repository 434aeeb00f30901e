"""What the station tells subscribers by the clock, from a real ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station import settings
from station.checkup import Live
from station.domain import Reason, Rejection
from station.flow import Doorbell
from station.herald import Herald
from station.meter import Meter
from station.rounds import Rounds
from station.store import Store
from tests.frames import candidate, observed, take
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "station.db", NOW, durable=True, herald=Herald("hut")) as store:
        store.use_model(card(), NOW)
        yield store


@pytest.fixture
def rounds(tmp_path: Path, store: Store) -> Rounds:
    read = settings.of(
        {
            "station": {"id": "hut", "database": tmp_path / "station.db"},
            "mqtt": {"host": "hut", "spool": tmp_path / "spool"},
            "cameras": {"ridge": {"silent_after_h": 24}},
        }
    )
    return Rounds(
        read, store, Live(lambda: "tiny-1", "cpu", Meter(), dict, lambda: "connected"), Doorbell(), lambda: NOW
    )


def silent_since(store: Store) -> str | None:
    """As the newest state of the camera says that was queued."""
    with store.asking() as db:
        [(payload,)] = db.execute("SELECT payload FROM outbox WHERE topic = 'station/hut/camera/ridge/status'")
    told: str | None = json.loads(payload)["silent_since"]
    return told


def hourly(rounds: Rounds, first: int, last: int) -> None:
    for hour in range(first, last + 1):
        rounds.round(NOW + hour * HOUR)


def test_a_silent_camera_stays_silent_when_an_old_picture_of_it_is_looked_at_again(
    store: Store, rounds: Rounds
) -> None:
    store.admit([candidate(0), candidate(1)], NOW)
    one, two = take(store, 2)
    store.record([observed(one), Rejection(two, Reason.NO_DETECTIONS, "no results file")], NOW)
    hourly(rounds, 0, 30)
    assert store.retry() == 1
    store.record([Rejection(take(store, 1)[0], Reason.NO_DETECTIONS, "still none")], NOW + 30 * HOUR)
    hourly(rounds, 31, 32)
    assert silent_since(store) == NOW.isoformat()


def test_a_camera_that_is_heard_again_is_told_by_the_next_round(store: Store, rounds: Rounds) -> None:
    store.admit([candidate(0)], NOW)
    hourly(rounds, 0, 30)
    assert silent_since(store) == NOW.isoformat()
    store.admit([candidate(1)], NOW + 30 * HOUR)
    hourly(rounds, 31, 31)
    assert silent_since(store) is None
