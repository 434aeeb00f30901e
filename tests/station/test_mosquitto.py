"""The shipped broker configuration on a real Mosquitto: who gets in, and what each may do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.station.test_flow import until

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
MOSQUITTO = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
TOOLS = (MOSQUITTO, *(shutil.which(t) for t in ("mosquitto_passwd", "mosquitto_pub", "mosquitto_sub", "openssl")))
pytestmark = pytest.mark.skipif(
    not all(TOOLS), reason="a real Mosquitto is wanted (Debian packages mosquitto, mosquitto-clients, openssl)"
)
USERS = ("station", "reader", "homeassistant", "camera/ridge", "camera/creek")
DEBIAN = "persistence true\npersistence_location {home}/state/\nlog_dest stderr\ninclude_dir {home}/conf.d\n"


def done(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def certificates(folder: Path) -> None:
    folder.mkdir()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    done("openssl", "req", "-x509", *key, "-subj", "/CN=reserve", "-days", 2,
         "-keyout", folder / "ca.key", "-out", folder / "ca.crt")  # fmt: skip
    done("openssl", "req", *key, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "server.key", "-out", folder / "server.csr")  # fmt: skip
    done("openssl", "x509", "-req", "-in", folder / "server.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
         "-CAcreateserial", "-copy_extensions", "copy", "-days", 2, "-out", folder / "server.crt")  # fmt: skip


@dataclass(frozen=True)
class Broker:
    home: Path
    port: int
    tls_port: int

    def command(self, program: str, user: str, *arguments: object, tls: bool = True) -> list[str]:
        trusted = ("--cafile", self.home / "certs" / "ca.crt") if tls else ()
        who = ("-u", user, "-P", f"word of {user}") if user else ()
        where = ("-h", "localhost", "-p", self.tls_port if tls else self.port)
        return [str(part) for part in (program, *where, "-V", "5", "-q", "1", *trusted, *who, *arguments)]

    def publish(self, user: str, topic: str, *arguments: object, tls: bool = True) -> str:
        """What the broker said against it; nothing where it took it."""
        content = arguments or ("-m", f"{user} on {topic}")
        run = subprocess.run(
            self.command("mosquitto_pub", user, "-t", topic, *content, tls=tls),
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        return run.stderr.strip() or ("" if run.returncode == 0 else f"status {run.returncode}")

    def log(self) -> str:
        return (self.home / "log").read_text()


class Subscriber:
    """Hears what a user may hear, into a file; ready once the broker has taken the subscription."""

    def __init__(self, broker: Broker, user: str, *topics: str) -> None:
        self._file = broker.home / f"heard-{user.replace('/', '-')}"
        asked = [part for topic in topics for part in ("-t", topic)]
        self._out = self._file.open("w")
        command = broker.command("mosquitto_sub", user, "-F", "%t", "-d", *asked)
        self._process = subprocess.Popen(["stdbuf", "-oL", *command], stdout=self._out, stderr=subprocess.STDOUT)
        assert until(lambda: "Subscribed (mid" in self._file.read_text(), 20), self._file.read_text()

    def heard(self) -> list[str]:
        return [line for line in self._file.read_text().splitlines() if line.startswith(("station/", "homeassistant/"))]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The shipped files, with other ports and folders."""
    home = tmp_path_factory.mktemp("broker")
    broker = Broker(home, free_port(), free_port())
    certificates(home / "certs")
    (home / "conf.d").mkdir()
    (home / "state").mkdir()
    text = (DEPLOY / "station.conf").read_text().replace("/etc/mosquitto/", f"{home}/")
    for ours, theirs in ((broker.port, 1883), (broker.tls_port, 8883)):
        text = text.replace(f"listener {theirs}", f"listener {ours}")
    (home / "conf.d" / "station.conf").write_text(text)
    shutil.copy(DEPLOY / "acl", home / "station.acl")
    (home / "station.passwd").touch(mode=0o600)
    for user in USERS:
        done("mosquitto_passwd", "-b", home / "station.passwd", user, f"word of {user}")
    (home / "station.acl").chmod(0o600)
    (home / "mosquitto.conf").write_text(DEBIAN.format(home=home) + ("user root\n" if os.geteuid() == 0 else ""))
    with (home / "log").open("w") as log:
        process = subprocess.Popen([str(MOSQUITTO), "-c", str(home / "mosquitto.conf")], stderr=log)
    try:
        assert until(lambda: listens(broker.tls_port), 20), broker.log()
        yield broker
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def heard_by_station(broker: Broker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker, "station", "station/#", "homeassistant/#")
    yield subscriber
    subscriber.close()


