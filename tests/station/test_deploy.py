"""What is installed on a box, looked at by the tools that will read it there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "station.service"
ANALYZE = shutil.which("systemd-analyze")
with_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not there (Debian package systemd)")


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"},
    )


@with_systemd
def test_the_unit_is_clean(tmp_path: Path) -> None:
    """Verification wants programs that exist: the test's own stands for the one that will be installed."""
    text = UNIT.read_text()
    assert "ExecStart=/opt/station/venv/bin/station run --config /etc/station/station.toml" in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/station/venv/bin/station", sys.executable))
    done = analyze("verify", "--recursive-errors=no", unit)
    about_the_gpu = [line for line in done.stderr.splitlines() if "nvidia-modprobe is not executable" in line]
    assert done.stderr.splitlines() == about_the_gpu
    assert done.returncode == 0


@with_systemd
def test_the_unit_is_exposed_no_more_than_2_0_with_gpus_allowed() -> None:
    done = analyze("security", "--offline=true", "--threshold=20", UNIT)
    exposure = re.search(r"Overall exposure level for station.service: ([0-9.]+)", done.stdout)
    assert exposure is not None, done.stderr
    assert float(exposure[1]) <= 2.0
    assert done.returncode == 0
    for device in ("char-nvidia rwm", "char-nvidia-uvm rwm", "char-drm rw"):
        assert f"DeviceAllow={device}\n" in UNIT.read_text()


def test_the_unit_forbids_no_port_that_the_client_of_the_broker_binds_to() -> None:
    """paho binds each connection to port 0, which no rule of systemd's can allow once others are denied."""
    assert not [line for line in UNIT.read_text().splitlines() if line.startswith("SocketBind")]
