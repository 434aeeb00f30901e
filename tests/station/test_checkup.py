"""The report on a real ledger: what is counted, what is a problem, and what it costs."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from station import entries, history, schema, settings
from station.checkup import Live, checkup, examine
from station.counts import recount
from station.domain import Away, Duplicate, Estimate, Frame, Lane, Message, Outcome, Reason, Rejection
from station.flow import Doorbell
from station.health import Health, Refused
from station.herald import Herald
from station.mail import Mail, Refusal
from station.meter import FACES, Histogram, Meter
from station.metrics import exposition
from station.store import Store
from station.succession import Looked
from station.times import iso
from station.vitals import vitals
from tests.benchmarks.health import before_health, fill
from tests.frames import candidate, observed, take
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FREE = {"database": 9000.0}


def configured(file: Path, **sections: Any) -> settings.Settings:
    return settings.of({"station": {"database": file}, **sections})


def report(read: settings.Settings, now: datetime = NOW, **free: float) -> Health:
    with history.reading(read.station.database) as db:
        return examine(read, vitals(db, now, read.places()), now, FREE | free)


COUNTED = """SELECT camera, lane, coalesce(outcome, 'waiting'), coalesce(reason, ''),
CASE WHEN outcome IS NOT 'observed' THEN '' WHEN captured_impossible THEN 'impossible'
WHEN captured_at IS NULL THEN 'unknown' ELSE 'believable' END,
count(*) FROM frames GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
ESTIMATED = "SELECT model, low_years IS NOT NULL, count(*) FROM estimates GROUP BY 1, 2"


def counts(db: Database) -> tuple[list[Any], list[Any]]:
    return (
        db.execute("SELECT * FROM frame_counts WHERE n != 0 ORDER BY 1, 2, 3, 4, 5").fetchall(),
        db.execute("SELECT * FROM estimate_counts WHERE n != 0").fetchall(),
    )


def test_the_counts_are_those_of_the_tables_whatever_happens(file: Path, store: Store) -> None:
    chance = random.Random(1)
    bell = Doorbell()
    frames = store.pending(bell)
    store.admit([candidate(i, camera=f"camera{i % 3}") for i in range(200)], NOW)
    for _ in range(150):
        frame = next(frames)
        outcomes: list[Outcome] = [observed(frame, "", 3.0, 4.0), observed(frame), Duplicate(frame, "x")]
        outcomes += [Rejection(frame, reason, "") for reason in (Reason.EMPTY, Reason.VANISHED)]
        store.record([chance.choice(outcomes)], NOW)
    assert store.retry(reason="empty") > 0
    assert store.admit([candidate(i, camera=f"camera{i % 3}") for i in range(250)], NOW) > 50  # the vanished again
    with history.reading(file) as db:
        assert counts(db) == (db.execute(COUNTED).fetchall(), db.execute(ESTIMATED).fetchall())
        assert len(db.execute(COUNTED).fetchall()) > 6


