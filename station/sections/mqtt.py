"""`[mqtt]` and `[privacy]`: the broker, and which of its pictures are not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from station.sections.section import Section, plain_name


class Mqtt(Section):
    """The broker; without a host the station works alone."""

    host: str = Field("", description="the broker's name or address; empty: no broker")
    port: int = Field(1883, ge=1, le=65535, description="the broker's port; 8883 is usual with TLS")
    client_id: str = Field("", description="unique at the broker; empty: the station's id")
    username: str = Field("", description="empty: anonymous")
    password_file: Path | None = Field(
        None, description="a file with the password; the environment's STATION_MQTT_PASSWORD goes before it"
    )
    tls: bool = Field(False, description="encrypt, and check the broker's certificate")
    ca_file: Path | None = Field(None, description="certificates to trust, if not the system's")
    cert_file: Path | None = Field(None, description="the station's own certificate, where the broker asks for one")
    key_file: Path | None = Field(None, description="the key of cert_file")
    keepalive_s: int = Field(60, ge=5, le=3600, description="seconds after which a silent broker is given up")
    images: tuple[str, ...] = Field(
        ("station/{station}/camera/{camera}/image",),
        description="topics that carry pictures; {camera} and {individual} are taken from them, {station} is this one",
    )
    receive_maximum: int = Field(16, ge=1, le=65535, description="pictures the broker may send ahead")
    max_message_mb: float = Field(32, gt=0, description="larger messages are refused")
    spool: Path = Field(Path("spool"), description="where pictures from topics are kept")
    spool_max_mb: float = Field(2000, gt=0, description="beyond this the oldest recorded pictures make room")
    when_full: Literal["wait", "refuse"] = Field(
        "wait", description="no room for a picture: wait, so that the broker keeps it, or refuse it with a reason"
    )
    outbox_max: int = Field(
        200_000, ge=100, description="messages kept for an absent broker; beyond it the oldest estimates go unsent"
    )

    homeassistant: bool = Field(False, description="let Home Assistant find the station by itself")

    _client_id = field_validator("client_id")(lambda value: value and plain_name(value))

    @field_validator("images")
    @classmethod
    def _topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            levels = pattern.split("/")
            named = [level for level in levels if level.startswith("{")]
            if unknown := set(named) - {"{station}", "{camera}", "{individual}", "{label}"}:
                known = "{station}, {camera}, {individual}, {label}"
                raise ValueError(f"{pattern!r}: {sorted(unknown)[0]} is none of {known}")
            if "{camera}" not in named or any("{" in level and level not in named for level in levels):
                raise ValueError(f"{pattern!r}: a level must be {{camera}}, and names stand alone in their level")
            if "#" in pattern or "+" in pattern:
                raise ValueError(f"{pattern!r}: use {{label}} for a level that may be anything, not + or #")
        return value


class Privacy(Section):
    """Frames that show a person, where the finder can tell; their people are never cropped or published."""

    people: Literal["metadata", "keep"] = Field(
        "metadata", description="metadata: a spooled picture with a person is deleted once recorded; keep: it stays"
    )
    labels: tuple[str, ...] = Field(
        ("person", "people", "human", "face", "license_plate"),
        description="{label}s of topics that mean people: such a picture is counted, and neither kept nor looked at",
    )
