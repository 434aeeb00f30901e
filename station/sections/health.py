"""`[health]`: how the station watches itself."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from station.sections.section import Section


class Health(Section):
    """How the station watches itself."""

    listen: str = Field(
        "127.0.0.1:9109", description="where /healthz and /metrics answer, for this machine only; empty: nowhere"
    )
    every_s: float = Field(60, ge=1, le=3600, description="seconds between two looks at itself")
    silent_after_h: float = Field(
        0, ge=0, description="hours of silence that are reported whatever a camera's rhythm; 0: its rhythm alone says"
    )
    silent_floor_h: float = Field(24, ge=0, description="hours for which any camera's rhythm lets it be silent")
    live_wait_s: float = Field(900, gt=0, description="seconds that a live picture may wait for its turn")
    outbox_wait_h: float = Field(6, gt=0, description="hours that a message may wait for the broker")
    free_mb: float = Field(500, ge=0, description="MB of free space that are wanted for the database and for the spool")

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (port.isdecimal() and int(port) < 65536):
            raise ValueError("write an address and a port, such as 127.0.0.1:9109")
        if value and not re.fullmatch(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]", host):
            raise ValueError(
                "others could read it: use 127.0.0.1, and an SSH tunnel, a Prometheus agent on this machine or a "
                "proxy that asks for a password to read it from elsewhere"
            )
        return value
