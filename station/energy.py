"""Whether jobs must wait: the hours of the day, and a power and a temperature that somebody else measures."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, time, tzinfo
from pathlib import Path

from station.sections.schedule import Energy

COMMAND_S = 10
"""A command that takes longer is broken."""
_THOUSANDTHS = 1000
"""/sys/class/thermal has thousandths of degrees, and no box is that hot."""


def held(limits: Energy, job: str, now: datetime, zone: tzinfo) -> str:
    """Why a job must wait at this moment; empty: it need not.  What cannot be read is waited for."""
    return next(_reasons(limits, now, zone), "") if job in limits.jobs else ""


def _reasons(limits: Energy, now: datetime, zone: tzinfo) -> Iterator[str]:
    if limits.hours and not within(limits.hours, now.astimezone(zone).time()):
        yield f"it is {now.astimezone(zone):%H:%M}, and energy.hours are {limits.hours}"
    power, why = reading(limits.power_file, limits.power_command)
    if why:
        yield f"the power is not known: {why}"
    elif power is not None and power < limits.power_at_least:
        yield f"the power is {power:g}, and energy.power_at_least is {limits.power_at_least:g}"
    found, why = reading(limits.temperature_file, limits.temperature_command)
    degrees = found / _THOUSANDTHS if found is not None and abs(found) >= _THOUSANDTHS else found
    if why:
        yield f"the temperature is not known: {why}"
    elif degrees is not None and degrees > limits.temperature_at_most:
        yield f"it has {degrees:g} degrees, and energy.temperature_at_most is {limits.temperature_at_most:g}"


def within(hours: str, at: time) -> bool:
    """`22:00-05:00` goes over midnight; its end is no part of it."""
    begins, ends = (time.fromisoformat(part) for part in hours.split("-"))
    return begins <= at < ends if begins <= ends else at >= begins or at < ends


def reading(file: Path | None, command: tuple[str, ...]) -> tuple[float | None, str]:
    """The first number that a file holds or a command prints, or why there is none; both empty: nothing is asked."""
    if not (file or command):
        return None, ""
    try:
        if file:
            text = file.read_text(errors="replace")
        else:
            text = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return None, str(error)
    number = re.search(r"[-+]?\d+(\.\d+)?", text)
    said = f"{file or command[0]} says {text.strip()[:60]!r}, which has no number"
    return (float(number[0]), "") if number else (None, said)
