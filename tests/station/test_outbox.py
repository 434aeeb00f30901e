"""What leaves the station, in which order, and what stays when the broker is away; with a real ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station.broker import Incoming, Sent
from station.domain import CaptureTime, Duplicate, Message, Observed, TimeSource
from station.flow import Doorbell
from station.hearing import hearing
from station.herald import Herald
from station.mail import Mail
from station.outbox import Outbox
from station.replay import MOST, Replay
from station.shortage import Problems
from station.store import Store
from tests.frames import candidate, observed, take
from tests.station.test_flow import until
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class FakeBroker:
    """Takes messages and confirms them when told to."""

    def __init__(self) -> None:
        self.window = 4
        self.taken: list[Message] = []
        self.correlations: list[bytes | None] = []

    def publish(self, message: Message, correlation: bytes | None = None) -> Sent:
        self.taken.append(message)
        self.correlations.append(correlation)
        return Sent(1, len(self.taken))

    def again(self) -> None:
        raise AssertionError

    def seqs(self) -> list[int]:
        return [json.loads(m.payload)["seq"] for m in self.taken if m.topic.endswith("estimates")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "station.db", NOW, durable=True, herald=Herald("hut", lambda id: id.title())) as store:
        store.use_model(card(), NOW)
        yield store


@pytest.fixture
def mail(store: Store) -> Mail:
    return Mail(store, Herald("hut", lambda id: id.title()))


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def replay(mail: Mail) -> Replay:
    return Replay(mail, Herald("hut").topics, "hut", lambda topic: topic.startswith("frigate/"))


@pytest.fixture
def outbox(broker: FakeBroker, mail: Mail, replay: Replay) -> Iterator[Outbox]:
    bell = Doorbell()
    with Outbox(broker, mail, replay, 100, Problems(), bell) as outbox:
        yield outbox
    bell.check()


def see(store: Store, *ages: float, individual: str | None = None, taken: datetime = NOW) -> None:
    """Each age is one picture."""
    with store.asking() as db:
        first = db.execute("SELECT count(*) FROM frames").fetchone()[0]
    store.admit([candidate(first + i, individual=individual) for i in range(len(ages))], NOW)
    outcomes = []
    for frame, age in zip(take(store, len(ages)), ages, strict=True):
        seen = observed(frame, "", age)
        facts = replace(seen.facts, captured=CaptureTime(taken, "x", TimeSource.EXIF))
        observations = tuple(replace(o, individual=individual) for o in seen.observations)
        outcomes.append(Observed(frame, facts, observations))
    store.record(outcomes, NOW)


def waiting(mail: Mail, topic: str) -> list[dict[str, object]]:
    return [json.loads(w.message.payload) for w in mail.waiting(10_000) if w.message.topic == f"station/hut/{topic}"]


def test_what_is_recorded_is_told_in_the_same_transaction(store: Store, mail: Mail) -> None:
    see(store, 4.0, 5.0, individual="bao")
    assert [(m["seq"], m["id"], m["age_years"]) for m in waiting(mail, "estimates")] == [
        (1, "hut-d1-0-tiny-1", 4.0),
        (2, "hut-d2-0-tiny-1", 5.0),
    ]
    [state] = waiting(mail, "individuals/bao")
    assert (state["age_years"], state["last_seen"], state["camera_name"]) == (5.0, NOW.isoformat(), "Ridge")


def test_of_a_state_only_the_newest_waits_and_an_older_picture_changes_nothing(store: Store, mail: Mail) -> None:
    see(store, 4.0, individual="bao")
    see(store, 5.0, individual="bao", taken=NOW + timedelta(days=1))
    see(store, 3.0, individual="bao", taken=NOW - timedelta(days=900))
    assert [state["age_years"] for state in waiting(mail, "individuals/bao")] == [5.0]
    fresh = Herald("hut")
    with store.asking() as db:
        assert fresh._known(db, "bao") == ((NOW + timedelta(days=1)).isoformat(), 2)


def test_a_sorted_copy_that_names_an_animal_tells_the_animals_state_and_a_replay_its_name(
    store: Store, mail: Mail
) -> None:
    see(store, 4.0)
    [estimate] = waiting(mail, "estimates")
    assert estimate["individual"] is None
    store.admit([candidate(7, individual="bao")], NOW)
    store.record([Duplicate(take(store, 1)[0], str(estimate["digest"]))], NOW)
    [state] = waiting(mail, "individuals/bao")
    assert (state["id"], state["age_years"], state["last_seen"]) == (estimate["id"], 4.0, NOW.isoformat())
    assert len(waiting(mail, "estimates")) == 1
    [again] = mail.again(1, 1)
    assert json.loads(again.payload) == estimate | {"individual": "bao"}


def test_a_name_that_people_give_is_told_with_the_animals_state(store: Store, mail: Mail, tmp_path: Path) -> None:
    see(store, 4.0, individual="bao")
    assert [state["name"] for state in waiting(mail, "individuals/bao")] == [None]
    with hearing(tmp_path / "station.db", "wei", NOW) as heard:
        word = heard.name("bao", "Bao Bao")
    see(store, 5.0)
    assert [state["name"] for state in waiting(mail, "individuals/bao")] == ["Bao Bao"]
    with hearing(tmp_path / "station.db", "wei", NOW) as heard:
        heard.undo(word.id)
    see(store, 6.0)
    assert [state["name"] for state in waiting(mail, "individuals/bao")] == [None]


def test_what_is_subscribed_to_no_longer_is_known_until_it_is_wanted_again(mail: Mail) -> None:
    assert mail.former(["a/+", "b"]) == []
    for _ in range(2):
        assert mail.former(["b", "c"]) == ["a/+"]
    assert mail.former(["a/+"]) == ["b", "c"]


def test_states_go_first_then_estimates_in_order_and_a_row_goes_when_it_is_confirmed(
    store: Store, mail: Mail, broker: FakeBroker, outbox: Outbox
) -> None:
    see(store, *[4.0] * 10, individual="bao")
    outbox.up()
    assert until(lambda: len(broker.taken) == broker.window)
    assert not until(lambda: len(broker.taken) > broker.window, 0.2)
    assert broker.taken[0].topic == "station/hut/individuals/bao"
    for number in range(1, 12):
        assert until(lambda number=number: len(broker.taken) >= number)
        outbox.sent(Sent(1, number), None)
    assert until(lambda: mail.depth() == 0)
    assert broker.seqs() == list(range(1, 11))


def test_what_was_in_flight_when_the_connection_broke_is_sent_again_in_order(
    store: Store, mail: Mail, broker: FakeBroker, outbox: Outbox
) -> None:
    see(store, *[4.0] * 5, individual="bao")
    outbox.up()
    assert until(lambda: broker.seqs() == [1, 2, 3])
    outbox.sent(Sent(1, 1), None)
    outbox.sent(Sent(1, 2), None)
    outbox.down()
    outbox.up()
    assert until(lambda: broker.seqs()[-1] == 5)
    again = broker.seqs()[broker.seqs().index(5) - 3 :]
    assert again == [2, 3, 4, 5]


def test_beyond_the_limit_the_oldest_estimates_go_unsent_and_states_stay(
    store: Store, mail: Mail, outbox: Outbox
) -> None:
    see(store, *[4.0] * 150, individual="bao")
    assert until(lambda: outbox.unsent == 51)
    assert mail.depth() == 100
    assert len(waiting(mail, "individuals/bao")) == 1
    assert waiting(mail, "estimates")[0]["seq"] == 52


def test_what_the_broker_refuses_stays_and_is_said(
    store: Store, mail: Mail, broker: FakeBroker, outbox: Outbox
) -> None:
    see(store, 4.0, individual="bao")
    outbox.up()
    assert until(lambda: len(broker.taken) == 2)
    outbox.sent(Sent(1, 1), "Not authorized")
    outbox.sent(Sent(1, 2), None)
    assert until(lambda: mail.depth() == 1)
    assert until(lambda: "Not authorized" in outbox._problems.current()[0])


@pytest.mark.parametrize("hangs_up", [False, True])
def test_what_the_broker_refuses_keeps_nothing_else_back(
    store: Store, mail: Mail, broker: FakeBroker, outbox: Outbox, hangs_up: bool
) -> None:
    """Mosquitto 2.0 hangs up when it has refused a message."""
    refused = [Message(f"homeassistant/sensor/hut/age-{n}/config", "{}", True, 0) for n in range(3 * broker.window)]
    store.queue(refused, NOW)
    see(store, *[4.0] * 10, individual="bao")
    outbox.up()
    number = 0
    while number < 40 and until(lambda number=number: len(broker.taken) > number, 0.5):
        number += 1
        if broker.taken[number - 1].topic.startswith("station/"):
            outbox.sent(Sent(1, number), None)
        else:
            outbox.sent(Sent(1, number), "Not authorized")
            if hangs_up:
                number = len(broker.taken)
                outbox.down()
                outbox.up()
    assert mail.depth() == len(refused)
    assert sorted(set(broker.seqs())) == list(range(1, 11))
    assert len([m for m in broker.taken if m.topic.startswith("home")]) <= broker.window
    assert "on homeassistant/sensor/hut: Not authorized" in outbox._problems.current()[0]


def request(payload: str, reply_to: str | None = None, retained: bool = False) -> Incoming:
    return Incoming("station/hut/cmd/replay", payload.encode(), lambda: None, retained=retained, reply_to=reply_to,
                    correlation=b"mine")  # fmt: skip


def answers(replay: Replay) -> list[Message]:
    found = []
    while answer := replay.next():
        assert answer.correlation == b"mine"
        found.append(answer.message)
    return found


def test_a_replay_gives_the_same_messages_again(store: Store, mail: Mail, replay: Replay) -> None:
    see(store, *[4.0] * 120, individual="bao")
    replay.ask(request('{"from_seq": 2, "to_seq": 119}', "ranger/answers"))
    *again, end = answers(replay)
    told = [w.message for w in mail.waiting(1000) if w.message.topic.endswith("estimates")]
    assert [message.payload for message in again] == [message.payload for message in told[1:119]]
    assert {message.topic for message in [*again, end]} == {"ranger/answers"}
    assert json.loads(end.payload)["newest_seq"] == 120


def test_a_request_is_bounded_and_the_end_says_how_far_it_went(store: Store, replay: Replay) -> None:
    see(store, *[4.0] * (MOST + 10))
    replay.ask(request('{"from_seq": 5}'))
    *again, end = answers(replay)
    assert len(again) == MOST
    assert (json.loads(end.payload)["to_seq"], json.loads(end.payload)["newest_seq"]) == (MOST + 4, MOST + 10)


def test_an_answer_that_a_lost_connection_has_cut_off_has_no_end_and_may_be_asked_again(
    store: Store, mail: Mail, broker: FakeBroker, outbox: Outbox, replay: Replay
) -> None:
    see(store, *[4.0] * 30)
    mail.sent([one.id for one in mail.waiting(100)])
    replay.ask(request('{"from_seq": 1, "to_seq": 30}', "ranger/answers"))
    outbox.up()
    assert until(lambda: len(broker.taken) == broker.window)
    outbox.down()
    outbox.up()
    replay.ask(request('{"from_seq": 1, "to_seq": 30}', "ranger/answers"))
    again = broker.window
    for number in range(again + 1, again + 32):
        assert until(lambda number=number: len(broker.taken) >= number)
        outbox.sent(Sent(1, number), None)
    told = [json.loads(message.payload) for message in broker.taken]
    assert [m["seq"] for m in told[again:-1]] == list(range(1, 31))
    assert ["newest_seq" in m for m in told] == [False] * (again + 30) + [True]


@pytest.mark.parametrize(
    "payload", ["", "x", "[]", '{"from_seq": 0}', '{"from_seq": "1"}', '{"to_seq": 3}', "\0" * 9999]
)
def test_a_wrong_request_is_answered_with_what_is_wrong(replay: Replay, payload: str) -> None:
    replay.ask(request(payload))
    [end] = answers(replay)
    assert json.loads(end.payload)["problem"]


@pytest.mark.parametrize("topic", [None, "", "a/+", "#", "$SYS/x", "station/hut/status", "frigate/ridge/x/snapshot"])
def test_answers_go_to_no_topic_of_the_stations_own(replay: Replay, topic: str | None) -> None:
    replay.ask(request('{"from_seq": 1}', topic))
    assert [message.topic for message in answers(replay)] == ["station/hut/replay"]


def test_old_and_too_many_requests_are_dropped(replay: Replay) -> None:
    replay.ask(request('{"from_seq": 1}', retained=True))
    assert answers(replay) == []
    for _ in range(100):
        replay.ask(request('{"from_seq": 1}'))
    assert len(answers(replay)) == 16
