from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station import history
from station.domain import (
    CaptureTime,
    Duplicate,
    Facts,
    Lane,
    Observed,
    Reason,
    Rejection,
    TimeSource,
)
from station.flow import Doorbell
from station.schema import StoreError
from station.store import CHUNK, Store
from tests.frames import candidate, observed, take

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def crash(file: Path) -> None:
    """Takes frames in hand as a new run does, and goes away without a word."""
    with Store(file, NOW) as dying:
        frames = dying.pending(Doorbell())
        next(frames)


def done(store: Store) -> history.Tally:
    with store.asking() as db:
        return history.tally(db, store.run)


def closed() -> Doorbell:
    bell = Doorbell()
    bell.close()
    return bell


def test_a_known_file_is_not_admitted_twice_and_a_changed_one_is_new(store: Store) -> None:
    assert store.admit([candidate(1), candidate(2)], NOW) == 2
    assert store.admit([candidate(1), candidate(2)], NOW) == 0
    assert store.admit([candidate(1, size_bytes=11)], NOW) == 1


def test_the_live_lane_goes_first_and_each_lane_in_order(store: Store) -> None:
    store.admit([candidate(1), candidate(2, Lane.LIVE), candidate(3), candidate(4, Lane.LIVE)], NOW)
    assert [frame.path[3] for frame in take(store, 4)] == ["2", "4", "1", "3"]


def test_taking_a_frame_costs_the_same_however_many_wait(store: Store) -> None:
    def steps_of_taking() -> int:
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        with store.asking() as db:
            db.conn.set_progress_handler(step, 10)
            take(store, CHUNK)
            db.conn.set_progress_handler(None, 0)
        return steps

    store.admit([candidate(number) for number in range(100)], NOW)
    take(store, CHUNK)
    few = steps_of_taking()
    store.admit([candidate(number) for number in range(100, 3000)], NOW)
    assert steps_of_taking() < 1.5 * few


def test_pending_ends_when_the_bell_is_closed_and_all_is_recorded(store: Store) -> None:
    store.admit([candidate(i) for i in range(3 * CHUNK)], NOW)
    bell, seen = closed(), 0
    for frame in store.pending(bell):
        store.record([observed(frame)], NOW)
        bell.ring()
        seen += 1
    assert seen == 3 * CHUNK
    assert store.waiting() == 0


def test_a_stopped_bell_leaves_the_rest_for_the_next_run(file: Path, store: Store) -> None:
    store.admit([candidate(i) for i in range(10)], NOW)
    bell = Doorbell()
    frames = store.pending(bell)
    store.record([observed(next(frames))], NOW)
    bell.stop()
    assert list(frames) == []
    store.end_run(NOW)
    with history.reading(file) as db:
        assert history.counts(db) == {"observed": 1, "waiting": 9}
        assert {row["attempts"] for row in db.query("SELECT attempts FROM frames WHERE outcome IS NULL")} == {0}


def test_the_same_content_is_one_image_even_within_a_batch(store: Store) -> None:
    store.admit([candidate(i) for i in range(3)], NOW)
    first, second, third = take(store, 3)
    store.record([observed(first, "same", 4.0), observed(second, "same", 4.0)], NOW)
    assert store.original_of("same") == first.id
    store.record([Duplicate(third, "same")], NOW)
    assert done(store).outcomes == {"observed": 1, "duplicate": 2}
    assert (done(store).faces, done(store).estimates) == (1, 1)


def test_an_outcome_is_given_once_and_a_batch_is_recorded_whole_or_not_at_all(store: Store) -> None:
    store.admit([candidate(1), candidate(2)], NOW)
    first, second = take(store, 2)
    store.record([observed(first)], NOW)
    with pytest.raises(RuntimeError, match="had its outcome"):
        store.record([observed(second), observed(first)], NOW)
    assert store.waiting() == 1


def test_what_was_in_flight_at_a_crash_is_done_by_the_next_run(file: Path) -> None:
    with Store(file, NOW) as store:
        store.admit([candidate(1)], NOW)
    crash(file)
    with Store(file, NOW) as store:
        assert [frame.suspect for frame in take(store, 1)] == [False]


def test_after_two_crashes_a_frame_is_tried_last_and_alone_and_after_two_more_rejected(file: Path) -> None:
    with Store(file, NOW) as store:
        store.admit([candidate(1), candidate(2)], NOW)
    crash(file)
    crash(file)
    with Store(file, NOW) as store:
        store.admit([candidate(3)], NOW)
        bell = closed()
        frames = store.pending(bell)
        fresh = next(frames)
        assert (fresh.path, fresh.suspect) == ("/p/3.jpg", False)
        store.record([observed(fresh)], NOW)
        bell.ring()
        alone = next(frames)
        assert alone.suspect
        store.admit([candidate(4, Lane.LIVE)], NOW)
        assert store._claim_next() == []  # nothing else begins while it is in flight
    with Store(file, NOW) as store:
        frames = store.pending(Doorbell())
        store.record([observed(next(frames))], NOW)
        assert next(frames).path == "/p/1.jpg"  # and it goes down with it once more
    with Store(file, NOW) as store:
        bell = closed()
        for frame in store.pending(bell):
            store.record([observed(frame)], NOW)
            bell.ring()
    with history.reading(file) as db:
        rejected = list(db.query("SELECT path, detail FROM frames WHERE reason = 'crashed'"))
    assert [row["path"] for row in rejected] == ["/p/1.jpg"]
    assert "went down twice" in rejected[0]["detail"]


