"""What the system's own files say of the box: this one's, and those of boxes that are written down here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from station import machine
from station.machine import CardState, Meanwhile, Spent, between

CORE = "sys/devices/system/cpu/cpu{}/"


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_this_machine_has_a_processor_and_a_history() -> None:
    assert machine.processor().endswith(f"{machine.cores()} cores")
    before, after = machine.spent(), machine.spent()
    assert before and after and after.all_s >= before.all_s > 0


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    assert machine.driver(tmp_path) is None and machine.cards(tmp_path) == ()
    assert machine.load(tmp_path) is None and machine.frequency(tmp_path) is None
    assert machine.synchronised(tmp_path) is None and machine.spent(tmp_path) is None


def test_card_and_driver_are_named(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Tue Jan 21\nGCC",
            "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA L4\nIRQ: 55\n",
        },
    )
    assert machine.driver(root) == "570.86.15"
    assert machine.cards(root) == ("NVIDIA L4",)


def test_the_frequency_is_the_mean_share_of_the_highest(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {f"{CORE.format(n)}cpufreq/scaling_cur_freq": f"{now}\n" for n, now in enumerate((1_000_000, 2_000_000))}
        | {f"{CORE.format(n)}cpufreq/cpuinfo_max_freq": "4000000\n" for n in range(2)},
    )
    assert machine.frequency(root) == pytest.approx(0.375)


def test_the_load_of_the_last_minute_is_read(tmp_path: Path) -> None:
    assert machine.load(written(tmp_path, {"proc/loadavg": "2.35 1.46 1.14 4/122 21400\n"})) == 2.35


def test_the_clock_is_set_by_others_once_systemd_says_so(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    assert machine.synchronised(tmp_path) is False
    written(tmp_path, {"run/systemd/timesync/synchronized": ""})
    assert machine.synchronised(tmp_path) is True


def test_heat_is_counted(tmp_path: Path) -> None:
    stat = {"proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n"}
    heat = {f"{CORE.format(n)}thermal_throttle/core_throttle_count": "2\n" for n in range(2)}
    found = machine.spent(written(tmp_path, stat | heat))
    assert found is not None and found.throttled == 4
    assert found.busy_s == pytest.approx(found.all_s / 5)


def test_what_others_used_is_what_was_busy_less_the_own_part() -> None:
    before, after = Spent(100, 20, 1, 4), Spent(120, 34, 9, 7)
    assert between(before, after) == Meanwhile(others=0.3, throttled=3)


def test_without_a_before_nothing_is_known() -> None:
    assert between(None, Spent(1, 1, 1, None)) == Meanwhile(None, None)


SMI = """#!/bin/sh
case "$1" in
--query-compute-apps*) echo "{own}, python"; echo "4711, /usr/bin/ffmpeg" ;;
*) echo "Not Active, Active, Not Active, Not Active" ;;
esac
"""


def test_nvidia_smi_tells_who_else_computes_and_what_slows_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI.format(own=os.getpid()))
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert machine.card_state() == CardState(("ffmpeg",), ("heat",))
    assert machine.card_state([4711]) == CardState((), ("heat",))


def test_without_a_card_nothing_is_said_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.card_state() is None


def test_the_hottest_part_counts(tmp_path: Path) -> None:
    zones = {f"sys/class/thermal/thermal_zone{i}/temp": text for i, text in enumerate(("45000\n", "61500\n", ""))}
    assert machine.temperature(written(tmp_path, zones)) == 61.5
    assert machine.temperature(tmp_path / "none") is None