def test_an_older_database_is_counted_when_it_is_brought_up_to_date(file: Path) -> None:
    db = before_health(file)
    fill(db, 5000)
    db.close()
    with pytest.raises(schema.StoreError, match="older station"):
        checkup(configured(file), NOW)
    db = schema.open_database(file)
    assert counts(db) == (db.execute(COUNTED).fetchall(), db.execute(ESTIMATED).fetchall())
    arrivals = db.execute("SELECT count(*), count(DISTINCT camera), max(last_at) FROM arrivals").fetchone()
    assert arrivals == (-(-5000 // 7), 100, db.execute("SELECT max(admitted_at) FROM frames").fetchone()[0])


def test_pictures_less_than_half_an_hour_apart_are_one_arrival_before_and_after_an_upgrade(file: Path) -> None:
    minutes = (0, 0, 10, 39, 70, 71, 200, 229, 231, 300)
    with Store(file, NOW) as store:
        for number, minute in enumerate(minutes):
            store.admit([candidate(number)], NOW + timedelta(minutes=minute))
        store.admit([candidate(99, camera="creek")], NOW)
    apart = "SELECT camera, substr(began_at, 12, 5), substr(last_at, 12, 5) FROM arrivals ORDER BY 1, 2"
    wanted = [
        ("creek", "00:00", "00:00"),
        *(
            ("ridge", *span)
            for span in (("00:00", "00:39"), ("01:10", "01:11"), ("03:20", "03:51"), ("05:00", "05:00"))
        ),
    ]
    with history.reading(file) as db:
        assert db.execute(apart).fetchall() == wanted
    before_health(file).close()
    db = schema.open_database(file)
    assert db.execute(apart).fetchall() == wanted


def test_no_look_reads_the_frames_from_end_to_end(file: Path, store: Store) -> None:
    """The plans of all its questions name an index for every table that grows."""
    store.admit([candidate(1)], NOW)
    asked: list[tuple[str, Any]] = []
    with history.reading(file) as db:
        with db.tracer(lambda sql, parameters: asked.append((sql, parameters))):
            vitals(db, NOW, [Path("/p"), Path("/q")])
        plans = [
            row[3]
            for sql, p in asked
            if sql.startswith("SELECT")
            for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", p or [])
        ]
    grows = [plan for plan in plans if any(name in plan for name in ("frames", "faces", "arrivals"))]
    assert len(grows) >= 5
    assert not [plan for plan in grows if plan.startswith("SCAN")]


def test_a_face_that_two_models_have_read_is_counted_once(file: Path, store: Store) -> None:
    store.admit([candidate(i) for i in range(2)], NOW)
    store.record([observed(one, str(one.id), 4.0) for one in take(store, 2)], NOW)
    before = report(configured(file)).estimates
    store.use_model(card(version="newer"), NOW)
    begun = report(configured(file)).estimates
    with store.writing() as db:
        for face in (1, 2):
            entries.rescore(db, [(face, Estimate(3.0, 1.0, 2.0, 4.0, None, "newer"))], iso(NOW))
    after = report(configured(file))
    assert (before, begun, after.estimates, after.coverage.interval) == (2, 0, 2, 1.0)


def test_the_report_tells_what_is_there(file: Path, store: Store) -> None:
    store.admit([candidate(i) for i in range(4)], NOW)
    one, two, three, _ = take(store, 4)
    store.record([observed(one, "", 4.0), observed(two), Rejection(three, Reason.TRUNCATED, "cut")], NOW + HOUR)
    store.queue([Message("t", "1", True, 0), Message("t", "2", True, 0), Message("e", "{}", False, 1)], NOW)
    health = report(configured(file, cameras={"den": {}, "cards": {"pattern": "{camera}"}}), NOW + HOUR)
    assert health.images == {"observed": 2, "rejected": 1, "waiting": 1}
    assert health.rejections == {"truncated": 1}
    assert (health.queues["live"].waiting, health.queues["backlog"].waiting) == (0, 1)
    assert health.queues["backlog"].oldest_s == 3600
    assert (health.estimates, health.coverage.interval, health.coverage.time) == (1, 0.0, 1.0)
    assert health.images_per_s == pytest.approx(3 / 300)
    assert (health.outbox.waiting, health.outbox.oldest_s, health.broker) == (2, 3600, "none")
    assert [(c.camera, c.last_heard is None) for c in health.cameras] == [("ridge", False), ("den", True)]
    assert (health.state, health.problems, health.running) == ("never", (), None)


def test_a_state_waits_once_and_events_all(file: Path, store: Store) -> None:
    store.queue([Message("s", "1", True, 0), Message("e", "1", False, 1), Message("s", "2", True, 0)], NOW)
    store.queue([Message("s", "3", True, 0), Message("e", "2", False, 1)], NOW)
    with history.reading(file) as db:
        assert db.execute("SELECT topic, payload FROM outbox ORDER BY id").fetchall() == [
            ("e", "1"),
            ("s", "3"),
            ("e", "2"),
        ]


def test_counts_that_a_repair_has_left_wrong_are_made_anew(file: Path) -> None:
    db = before_health(file)
    fill(db, 1000)
    db.close()
    db = schema.open_database(file)
    right = counts(db), db.execute("SELECT * FROM arrivals").fetchall()
    db.execute("UPDATE frame_counts SET n = 7")
    db.execute("DELETE FROM arrivals")
    recount(db)
    assert (counts(db), db.execute("SELECT * FROM arrivals").fetchall()) == right


def test_what_was_refused_and_what_went_unsent_is_told_with_reason_and_camera(file: Path, store: Store) -> None:
    mail = Mail(store, Herald("hut"))
    for _ in range(2):
        mail.refuse({("too_large", "ridge"): Refusal("t", "d", 3), ("topic", ""): Refusal("u", "d", 1)}, NOW)
    live = Live(lambda: "tiny-1", "cpu", Meter(), dict, lambda: "connected", unsent=lambda: 52)
    found = checkup(configured(file, mqtt={"host": "hut"}), NOW, live)
    assert found.health.refused == (Refused("too_large", "ridge", 6), Refused("topic", "", 2))
    told = exposition(found, live).decode()
    assert 'station_refused_messages{camera="ridge",reason="too_large"} 6.0' in told
    assert 'station_refused_messages{camera="",reason="topic"} 2.0' in told
    assert "station_unsent_estimates 52.0" in told


def test_what_other_parts_have_found_stands_among_the_problems(file: Path, store: Store) -> None:
    live = Live(lambda: "tiny-1", "cpu", Meter(), dict, lambda: "none", lambda: ("the disk is full",))
    assert list(map(str, checkup(configured(file), NOW, live).health.problems)) == ["the disk is full"]


def abouts(health: Health) -> list[str]:
    return [problem.about for problem in health.problems]


def test_a_daemon_that_went_down_without_a_word_is_a_problem_and_one_that_was_stopped_is_not(file: Path) -> None:
    read = configured(file)
    with Store(file, NOW) as crashing:
        crashing.alive(NOW + HOUR)
        assert report(read, NOW + HOUR).state == "running"
    assert abouts(report(read, NOW + 2 * HOUR)) == ["station"]
    with Store(file, NOW + 2 * HOUR) as a_command:
        a_command.end_run(NOW + 2 * HOUR)
    assert abouts(report(read, NOW + 2 * HOUR)) == ["station"]
    with Store(file, NOW + 3 * HOUR) as stopping:
        stopping.alive(NOW + 3 * HOUR)
        stopping.end_run(NOW + 4 * HOUR)
    health = report(read, NOW + 9 * HOUR)
    assert (health.state, health.problems) == ("stopped", ())


def test_a_line_that_does_nothing_is_a_problem_but_not_just_after_the_start(file: Path, store: Store) -> None:
    store.admit([candidate(1)], NOW - 9 * HOUR)
    for up, wanted in ((HOUR / 6, []), (HOUR, ["line"])):
        store.alive(NOW + up)
        assert abouts(report(configured(file), NOW + up)) == wanted


def test_pictures_below_folders_that_are_no_longer_named_are_told_as_that_and_stop_no_line(
    file: Path, store: Store, tmp_path: Path
) -> None:
    here, gone = tmp_path / "here", tmp_path / "gone"
    read = configured(file, cameras={"ridge": {"folder": here}})
    store.admit([candidate(1, path=f"{here}/1.jpg"), candidate(2, path=f"{gone}/2.jpg"),
                 candidate(3, path=f"{gone}/3.jpg", lane=Lane.LIVE)], NOW)  # fmt: skip
    store.alive(NOW + HOUR)
    first, *_ = take(store, 3)
    assert first.path.endswith("/3.jpg")
    assert abouts(report(read, NOW + HOUR)) == ["line", "elsewhere"]
    with store.writing() as db:
        db.execute("DELETE FROM frames WHERE path LIKE '%/here/%'")
    health = report(read, NOW + HOUR)
    assert [p.what for p in health.problems] == ["2 pictures wait below folders that the configuration no longer names"]
    assert [(queue.waiting, queue.oldest_s) for queue in health.queues.values()] == [(0, None), (0, None)]


def test_live_pictures_that_wait_too_long_while_others_are_done_are_a_problem(file: Path, store: Store) -> None:
    store.admit([candidate(i, lane=Lane.LIVE) for i in (1, 2)], NOW)
    store.record([observed(take(store, 1)[0])], NOW + HOUR)
    store.alive(NOW + HOUR)
    assert abouts(report(configured(file), NOW + HOUR)) == ["live lane"]
    assert abouts(report(configured(file, health={"live_wait_s": 4000}), NOW + HOUR)) == []


def test_messages_that_wait_too_long_or_are_too_many_are_problems_where_there_is_a_broker(
    file: Path, store: Store
) -> None:
    store.queue([Message(f"t{i}", "{}", False, 1) for i in range(80)], NOW)
    later = NOW + 7 * HOUR
    assert abouts(report(configured(file), later)) == []
    mqtt = {"host": "hut", "outbox_max": 100}
    assert abouts(report(configured(file, mqtt=mqtt), later)) == ["outbox", "outbox limit"]
    assert abouts(report(configured(file, mqtt=mqtt, health={"outbox_wait_h": 8}), later)) == ["outbox limit"]


def test_a_state_that_is_told_anew_each_minute_waits_since_the_first_time(file: Path, store: Store) -> None:
    for minute in range(0, 7 * 60, 10):
        store.queue([Message("station/hut/health", str(minute), True, 0)], NOW + minute * HOUR / 60)
    health = report(configured(file, mqtt={"host": "hut"}), NOW + 7 * HOUR)
    assert (health.outbox.waiting, health.outbox.oldest_s) == (1, 7 * 3600)
    assert abouts(health) == ["outbox"]


@pytest.mark.parametrize(("seconds", "wanted"), [(600, []), (1200, ["broker"])])
def test_a_broker_that_stays_away_is_a_problem_that_says_why(
    file: Path, store: Store, seconds: float, wanted: list[str]
) -> None:
    away = Away(seconds, "the broker refuses the connection: Not authorized")
    live = Live(lambda: "tiny-1", "cpu", Meter(), dict, lambda: "not connected", away=lambda: away)
    health = checkup(configured(file, mqtt={"host": "hut"}, health={"free_mb": 1}), NOW, live).health
    assert abouts(health) == wanted
    assert all("for 20 minutes (the broker refuses the connection: Not authorized)" in p.what for p in health.problems)


def test_little_space_is_a_problem_of_the_place(file: Path, store: Store) -> None:
    health = report(configured(file), spool=100.0)
    assert abouts(health) == ["space spool"]
    assert health.problems[0].what == "100 MB are free for the spool"


def heard_daily(file: Path, days: int) -> None:
    """A camera that was heard every day, by a station that has been up since."""
    with Store(file, NOW) as store:
        for day in range(days):
            store.admit([candidate(day)], NOW + day * 24 * HOUR)


def test_a_camera_that_breaks_its_rhythm_is_a_problem_of_its_own(file: Path) -> None:
    heard_daily(file, 10)
    last = NOW + 9 * 24 * HOUR
    with Store(file, last) as store:
        for hours, silent in ((47, False), (49, True)):
            now = last + hours * HOUR
            store.alive(now)
            camera = report(configured(file), now).cameras[0]
            assert camera.allowed_silence_h == 48
            assert camera.silent_since == (last.isoformat() if silent else None)
        health = report(configured(file, health={"live_wait_s": 1e9}), now)
        assert abouts(health) == ["camera ridge"]
        rests = configured(file, health={"live_wait_s": 1e9}, cameras={"ridge": {"silent_after_h": 0}})
        assert abouts(report(rests, now)) == []
        strict = configured(file, cameras={"ridge": {"silent_after_h": 5}})
        assert report(strict, last + 6 * HOUR).cameras[0].silent_since


def test_no_camera_was_silent_while_the_station_was_down(file: Path) -> None:
    heard_daily(file, 10)
    now = NOW + 30 * 24 * HOUR
    with Store(file, now) as store:
        store.alive(now)
        assert report(configured(file), now).cameras[0].silent_since is None


def test_a_day_with_the_clock_ahead_hides_no_silent_camera_and_no_line_that_stands_still(file: Path) -> None:
    ahead = NOW + 38 * 365 * 24 * HOUR
    with Store(file, ahead) as store:
        store.admit([candidate(0)], ahead)
        store.record([observed(take(store, 1)[0])], ahead)
        store.alive(ahead)
    assert report(configured(file), NOW).state == "down"
    with Store(file, NOW) as store:
        store.admit([candidate(1)], NOW)
        store.record([observed(take(store, 1)[0])], NOW)
        store.admit([candidate(2)], NOW + HOUR)
        later = NOW + 30 * 24 * HOUR
        store.alive(later)
        health = report(configured(file, cameras={"ridge": {"silent_after_h": 24}}), later)
        assert health.cameras[0].last_heard == (NOW + HOUR).isoformat()
        assert abouts(health) == ["line", "camera ridge"]
        assert health.images_per_s == 0


def test_a_run_that_began_with_the_clock_ahead_is_judged_from_when_it_was_set_right(file: Path) -> None:
    ahead = NOW + 38 * 365 * 24 * HOUR
    with Store(file, ahead) as store:
        store.admit([candidate(0)], ahead)
        for hours, wanted in ((0, []), (1, ["line"])):
            store.alive(NOW + hours * HOUR)
            assert abouts(report(configured(file), NOW + hours * HOUR)) == wanted


def test_a_database_that_a_clock_ahead_has_blinded_sees_again_when_it_is_brought_up_to_date(file: Path) -> None:
    with Store(file, NOW) as store:
        store.admit([candidate(0)], NOW + 900 * 24 * HOUR)
        store.admit([candidate(1)], NOW)
        with store.writing() as db:  # as the program of before left it
            db.execute("DELETE FROM arrivals WHERE began_at = ?", [NOW.isoformat()])
            db.execute("DELETE FROM _sqlite_migrations WHERE name = 'arrivals'")
    with Store(file, NOW):
        assert report(configured(file), NOW + HOUR).cameras[0].last_heard == NOW.isoformat()


def test_the_meter_says_what_passed_through_it() -> None:
    meter = Meter()
    frame = Frame(1, "ridge", "/p/1.jpg", 1, 1)
    look = meter.looking(lambda f: Looked(Duplicate(f, "x"), by=None))  # type: ignore[arg-type]
    read = meter.reading(list)
    assert read([look(frame), look(frame)])
    assert {stage: histogram.count for stage, histogram in meter.stages().items()} == {
        "look": 2, "wait": 2, "device": 1, "record": 0,
    }  # fmt: skip
    assert meter.batches() == Histogram(FACES, (1, *[0] * len(FACES)), 0.0)
    live = Live(lambda: "tiny-1", "cpu", meter, dict, lambda: "connected")
    assert live.meter.batches().below(0.95) == 1


@pytest.mark.parametrize(
    ("counts", "below"), [((0, 0, 0), None), ((19, 1, 0), 1.0), ((18, 2, 0), 2.0), ((1, 1, 8), None), ((0, 5, 0), 2.0)]
)
def test_a_histogram_gives_the_bound_that_holds_the_share(counts: tuple[int, ...], below: float | None) -> None:
    assert Histogram((1.0, 2.0), counts, 0.0).below(0.95) == below
