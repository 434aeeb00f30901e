"""What subscribers are told, as JSON; `config/schemas/` holds the JSON Schemas, `config/mqtt.md` an example of each.

Changes are additive only.  Ages are in years, times ISO 8601 with offset, boxes fractions of the upright picture.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from station.domain import Message

STATE_RANK, ESTIMATE_RANK = 0, 1
"""On a thin link the newest states go before estimates."""


class Payload(BaseModel):
    """The parts that every message has; they are never changed, only added to."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = Field(1, alias="schema", serialization_alias="schema")
    station: str


class EstimateMessage(Payload):
    """One face and its age; on `estimates`, never retained."""

    id: str = Field(description="stable: a repeated message has the same, also when it has another seq")
    seq: int = Field(description="rises by one with every estimate; a gap is a loss, or the step after a restore")
    camera: str
    camera_name: str
    individual: str | None
    frame: int
    file: str = Field(description="the picture's name")
    digest: str = Field(description="SHA-256 of the picture")
    captured_at: str | None
    captured_source: str
    captured_impossible: bool = Field(description="true: the clock was wrong, leave this out of ages by date")
    estimated_at: str
    age_years: float
    sd_years: float
    low_years: float | None = Field(description="of the 90% interval; null where it is unknown")
    high_years: float | None
    life_stage: str | None
    model: str
    box: tuple[float, float, float, float] = Field(description="x, y, width, height from the top left")
    confidence: float | None = Field(description="of the face finder")


class IndividualMessage(Payload):
    """The newest estimate of one animal; on `individuals/<individual>`, retained."""

    id: str
    individual: str
    name: str | None = Field(description="what people call it")
    age_years: float = Field(description="at last_seen")
    sd_years: float
    low_years: float | None
    high_years: float | None
    life_stage: str | None
    last_seen: str | None
    camera: str
    camera_name: str
    model: str


class CameraMessage(Payload):
    """How a camera does; on `camera/<camera>/status`, retained."""

    camera: str
    camera_name: str
    last_frame: str | None = Field(description="when its newest picture was taken")
    last_heard: str = Field(description="when its newest picture came")
    silent_since: str | None = Field(description="null: it is not silent")


class HealthMessage(Payload):
    """How the station does; on `health`, retained."""

    at: str
    waiting_live: int
    waiting_backlog: int
    oldest_waiting_s: float | None
    outbox: int
    free_mb: float
    model: str | None = Field(None, description="the version in service")
    problems: tuple[str, ...]


class ReplayRequest(BaseModel):
    """Asks for estimates again; on `cmd/replay`, with MQTT 5's response topic and correlation data if wanted."""

    model_config = ConfigDict(frozen=True, strict=True)

    from_seq: int = Field(ge=1)
    to_seq: int | None = Field(None, ge=1, description="null: the newest")


class ReplayMessage(Payload):
    """Ends the answer to a replay request: what came before it on the same topic are the estimates."""

    from_seq: int
    to_seq: int = Field(description="the last that was looked for: ask again from the next if it is below newest_seq")
    newest_seq: int = Field(description="of the station's estimates")
    problem: str | None = Field(None, description="why a request was not answered")


def token(name: str) -> str:
    """A name as one level of a topic: letters, digits, - and _ stay, other characters become `=XX` (UTF-8, hex).

    Different names stay different, and the same name always gives the same level.
    """
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), name)


class Topics:
    """The topics of one station."""

    def __init__(self, station: str) -> None:
        self._prefix = f"station/{station}"

    @property
    def status(self) -> str:
        """`online`, `offline` (the will) or `stopped`, as plain text."""
        return f"{self._prefix}/status"

    @property
    def replay(self) -> str:
        """Where subscribers ask for estimates again."""
        return f"{self._prefix}/cmd/replay"

    @property
    def health_state(self) -> str:
        """Carries `HealthMessage`."""
        return f"{self._prefix}/health"

    def camera_state(self, camera: str) -> str:
        """Carries `CameraMessage`; `camera` is the id, not the name."""
        return f"{self._prefix}/camera/{token(camera)}/status"

    def individual_state(self, name: str) -> str:
        """Carries `IndividualMessage`."""
        return f"{self._prefix}/individuals/{token(name)}"

    @property
    def replayed(self) -> str:
        """Where they are answered, unless they name a topic of their own."""
        return f"{self._prefix}/replay"

    def own(self, topic: str) -> bool:
        """Whether a topic is one of the station's."""
        return topic.startswith(f"{self._prefix}/")

    def replay_end(self, payload: ReplayMessage, topic: str) -> Message:
        """After the estimates."""
        return Message(topic, _json(payload), False, ESTIMATE_RANK)

    def estimates(self, payload: EstimateMessage) -> Message:
        """An event, never retained."""
        return Message(f"{self._prefix}/estimates", _json(payload), False, ESTIMATE_RANK)

    def individual(self, payload: IndividualMessage) -> Message:
        """A state."""
        return _state(self.individual_state(payload.individual), payload)

    def camera(self, payload: CameraMessage) -> Message:
        """A state."""
        return _state(self.camera_state(payload.camera), payload)

    def health(self, payload: HealthMessage) -> Message:
        """A state."""
        return _state(self.health_state, payload)


def _state(topic: str, payload: Payload) -> Message:
    return Message(topic, _json(payload), True, STATE_RANK)


def _json(payload: Payload) -> str:
    return payload.model_dump_json(by_alias=True)
