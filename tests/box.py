"""A station as a real process that can be started, stopped and killed, and what it says on its topics."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.station.test_flow import until
from tests.station.test_line import rows

HEARD = tuple(
    f"station/hut/{name}" for name in ("status", "estimates", "individuals/+", "camera/+/status", "health", "replay")
)
IMAGE = "station/hut/camera/{}/image"
CONFIG = """
[station]
id = "hut"
database = "station.db"
bundle = "{bundle}"
[line]
linger_s = 0.02
[health]
listen = ""
free_mb = 1
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_s = 5
{more}
"""


class Box:
    """As a context manager it is gone at the end of the block, whatever happens in it."""

    def __init__(self, folder: Path, bundle: Path, port: int, more: str = "") -> None:
        self.folder = folder
        self.port = port
        self.database = folder / "station.db"
        (folder / "station.toml").write_text(CONFIG.format(bundle=bundle, port=port, more=more))
        self._begun = 0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.kill()

    def start(self) -> None:
        command = [sys.executable, "-m", "station", "run", "--config", str(self.folder / "station.toml")]
        self._begun = len(self.log) if (self.folder / "log.txt").exists() else 0
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def is_up(self) -> bool:
        """Waits until the last start has led to a connection."""
        return until(lambda: "connected to the broker" in self.log[self._begun :], 60)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(60)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return rows(self.database, sql)

    def count(self, what: str) -> int:
        try:
            [(count,)] = self.ask(f"SELECT count(*) FROM {what}")
        except sqlite3.OperationalError:
            return 0
        return int(count)

    def peak_mb(self) -> float:
        """The most memory that the process has had at once since its start."""
        assert self.process
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()