def test_a_camera_publishes_its_own_pictures_and_nothing_else(broker: Broker, heard_by_station: Subscriber) -> None:
    own = "station/station/camera/ridge/image"
    for topic in (
        "station/station/camera/creek/image",
        "station/station/camera/ridge/status",
        "station/station/camera/image",
        "station/station/estimates",
        "station/station/status",
        "station/other/camera/ridge/image",
        "homeassistant/status",
    ):
        assert "Not authorized" in broker.publish("camera/ridge", topic), topic
    assert broker.publish("camera/ridge", own) == ""
    assert until(lambda: heard_by_station.heard() == [own], 10), heard_by_station.heard()


def test_a_camera_hears_nothing_and_a_reader_all_but_pictures(broker: Broker) -> None:
    camera, reader = Subscriber(broker, "camera/ridge", "#", "station/#"), Subscriber(broker, "reader", "#")
    told = ["status", "estimates", "individuals/bao", "camera/ridge/status", "census", "selfcheck", "health", "replay"]
    for topic in ("camera/ridge/image", "cmd/replay", *told):
        assert broker.publish("station", f"station/station/{topic}") == ""
    assert until(lambda: reader.heard() == [f"station/station/{topic}" for topic in told], 10), reader.heard()
    assert camera.heard() == []
    camera.close()
    reader.close()


def test_a_reader_publishes_nothing(broker: Broker, heard_by_station: Subscriber) -> None:
    for topic in ("estimates", "camera/ridge/image", "individuals/bao", "cmd/replay", "status"):
        assert "Not authorized" in broker.publish("reader", f"station/station/{topic}")
    assert broker.publish("station", "station/station/census") == ""
    assert until(lambda: heard_by_station.heard() == ["station/station/census"], 10)


def test_nobody_gets_in_without_name_and_password_or_unencrypted_from_elsewhere(broker: Broker) -> None:
    assert "not authori" in broker.publish("", "station/station/estimates").lower()
    assert "not authori" in broker.publish("", "station/station/estimates", tls=False).lower()
    assert "not authori" in broker.publish("camera/none", "station/station/camera/none/image").lower()
    assert broker.publish("station", "station/station/health", tls=False) == ""
    of_others = "/etc/ssl/certs/ca-certificates.crt"
    distrusting = broker.command("mosquitto_pub", "station", "-t", "x", "-m", "x", "--cafile", of_others)
    assert subprocess.run(distrusting, capture_output=True, check=False, timeout=30).returncode != 0
    with socket.create_connection(("127.0.0.1", broker.tls_port)) as plain:
        plain.sendall(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")
        with suppress(ConnectionResetError):
            assert plain.recv(4)[:1] != b"\x20"  # no CONNACK


@pytest.mark.parametrize("name", ["camera/+", "camera/#", "#", "camera/ridge/../creek"])
def test_a_user_whose_name_is_a_pattern_gains_nothing(broker: Broker, name: str) -> None:
    """Mosquitto's CVE-2017-7650."""
    done("mosquitto_passwd", "-b", broker.home / "station.passwd", name, f"word of {name}")
    assert broker.publish(name, "station/station/camera/creek/image") != ""


def test_a_picture_beyond_the_limit_is_refused(broker: Broker, heard_by_station: Subscriber, tmp_path: Path) -> None:
    for name, size in (("large", 34_000_000), ("small", 30_000_000)):
        (tmp_path / name).write_bytes(bytes(size))
    topic = "station/station/camera/creek/image"
    broker.publish("camera/ridge", topic.replace("creek", "ridge"), "-f", tmp_path / "large")
    assert broker.publish("camera/creek", topic, "-f", tmp_path / "small") == ""
    assert until(lambda: heard_by_station.heard() == [topic], 20), heard_by_station.heard()


def test_what_comes_while_the_station_is_away_waits_for_it(broker: Broker, tmp_path: Path) -> None:
    """More than the 1000 messages that a broker keeps by itself."""
    topic, count = "station/station/camera/ridge/image", 1500
    lasting = ("-c", "-i", "away", "-x", "600", "-t", topic)
    subprocess.run(broker.command("mosquitto_sub", "station", *lasting, "-E"), check=True, timeout=30)
    (tmp_path / "lines").write_text("".join(f"picture {number}\n" for number in range(count)))
    with (tmp_path / "lines").open() as lines:
        publish = broker.command("mosquitto_pub", "camera/ridge", "-t", topic, "-l")
        subprocess.run(publish, stdin=lines, check=True, timeout=60)
    back = broker.command("mosquitto_sub", "station", *lasting, "-C", count, "-W", 30)
    heard = subprocess.run(back, capture_output=True, text=True, check=False, timeout=60).stdout.splitlines()
    assert heard == [f"picture {number}" for number in range(count)]


def test_no_password_is_in_the_log(broker: Broker) -> None:
    assert "word of" not in broker.log()
