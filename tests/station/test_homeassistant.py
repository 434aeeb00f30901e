"""What Home Assistant is told, held against what it asks of discovery."""

from __future__ import annotations

import json
import re

import pytest

from station.domain import Message
from station.health import Camera, Coverage, Health, Problem, Queue
from station.homeassistant import discovery, slug
from station.messages import CameraMessage, HealthMessage, IndividualMessage
from station.rounds import states

TOPIC = re.compile(r"homeassistant/(sensor|binary_sensor)/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config")
NAMES = ["bao", "Bǎo Bao", "Bao_Bao", "Bao Bao", "a/b", "a+b", "#", "熊猫"]


def announced() -> list[Message]:
    return list(discovery("hut", "0.1.0", "tiny-1", ["ridge", "north ridge"], NAMES))


def test_every_entity_has_what_home_assistant_wants() -> None:
    for message in announced():
        config = json.loads(message.payload)
        assert TOPIC.fullmatch(message.topic)
        assert message.retained
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", config["unique_id"])
        assert config["availability_topic"] == "station/hut/status"
        assert config["device"]["identifiers"] == ["age-station-hut"]
        assert config["origin"]["name"]


def test_no_two_entities_share_an_id_or_a_topic() -> None:
    messages = announced()
    assert len(messages) == 4 + 2 * 2 + len(NAMES)
    assert (
        len({m.topic for m in messages}) == len({json.loads(m.payload)["unique_id"] for m in messages}) == len(messages)
    )


def test_ids_do_not_change_when_others_come() -> None:
    alone = {m.topic: m.payload for m in discovery("hut", "0.1.0", "tiny-1", [], ["Bao Bao"])}
    assert alone.items() <= {m.topic: m.payload for m in announced()}.items()


@pytest.mark.parametrize("name", NAMES)
def test_a_slug_is_of_letters_digits_and_lines(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", slug(name))


REPORT = Health(
    station="hut",
    database="/s.db",
    at="2026-06-01T00:00:00+00:00",
    state="running",
    problems=(Problem("space spool", "3 MB are free for the spool", "make room"),),
    queues={"live": Queue(1, 5.0), "backlog": Queue(2, 70.0)},
    images={},
    rejections={},
    refused=(),
    estimates=0,
    images_per_s=0.0,
    coverage=Coverage(None, None),
    outbox=Queue(4, 1.0),
    broker="connected",
    cameras=(
        Camera("north ridge", "2026-05-01T00:00:00+00:00", None, 48.0, "2026-05-01T00:00:00+00:00"),
        Camera("den", None, None, None, None),
    ),
    free_mb={"database": 800.0, "spool": 3.0},
    running=None,
)


def test_the_states_tell_the_report_to_subscribers() -> None:
    health, camera = states(REPORT, {"north ridge": "The ridge"}.__getitem__)
    assert (health.topic, camera.topic) == ("station/hut/health", "station/hut/camera/north=20ridge/status")
    told = HealthMessage.model_validate_json(health.payload)
    assert (told.waiting_live, told.waiting_backlog, told.oldest_waiting_s) == (1, 2, 70.0)
    assert (told.outbox, told.free_mb, told.problems) == (4, 3.0, ("3 MB are free for the spool: make room",))
    silent = CameraMessage.model_validate_json(camera.payload)
    assert (silent.camera, silent.camera_name) == ("north ridge", "The ridge")
    assert silent.silent_since == silent.last_heard


def test_what_entities_read_stands_in_the_messages_on_their_topics() -> None:
    fields = {"health": HealthMessage.model_fields, "status": CameraMessage.model_fields}
    for message in announced():
        config = json.loads(message.payload)
        known = fields.get(config["state_topic"].rsplit("/", 1)[-1], IndividualMessage.model_fields)
        read = re.findall(r"value_json\.(\w+)", config["value_template"])
        assert read
        assert set(read) <= set(known), message.topic
