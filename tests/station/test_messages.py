"""The contract with subscribers: schemas, examples, and that changes are additive only.

`python -m tests.station.test_messages` writes `config/schemas/` anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from station.messages import (
    CameraMessage,
    CensusMessage,
    EstimateMessage,
    HealthMessage,
    IndividualMessage,
    ReplayMessage,
    ReplayRequest,
    SelfcheckMessage,
    Topics,
    token,
)

CONFIG = Path(__file__).parents[2] / "config"
SCHEMAS = CONFIG / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "estimate": EstimateMessage,
    "individual": IndividualMessage,
    "camera": CameraMessage,
    "health": HealthMessage,
    "census": CensusMessage,
    "selfcheck": SelfcheckMessage,
    "replay": ReplayMessage,
    "replay-request": ReplayRequest,
}
PROMISED = {
    "estimate": """age_years box camera camera_name captured_at captured_impossible captured_source confidence digest
        estimated_at file frame high_years id individual life_stage low_years model schema sd_years seq station""",
    "individual": """age_years camera camera_name high_years id individual last_seen life_stage low_years model name
        schema sd_years station""",
    "camera": "camera camera_name last_frame last_heard schema silent_since station",
    "health": "at free_mb oldest_waiting_s outbox problems schema station waiting_backlog waiting_live",
    "census": "day life_stages made_at model schema station total window_days",
    "selfcheck": """at baseline baseline_at causes device golden_off_years model ok per_s schema shares station worse
        wrong""",
    "replay": "from_seq newest_seq problem schema station to_seq",
    "replay-request": "from_seq to_seq",
}
"""Fields that subscribers may rely on: names are added here, never changed or taken away."""


def schema(model: type[BaseModel]) -> dict[str, Any]:
    mode = "validation" if model is ReplayRequest else "serialization"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema(mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_the_shipped_schema_is_the_programs(name: str) -> None:
    assert json.loads((SCHEMAS / f"{name}.json").read_text()) == schema(MODELS[name])


@pytest.mark.parametrize("name", MODELS)
def test_no_promised_field_is_gone(name: str) -> None:
    assert set(PROMISED[name].split()) <= set(schema(MODELS[name])["properties"])


@pytest.mark.parametrize("name", MODELS)
def test_subscribers_of_today_accept_fields_of_tomorrow(name: str) -> None:
    assert schema(MODELS[name]).get("additionalProperties", True) is not False


def examples() -> list[tuple[str, str]]:
    """Schema's name and payload of every example of `config/mqtt.md`."""
    text = (CONFIG / "mqtt.md").read_text()
    return re.findall(r"\(schemas/([a-z-]+)\.json\)[^`]*?```json\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", MODELS)
def test_every_payload_has_a_valid_example(name: str) -> None:
    found = [payload for of, payload in examples() if of == name]
    assert found
    for payload in found:
        jsonschema.validate(json.loads(payload), schema(MODELS[name]))


def test_the_description_names_every_topic() -> None:
    text = (CONFIG / "mqtt.md").read_text()
    for below in (
        "status",
        "estimates",
        "individuals/",
        "camera/",
        "health",
        "census",
        "selfcheck",
        "cmd/replay",
        "replay",
    ):
        assert f"`station/hut/{below}" in text, below


def test_the_description_speaks_of_every_topic_that_readers_may_read() -> None:
    text = (CONFIG / "mqtt.md").read_text()
    rules = (CONFIG.parent / "deploy" / "mosquitto" / "acl").read_text()
    readable = set(re.findall(r"^topic read station/station/([a-z]+)", rules, flags=re.MULTILINE))
    assert {"estimates", "census"} <= readable
    assert {below for below in readable if f"`station/hut/{below}" not in text} == set()


@pytest.mark.parametrize(("name", "level"), [("bao", "bao"), ("a/b", "a=2Fb"), ("+", "=2B"), ("\u7af9", "=E7=AB=B9")])
def test_a_name_is_one_level_of_a_topic(name: str, level: str) -> None:
    assert token(name) == level


def test_a_station_knows_its_own_topics() -> None:
    assert Topics("hut").own("station/hut/status")
    assert not Topics("hut").own("station/hut2/status")


def write() -> None:
    SCHEMAS.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        (SCHEMAS / f"{name}.json").write_text(json.dumps(schema(model), indent=2) + "\n")


if __name__ == "__main__":
    write()
