"""The shipped unit under a real systemd, which boots in namespaces of its own (needs root, unshare and nsenter).

python -m tests.benchmarks.systemd
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import picture
from tests.station.test_flow import until
from tests.tiny import tiny_bundle

PROJECT = Path(__file__).parents[2]
CONFIGURATION = """
[station]
bundle = "/var/lib/station/models/current"
database = "/var/lib/station/station.db"
[cameras.ridge]
folder = "/srv/pictures"
"""


class Machine:
    """A booted systemd, entered from outside."""

    def __init__(self, process: int) -> None:
        self._enter = ["nsenter", "-t", str(process), "-m", "-p", "-C", "-i", "-u", "-n"]

    def __call__(self, *command: str, given: bytes | None = None) -> str:
        done = subprocess.run([*self._enter, *command], input=given, capture_output=True, check=False)
        return (done.stdout + done.stderr).decode().strip()

    def shown(self, name: str) -> str:
        return self("systemctl", "show", "--property", name, "--value", "station")

    def logged(self, words: str) -> int:
        return self("journalctl", "--output", "cat", "--unit", "station", "--no-pager").count(words)

    def photograph(self, number: int) -> None:
        put = f"cd /srv/pictures && cat > .part && chmod 644 .part && mv .part {number}.jpg"
        self("sh", "-c", put, given=picture(40 * number, seed=number))


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    cgroups = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line)
    cgroup = Path(cgroups) / folder.name
    cgroup.mkdir()
    environment = os.environ | {
        "FOLDER": str(folder),
        "SOURCE": str(PROJECT),
        "BASE": sys.base_prefix,
        "LIBRARIES": sysconfig.get_path("purelib"),
        "BUNDLE": str(folder / "tiny"),
        "CGROUP": str(cgroup),
    }
    spaces = "unshare --mount --pid --fork --cgroup --ipc --uts --net --propagation private --kill-child"
    begin = f'echo $$ > "$CGROUP/cgroup.procs" && exec {spaces} bash "$SOURCE/tests/benchmarks/boot.sh"'
    outside = subprocess.Popen(["bash", "-c", begin], env=environment)
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    try:
        assert until(lambda: children.exists() and children.read_text().split(), 10)
        machine = Machine(int(children.read_text()))
        assert until(lambda: machine("systemctl", "is-active", "basic.target") == "active", 60), outside.poll()
        yield machine
    finally:
        outside.kill()
        outside.wait()
        for place in sorted(cgroup.rglob("*/"), reverse=True):
            assert until(lambda place=place: "populated 0" in (place / "cgroup.events").read_text())
            place.rmdir()
        cgroup.rmdir()


def watch(machine: Machine) -> Iterator[str]:
    """One thing after the other that a systemd does with the unit, each as it was seen."""
    yield machine("systemctl", "--version").split("\n")[0]
    assert machine("systemctl", "start", "station") == ""
    assert (machine.shown("ActiveState"), machine.shown("NRestarts")) == ("active", "0")
    yield f"started, ready: {machine.shown('StatusText')}"
    status = machine("cat", f"/proc/{machine.shown('MainPID')}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (facts["CapEff"].strip("0"), facts["NoNewPrivs"], facts["Seccomp"]) == ("", "1", "2")
    yield f"sandboxed: user {facts['Uid'].split()[0]}, no capabilities, {facts['Seccomp_filters']} system call filters"
    machine.photograph(1)
    assert until(lambda: machine.logged("1.jpg: unknown") == 1, 60)
    first = machine.shown("MainPID")
    machine("systemctl", "reload", "station")
    assert until(lambda: machine.logged("watching ridge") == 2, 60)
    machine.photograph(2)
    assert until(lambda: machine.logged("2.jpg: unknown") == 1, 60)
    assert machine.shown("MainPID") == first
    yield "reloaded: the same process, and the next picture is estimated"
    machine("kill", "-STOP", first)
    assert until(lambda: machine.shown("NRestarts") == "1" and machine.shown("ActiveState") == "active", 120)
    yield "frozen: the watchdog ended it, and it was started again"
    machine("kill", "-KILL", machine.shown("MainPID"))
    assert until(lambda: machine.shown("NRestarts") == "2" and machine.shown("ActiveState") == "active", 120)
    machine.photograph(3)
    assert until(lambda: machine.logged("3.jpg: unknown") == 1, 60)
    yield "killed: started again, and the next picture is estimated"
    machine("systemctl", "stop", "station")
    assert (machine.shown("Result"), machine.shown("ExecMainStatus")) == ("success", "0")
    yield "stopped: status 0"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="station-systemd-") as scratch:
        folder = Path(scratch)
        tiny_bundle(folder / "tiny")
        (folder / "station.toml").write_text(CONFIGURATION)
        with booted(folder) as machine:
            for seen in watch(machine):
                print(seen, flush=True)


if __name__ == "__main__":
    main()
