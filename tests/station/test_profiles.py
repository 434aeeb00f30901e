from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from station import history, profiles
from station.hearing import hearing
from station.lifetime import Season
from station.response import Response
from station.store import Store
from station.times import zone
from tests.frames import TAKEN, candidate, observed, take

NOW = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.mark.parametrize(("place", "seen_on"), [("UTC", date(2026, 6, 1)), ("-08:00", date(2026, 5, 31))])
def test_an_animal_was_seen_on_the_stations_day(store: Store, file: Path, place: str, seen_on: date) -> None:
    """Its picture is of midnight in Greenwich; who was seen on a day was born on it at the latest."""
    assert datetime(2026, 6, 1, tzinfo=UTC) == TAKEN
    store.admit([candidate(1)], NOW)
    store.record([observed(frame, "", 0.1) for frame in take(store, 1)], NOW)
    with hearing(file, "wei", NOW) as heard:
        heard.confirm(1, "bao", new=True)
        heard.set("bao", {"born_after": "2026-05-31"})
    with history.reading(file) as db:
        [bao] = profiles.profiles(db, Response.plain(1.0, 1.0), Season(), zone(place))
    assert bao.birth
    assert bao.birth.quantile(1.0) == seen_on
