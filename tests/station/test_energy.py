"""When jobs have to wait: hours, power, heat."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from station.energy import held, within
from station.sections.schedule import Energy

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def why(**limits: Any) -> str:
    return held(Energy(**limits), "retraining", NOON, UTC)


@pytest.mark.parametrize(
    ("hours", "at", "inside"),
    [
        ("22:00-05:00", time(23), True),
        ("22:00-05:00", time(4, 59), True),
        ("22:00-05:00", time(5), False),
        ("09:00-17:00", time(12), True),
        ("09:00-17:00", time(8, 59), False),
    ],
)
def test_hours_may_go_over_midnight(hours: str, at: time, inside: bool) -> None:
    assert within(hours, at) is inside


def test_a_job_waits_for_its_hours_and_says_so() -> None:
    assert why(hours="22:00-05:00") == "it is 12:00, and energy.hours are 22:00-05:00"


def test_other_jobs_do_not_wait() -> None:
    assert held(Energy(hours="22:00-05:00"), "census", NOON, UTC) == ""


@pytest.mark.parametrize(("volts", "waits"), [("11.7\n", True), ("11.8 V", False)])
def test_a_job_waits_for_power_that_a_file_tells(tmp_path: Path, volts: str, waits: bool) -> None:
    (tmp_path / "volts").write_text(volts)
    found = why(power_file=tmp_path / "volts", power_at_least=11.8)
    assert found == ("the power is 11.7, and energy.power_at_least is 11.8" if waits else "")


@pytest.mark.parametrize(("degrees", "waits"), [("81", True), ("80", False), ("81500", True), ("45000", False)])
def test_a_job_waits_for_a_cooler_box_that_a_command_tells(degrees: str, waits: bool) -> None:
    command = (sys.executable, "-c", f"print({degrees})")
    assert bool(why(temperature_command=command, temperature_at_most=80)) is waits


def test_what_cannot_be_read_is_waited_for_and_said(tmp_path: Path) -> None:
    assert "No such file" in why(power_file=tmp_path / "gone")
    assert "returned non-zero exit status 3" in why(power_command=(sys.executable, "-c", "exit(3)"))
    (tmp_path / "words").write_text("full")
    assert "says 'full', which has no number" in why(power_file=tmp_path / "words")
