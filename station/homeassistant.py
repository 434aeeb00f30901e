"""So that Home Assistant finds the station by itself: MQTT discovery, as retained messages.  Pure.

Each is `homeassistant/<component>/<station>/<object>/config`.  Home Assistant asks for them again by saying
`online` on `homeassistant/status`: whoever hears it calls `Rounds.announce`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from station.domain import Message
from station.messages import STATE_RANK, Topics

BIRTH_TOPIC, BIRTH = "homeassistant/status", "online"


def discovery(
    station: str, version: str, model: str, cameras: Iterable[str], individuals: Iterable[str]
) -> Iterator[Message]:
    """One message an entity: the age of each individual, each camera, and the station's health."""
    topics = Topics(station)
    common = {
        "availability_topic": topics.status,
        # `stopped` is not available either, and a payload that is neither of two would be passed over
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "device": {
            "identifiers": [f"age-station-{station}"],
            "name": f"Age Station {station}",
            "manufacturer": "Age Station",
            "model": model,
            "sw_version": version,
        },
        "origin": {"name": "age-station", "sw_version": version},
    }
    for component, object_id, its in _entities(topics, cameras, individuals):
        config = {"unique_id": f"{station}_{object_id}", **its, **common}
        topic = f"homeassistant/{component}/{station}/{object_id}/config"
        yield Message(topic, json.dumps(config, ensure_ascii=False), True, STATE_RANK)


Entity = tuple[str, str, Mapping[str, object]]


def _entities(topics: Topics, cameras: Iterable[str], individuals: Iterable[str]) -> Iterator[Entity]:
    yield from _station(topics.health_state)
    for camera in cameras:
        yield from _camera(camera, topics.camera_state(camera))
    for individual in individuals:
        yield _age(individual, topics.individual_state(individual))


def _station(state: str) -> Iterator[Entity]:
    waiting = {
        "name": "Pictures waiting",
        "value_template": "{{ value_json.waiting_live + value_json.waiting_backlog }}",
    }
    outbox = {"name": "Messages waiting", "value_template": "{{ value_json.outbox }}"}
    free = {
        "name": "Free space",
        "value_template": "{{ value_json.free_mb }}",
        "device_class": "data_size",
        "unit_of_measurement": "MB",
    }
    for object_id, its in (("waiting", waiting), ("outbox", outbox), ("free_space", free)):
        measured = {"state_topic": state, "state_class": "measurement", "entity_category": "diagnostic"}
        yield "sensor", object_id, {**its, **measured}
    yield (
        "binary_sensor",
        "problem",
        {
            "name": "Problem",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.problems else 'OFF' }}",
            "device_class": "problem",
            "json_attributes_topic": state,
        },
    )


def _camera(name: str, state: str) -> Iterator[Entity]:
    yield (
        "sensor",
        f"camera_{slug(name)}_last_heard",
        {
            "name": f"Camera {name} last heard",
            "state_topic": state,
            "value_template": "{{ value_json.last_heard }}",
            "device_class": "timestamp",
        },
    )
    yield (
        "binary_sensor",
        f"camera_{slug(name)}_silent",
        {
            "name": f"Camera {name} silent",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.silent_since else 'OFF' }}",
            "device_class": "problem",
            "json_attributes_topic": state,
        },
    )


def _age(name: str, state: str) -> Entity:
    its = {
        "name": f"{name} age",
        "state_topic": state,
        "value_template": "{{ value_json.age_years | round(1) }}",
        "unit_of_measurement": "years",
        "icon": "mdi:paw",
        "json_attributes_topic": state,
    }
    return "sensor", f"individual_{slug(name)}_age", its


def slug(name: str) -> str:
    """A name as part of an id: letters, digits, - and _ only; different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
