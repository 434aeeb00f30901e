"""What a box is and how it feels: its processor and driver, who else uses it, whether it is slowed down.

All of it is read from the system's own files below `root`; None where there is none, or where it may not be read.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_SMI_S = 10
_IDLE, _WAITING = 3, 4
"""Places in a line of /proc/stat: proc(5)."""


def processor(root: Path = ROOT) -> str:
    """The processor's name, and how many of its cores this process may use."""
    text = _read(root / "proc/cpuinfo") or ""
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return f"{next(names, platform.machine())}, {cores()} cores"


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cards(root: Path = ROOT) -> tuple[str, ...]:
    """The NVIDIA cards, by name."""
    texts = (_read(file) or "" for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information")))
    lines = (line for text in texts for line in text.splitlines() if line.startswith("Model:"))
    return tuple(line.partition(":")[2].strip() for line in lines)


def driver(root: Path = ROOT) -> str | None:
    """The version of the NVIDIA kernel driver."""
    first = (_read(root / "proc/driver/nvidia/version") or "").partition("\n")[0]
    return next((word for word in first.split() if word[:1].isdigit() and "." in word), None)


def load(root: Path = ROOT) -> float | None:
    """How many tasks ran or wanted to, on average over the last minute."""
    text = _read(root / "proc/loadavg")
    return float(text.split()[0]) if text else None


def frequency(root: Path = ROOT) -> float | None:
    """How fast the cores run at this moment, as a share of their highest frequency."""
    shares = [
        now / most
        for core in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq")
        if (now := _number(core / "scaling_cur_freq")) and (most := _number(core / "cpuinfo_max_freq"))
    ]
    return sum(shares) / len(shares) if shares else None


def temperature(root: Path = ROOT) -> float | None:
    """Of the hottest part that tells, in degrees Celsius."""
    told = (_number(file) for file in root.glob("sys/class/thermal/thermal_zone*/temp"))
    degrees = [number / 1000 for number in told if number is not None]
    return max(degrees) if degrees else None


@dataclass(frozen=True, slots=True)
class CardState:
    """What `nvidia-smi` says at this moment."""

    others: tuple[str, ...]
    """Programs that compute on the cards, but this process and those named."""
    slowed: tuple[str, ...]
    """Why their clocks are lower than they could be, where it is heat or power."""


_SLOWED = {"hw_thermal_slowdown": "heat", "sw_thermal_slowdown": "heat", "sw_power_cap": "its power limit",
           "hw_power_brake_slowdown": "the power supply"}  # fmt: skip


def card_state(own: Collection[int] = ()) -> CardState | None:
    """Of the NVIDIA cards; None: there is none, or it does not answer."""
    programs = _smi("--query-compute-apps=pid,process_name")
    clocks = _smi("--query-gpu=" + ",".join(f"clocks_throttle_reasons.{name}" for name in _SLOWED))
    if programs is None or clocks is None:
        return None
    rows = [row.split(", ", 1) for row in programs]
    known = {str(process) for process in (*own, os.getpid())}
    others = sorted({Path(row[1]).name for row in rows if len(row) == 2 and row[0] not in known})
    slowed = sorted({why for row in clocks for why, state in zip(_SLOWED.values(), row.split(", "), strict=False)
                     if state == "Active"})  # fmt: skip
    return CardState(tuple(others), tuple(slowed))


def _smi(question: str) -> list[str] | None:
    try:
        told = subprocess.run(
            ["nvidia-smi", question, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_SMI_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in told.stdout.splitlines() if line.strip()]


def synchronised(root: Path = ROOT) -> bool | None:
    """Whether systemd has set the clock by others since the start; None: it is not in charge of the clock."""
    folder = root / "run/systemd/timesync"
    return (folder / "synchronized").exists() if folder.is_dir() else None


@dataclass(frozen=True, slots=True)
class Spent:
    """What had been spent until a moment: seconds of all cores, and how often they were slowed down by heat."""

    all_s: float
    busy_s: float
    own_s: float
    throttled: int | None


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Between two moments."""

    others: float | None
    """The share of all cores that other programs, and other guests of the same host, used."""
    throttled: int | None


def spent(root: Path = ROOT) -> Spent | None:
    """Until now."""
    fields = [int(word) for word in (_read(root / "proc/stat") or "").partition("\n")[0].split()[1:9]]
    if len(fields) <= _WAITING:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    idle = fields[_IDLE] + fields[_WAITING]
    counts = list(_throttles(root))
    return Spent(
        sum(fields) / ticks, (sum(fields) - idle) / ticks, time.process_time(), sum(counts) if counts else None
    )


def between(before: Spent | None, after: Spent | None) -> Meanwhile:
    """What happened on the box while this process did what it did."""
    if before is None or after is None or after.all_s <= before.all_s:
        return Meanwhile(None, None)
    others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    known = before.throttled is not None and after.throttled is not None
    throttled = (after.throttled or 0) - (before.throttled or 0) if known else None
    return Meanwhile(min(1.0, max(0.0, others / (after.all_s - before.all_s))), throttled)


def _throttles(root: Path) -> Iterator[int]:
    for file in root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"):
        count = _number(file)
        if count is not None:
            yield count


def _number(file: Path) -> int | None:
    text = (_read(file) or "").strip()
    return int(text) if text.isdecimal() else None


def _read(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return None
