"""What systemd sees of the daemon: a real process, a real notify socket, real signals."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.systemd import FED_PER_LIMIT, Notifier, Pulse, Service, well
from tests.conftest import picture
from tests.station.test_flow import until
from tests.station.test_line import observed, rows

WATCHDOG_S = 2.0
CONFIGURATION = """
[station]
database = "station.db"
bundle = "{bundle}"
[line]
linger_s = 0.02
[health]
listen = ""
[cameras.ridge]
folder = "pictures"
settle_s = 0.1
"""


class Listening:
    """The socket systemd would have, and all that came on it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def lines(self) -> list[str]:
        while True:
            try:
                self.heard += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def count(self, line: str) -> int:
        return self.lines().count(line)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(str(tmp_path / "notify"))
    yield listening
    listening.close()


@pytest.fixture
def box(tmp_path: Path, bundle: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "station.toml").write_text(CONFIGURATION.format(bundle=bundle))
    return tmp_path


@pytest.fixture
def daemon(box: Path, systemd: Listening) -> Iterator[subprocess.Popen[bytes]]:
    """As systemd starts it: notify socket, watchdog, and a log that is the journal's."""
    with (box / "log").open("wb") as log:
        status = os.fstat(log.fileno())
        environment = os.environ | {
            "NOTIFY_SOCKET": str(box / "notify"),
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}",
        }
        command = [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")]
        process = subprocess.Popen(command, stderr=log, env=environment)
    yield process
    process.kill()
    process.wait()


def log(box: Path) -> str:
    return (box / "log").read_text()


def put(box: Path, name: str, shade: int) -> None:
    (box / "pictures" / name).write_bytes(picture(shade, seed=shade))


@pytest.mark.parametrize("address", ["@station-test-{pid}", "{folder}/socket"])
def test_messages_arrive_on_abstract_and_on_file_sockets(address: str, tmp_path: Path) -> None:
    address = address.format(pid=os.getpid(), folder=tmp_path)
    listening = Listening("\0" + address[1:] if address.startswith("@") else address)
    notifier = Service.of({"NOTIFY_SOCKET": address}).notify
    notifier.ready("watching")
    notifier.reloading()
    assert listening.lines()[:3] == ["READY=1", "STATUS=watching", "RELOADING=1"]
    assert any(line.startswith("MONOTONIC_USEC=") and line[15:].isdigit() for line in listening.lines())
    listening.close()


def test_a_systemd_that_does_not_listen_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier(str(tmp_path / "nobody")).watchdog()
    assert "could not be told WATCHDOG=1" in caplog.text


def test_without_systemd_nothing_is_told_and_the_watchdog_of_another_process_is_not_fed() -> None:
    Notifier().ready("nobody hears this")
    assert Service.of({}).watchdog_s is None
    assert Service.of({"WATCHDOG_USEC": "3000000"}).watchdog_s == 3
    assert Service.of({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 3
    assert Service.of({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}).watchdog_s is None


@pytest.mark.parametrize(
    ("before", "now", "is_well"),
    [
        (Pulse(5, idle=False), Pulse(6, idle=False), True),
        (Pulse(5, idle=True), Pulse(5, idle=True), True),
        (Pulse(5, idle=False), Pulse(5, idle=True), True),
        (Pulse(5, idle=True), Pulse(5, idle=False), False),
        (Pulse(5, idle=False), Pulse(5, idle=False), False),
    ],
)
def test_the_line_is_well_when_it_advances_or_has_nothing_to_do(before: Pulse, now: Pulse, is_well: bool) -> None:
    assert well(before, now) == is_well


def test_ready_is_told_once_the_folders_are_watched_and_stopping_at_the_end(
    box: Path, systemd: Listening, daemon: subprocess.Popen[bytes]
) -> None:
    assert until(lambda: "READY=1" in systemd.lines(), 90), log(box)
    put(box, "a.jpg", 100)
    assert until(lambda: observed(box) == 1, 30)
    assert until(lambda: systemd.count("WATCHDOG=1") >= 3, 30)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    assert systemd.count("READY=1") == systemd.count("STOPPING=1") == 1
    assert "RELOADING=1" not in systemd.lines()


def test_a_bundle_that_cannot_be_used_is_never_ready(box: Path, systemd: Listening, tmp_path: Path) -> None:
    (box / "station.toml").write_text(CONFIGURATION.format(bundle=tmp_path / "none"))
    command = [sys.executable, "-m", "station", "run", "--config", str(box / "station.toml")]
    environment = os.environ | {"NOTIFY_SOCKET": str(box / "notify")}
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 2
    assert systemd.lines() == []


def test_a_line_that_hangs_is_not_fed_and_is_again_when_it_goes_on(
    box: Path, systemd: Listening, daemon: subprocess.Popen[bytes]
) -> None:
    """What opens this picture waits for its writer, as for a dead network share; the process lives and answers."""
    assert until(lambda: "READY=1" in systemd.lines(), 90), log(box)
    assert until(lambda: systemd.count("WATCHDOG=1") >= 2, 30)
    hung = box / "pictures" / "hung.jpg"
    os.mkfifo(hung)  # which no listing takes; it stands in for a file whose network share died after its admission
    with sqlite3.connect(box / "station.db", timeout=30) as connection:
        connection.execute("INSERT OR IGNORE INTO cameras (id, first_seen_at) VALUES ('ridge', '2026-01-01')")
        connection.execute(
            """INSERT INTO frames (camera, path, size_bytes, modified_ns, lane, admitted_at)
            VALUES ('ridge', ?, 0, 0, 0, '2026-01-01T00:00:00+00:00')""",
            [str(hung)],
        )
    (box / "pictures" / "rings.jpg").write_bytes(picture(50, seed=3))
    assert until(lambda: rows(box / "station.db", "SELECT 1 FROM frames WHERE run IS NOT NULL") != [], 30), log(box)
    until(lambda: False, WATCHDOG_S / FED_PER_LIMIT)  # one may have been on its way
    fed = systemd.count("WATCHDOG=1")
    assert not until(lambda: systemd.count("WATCHDOG=1") > fed, 2 * WATCHDOG_S)
    assert daemon.poll() is None
    hung.write_bytes(picture(100))
    assert until(lambda: observed(box) == 2, 30), log(box)
    assert until(lambda: systemd.count("WATCHDOG=1") > fed, 30)


def test_sighup_takes_the_new_configuration_and_loses_no_picture(
    box: Path, systemd: Listening, daemon: subprocess.Popen[bytes]
) -> None:
    (box / "more").mkdir()
    count = 300
    assert until(lambda: "READY=1" in systemd.lines(), 90), log(box)
    for number in range(count):
        (box / "pictures" / f"{number}.jpg").write_bytes(picture(number % 250, seed=number, width=64, height=64))
    assert until(lambda: observed(box) > 0, 60)
    (box / "station.toml").write_text(
        (box / "station.toml").read_text() + '[cameras.creek]\nfolder = "more"\nsettle_s = 0.1\n'
    )
    daemon.send_signal(signal.SIGHUP)
    assert until(lambda: systemd.count("READY=1") == 2, 90), log(box)
    assert systemd.count("RELOADING=1") == 1
    assert "STATUS=tiny-1 on cpu, watching ridge, creek" in systemd.lines()
    (box / "more" / "new.jpg").write_bytes(picture(77, seed=count + 1))
    assert until(lambda: observed(box) == count + 1, 90)
    assert rows(box / "station.db", "SELECT count(*) FROM frames WHERE outcome = 'observed'") == [(count + 1,)]
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    assert rows(box / "station.db", "SELECT count(*) FROM runs WHERE ended_at IS NULL") == [(0,)]


def test_a_signal_is_heard_at_whatever_instant_it_comes(
    box: Path, systemd: Listening, daemon: subprocess.Popen[bytes]
) -> None:
    """Just after READY the main thread is about to wait for its first picture, which never comes."""
    for number in range(1, 61):
        assert until(lambda n=number: systemd.count("READY=1") == n, 90), log(box)
        until(lambda: False, number / 10_000)
        daemon.send_signal(signal.SIGHUP if number < 60 else signal.SIGTERM)
    assert daemon.wait(30) == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('[line]\nworkers = "many"\n', "line.workers = 'many'"),
        ('[station]\nbundle = "none"\n', "is not a bundle"),
        ('[mqtt]\npassword = "correct horse"\n', "mqtt.password: there is no such key"),
        (
            '[mqtt]\nhost = "localhost"\npassword_file = "pasword"\n[station]\nbundle = "{bundle}"\n',
            "mqtt.password_file",
        ),
        ('[mqtt]\nhost = "localhost"\nspool = "log/spool"\n[station]\nbundle = "{bundle}"\n', "the spool"),
    ],
)
def test_a_wrong_new_configuration_is_told_and_the_old_one_goes_on(
    box: Path, systemd: Listening, daemon: subprocess.Popen[bytes], wrong: str, told: str, bundle: Path
) -> None:
    assert until(lambda: "READY=1" in systemd.lines(), 90), log(box)
    (box / "station.toml").write_text(wrong.replace("{bundle}", str(bundle)))
    daemon.send_signal(signal.SIGHUP)
    assert until(lambda: systemd.count("READY=1") == 2, 90), log(box)
    assert told in log(box)
    assert "<3>the new configuration is not taken, the old one goes on" in log(box)
    assert "correct horse" not in log(box)
    put(box, "a.jpg", 100)
    assert until(lambda: observed(box) == 1, 30)


def test_the_journal_gets_levels_and_fields(box: Path, systemd: Listening, daemon: subprocess.Popen[bytes]) -> None:
    put(box, "a b.jpg", 100)
    (box / "pictures" / "<0>\nbad.jpg").write_bytes(b"no picture at all, but a name with a trap" * 10)
    assert until(lambda: observed(box) == 2, 90), log(box)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    lines = log(box).splitlines()
    assert all(line.startswith(("<6>", "<4>")) for line in lines)
    [seen] = [line for line in lines if "years, sd" in line]
    assert seen.startswith("<6>ridge ")
    assert "camera=ridge frame=" in seen
    assert "outcome=observed age_years=" in seen
    assert seen.endswith("model=tiny-1")
    [bad] = [line for line in lines if "reason=not_an_image" in line]
    assert bad.startswith("<4>")


CRASHING = """
import os
from station import logs
logs.configure(20, os.environ)
def connect(password):
    raise RuntimeError("the device is gone")
connect("correct " + "horse")
"""


@pytest.mark.parametrize("journal", [True, False])
def test_what_ends_the_process_is_the_last_entry_with_its_level_and_without_values(
    tmp_path: Path, journal: bool
) -> None:
    with (tmp_path / "log").open("wb") as out:
        status = os.fstat(out.fileno())
        environment = os.environ | ({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"} if journal else {})
        done = subprocess.run([sys.executable, "-c", CRASHING], stderr=out, env=environment, check=False)
    assert done.returncode == 1
    lines = log(tmp_path).splitlines()
    assert lines[0] == ("<2>" if journal else "CRITICAL ") + "the station ends: the device is gone"
    assert lines[-1] == ("<2>" if journal else "") + "RuntimeError: the device is gone"
    assert "correct horse" not in log(tmp_path)
