"""What subscribers know an estimate by, when the database is one of before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from station import numbering
from station.backup import backup
from station.herald import Herald
from station.mail import Mail
from station.replay import Replay
from station.restore import restore
from station.store import Store
from tests.station.test_outbox import NOW, answers, request, see
from tests.tiny import card


@contextmanager
def opened(home: Path) -> Iterator[Store]:
    with Store(home / "station.db", NOW, durable=True, herald=Herald("hut")) as store:
        store.use_model(card(), NOW)
        yield store
        store.end_run(NOW)


def told(store: Store) -> dict[str, tuple[int, float]]:
    """Number and age by id, of all that waits."""
    with store.asking() as db:
        texts = [json.loads(text) for (text,) in db.execute("SELECT payload FROM outbox WHERE retained = 0").fetchall()]
    return {payload["id"]: (payload["seq"], payload["age_years"]) for payload in texts}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A station that has told of two pictures, a backup, and then of two more."""
    (tmp_path / "station.toml").write_text('[mqtt]\nhost = "hut"\n')
    with opened(tmp_path) as store:
        see(store, 1.0, 2.0)
    backup(tmp_path / "station.toml", tmp_path / "b.tar.gz", NOW)
    with opened(tmp_path) as store:
        see(store, 3.0, 4.0)
    return tmp_path


def restored(home: Path) -> None:
    restore(home / "b.tar.gz", home / "station.toml")


def test_after_a_restore_no_number_is_given_a_second_time(home: Path) -> None:
    with opened(home) as store:
        given = [seq for seq, _ in told(store).values()]
    for _ in range(2):
        restored(home)
        with opened(home) as store:
            see(store, 9.0)
            given.append(max(seq for seq, _ in told(store).values()))
    assert given == [1, 2, 3, 4, 1_000_001, 2_000_001]


def test_a_picture_that_is_looked_at_again_has_its_old_id(home: Path) -> None:
    with opened(home) as store:
        before = told(store)
    restored(home)
    with opened(home) as store:
        see(store, 3.0, 4.0)
        assert told(store).keys() == before.keys()


def test_on_a_new_box_no_number_of_the_lost_one_is_given_again(home: Path) -> None:
    (home / "station.db").unlink()
    restored(home)
    with opened(home) as store:
        see(store, 9.0)
        assert [seq for seq, _ in told(store).values()] == [1, 2, 1_000_001]


def test_one_request_gets_all_of_before_and_after_the_step(home: Path) -> None:
    restored(home)
    with opened(home) as store:
        see(store, 9.0)
        replay = Replay(Mail(store, Herald("hut")), Herald("hut").topics, "hut", lambda _: False)
        replay.ask(request('{"from_seq": 1}'))
        *again, end = (json.loads(message.payload) for message in answers(replay))
    assert [message["seq"] for message in again] == [1, 2, 1_000_001]
    assert (end["to_seq"], end["newest_seq"]) == (1_000_001, 1_000_001)


def test_a_database_that_may_have_lost_rows_goes_on_at_the_next_million(home: Path) -> None:
    numbering.skip(home / "station.db")
    with opened(home) as store:
        see(store, 5.0)
        assert [seq for seq, _ in told(store).values()][-1] == 1_000_001