def test_frames_of_other_folders_wait_for_a_run_that_knows_their_settings(file: Path) -> None:
    with Store(file, NOW) as store:
        store.admit([candidate(1), candidate(2, path="/q/2.jpg"), candidate(3, path="/pp/3.jpg")], NOW)
    with Store(file, NOW, within=[Path("/p")]) as store:
        bell = closed()
        for frame in store.pending(bell):
            assert frame.path == "/p/1.jpg"
            store.record([observed(frame)], NOW)
            bell.ring()
        assert (store.waiting(), store.idle()) == (0, True)


def test_what_is_admitted_just_before_the_bell_is_closed_is_done(store: Store) -> None:
    """The last chunk comes, and the bell is closed, between a look at the empty ledger and the decision to end."""
    bell = Doorbell()

    class Late(Doorbell):
        """Closes, after one more admission, at the moment it is asked whether it is closed."""

        @property
        def closed(self) -> bool:
            if not bell.closed:
                store.admit([candidate(1)], NOW)
                bell.close()
                return False
            return True

        @closed.setter
        def closed(self, value: bool) -> None:
            pass

        def wait(self, timeout: float | None = None) -> bool:
            return True

    for frame in store.pending(Late()):
        store.record([observed(frame)], NOW)
    assert store.waiting() == 0


def test_a_file_whose_time_is_set_after_it_was_read_is_no_copy_of_itself(store: Store) -> None:
    store.admit([candidate(1)], NOW)
    store.record([observed(take(store, 1)[0], "same", 4.0)], NOW)
    store.admit([candidate(1, modified_ns=99)], NOW)
    store.record([Duplicate(take(store, 1)[0], "same")], NOW)
    assert done(store).outcomes == {"observed": 1}
    assert store.admit([candidate(1, modified_ns=99)], NOW) == 0


def test_pictures_sorted_by_animal_afterwards_name_the_animal(file: Path, store: Store) -> None:
    store.admit([candidate(1), candidate(2)], NOW)
    one, two = take(store, 2)
    store.record([observed(one, "one", 4.0), observed(two, "two", 4.0, 5.0)], NOW)
    sorted_into = [candidate(n, path=f"/p/bao/{n}.jpg", individual="bao") for n in (1, 2)]
    store.admit(sorted_into, NOW)
    store.record([Duplicate(frame, digest) for frame, digest in zip(take(store, 2), ("one", "two"), strict=True)], NOW)
    with history.reading(file) as db:
        named = [row["path"] for row in history.estimates(db, individual="bao")]
    assert named == ["/p/1.jpg"]  # of two faces the path says neither


def test_a_clean_stop_is_no_crash(file: Path) -> None:
    for _ in range(5):
        with Store(file, NOW) as store:
            store.admit([candidate(1)], NOW)
            take(store, 1)
            store.end_run(NOW)
    with Store(file, NOW) as store:
        assert not take(store, 1)[0].suspect


def test_rejections_keep_their_reason_and_can_be_retried(store: Store) -> None:
    store.admit([candidate(1), candidate(2, path="/q/2.jpg")], NOW)
    first, second = take(store, 2)
    store.record([Rejection(first, Reason.TRUNCATED, "cut"), Rejection(second, Reason.EMPTY, "nothing")], NOW)
    assert done(store).reasons == {"empty": 1, "truncated": 1}
    assert store.retry(reason="nonsense") == 0
    assert store.retry(under="/q") == 1
    assert store.retry(reason="truncated") == 1
    assert store.waiting() == 2


def test_a_file_that_was_gone_is_taken_again_when_it_is_back(store: Store) -> None:
    store.admit([candidate(1), candidate(2)], NOW)
    first, second = take(store, 2)
    store.record([Rejection(first, Reason.VANISHED, "gone"), Rejection(second, Reason.EMPTY, "nothing")], NOW)
    assert store.admit([candidate(1), candidate(2)], NOW) == 1


def test_one_program_writes_and_the_second_is_told_who(file: Path, store: Store) -> None:
    with pytest.raises(StoreError, match="in use by process"):
        Store(file, NOW)


def test_a_reader_cannot_write(file: Path, store: Store) -> None:
    with history.reading(file) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM frames")


def test_foreign_newer_and_damaged_databases_are_refused_untouched(tmp_path: Path) -> None:
    foreign, newer, damaged = (tmp_path / name for name in ("foreign.db", "newer.db", "damaged.db"))
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE birds (id)")
    Store(newer, NOW).__exit__(None, None, None)
    with sqlite3.connect(newer) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('station', 'later', '')"
        )
    damaged.write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    for file, words in ((foreign, "another program"), (newer, "newer station"), (damaged, "cannot be used")):
        with pytest.raises(StoreError, match=words):
            Store(file, NOW)


def test_estimates_are_asked_by_individual_camera_and_believable_time(file: Path, store: Store) -> None:
    store.admit([candidate(i, camera="ridge" if i else "creek", individual="bao") for i in range(3)], NOW)
    frames = sorted(take(store, 3), key=lambda f: f.path)
    outcomes = [observed(frame, "", 3.0 + frame.id) for frame in frames]
    wrong = CaptureTime(NOW + timedelta(days=900), "x", TimeSource.EXIF, impossible=True)
    facts = outcomes[2].facts
    outcomes[2] = Observed(outcomes[2].frame, Facts(facts.digest, 8, 6, wrong), outcomes[2].observations)
    store.record(outcomes, NOW)
    with history.reading(file) as db:
        assert len(list(history.estimates(db))) == 2
        assert len(list(history.estimates(db, impossible=True))) == 3
        assert history.impossible_clocks(db) == 1
        assert len(list(history.estimates(db, camera="creek"))) == 1
        assert len(list(history.estimates(db, individual="lian"))) == 0
        assert len(list(history.estimates(db, since=NOW))) == 2
        assert len(list(history.estimates(db, since=NOW + timedelta(days=1)))) == 0
