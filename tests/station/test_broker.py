"""The connection itself: who is let in, what is not shown, and brokers of the older protocol."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from station.broker import Access, Broker, BrokerError, Incoming, Listener, Sent, access
from station.domain import Message
from station.flow import Doorbell
from station.sections.mqtt import Mqtt
from tests.mosquitto import PLAIN, running
from tests.station.test_flow import until


class Ears(Listener):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.ups = 0
        self.downs = 0
        self.landed: list[tuple[Sent, str | None]] = []
        self.came: list[Incoming] = []

    def up(self) -> None:
        self.ups += 1

    def down(self) -> None:
        self.downs += 1

    def sent(self, message: Sent, refused: str | None) -> None:
        self.landed.append((message, refused))

    def heard(self, message: Incoming) -> None:
        self.came.append(message)


def connecting(
    how: Access, bell: Doorbell | None = None, hears: Sequence[str] = ("in/#",), former: Sequence[str] = ()
) -> tuple[Broker, Ears]:
    broker, ears = Broker(how, "station/hut/status", hears, bell or Doorbell(), former), Ears()
    broker.listen(ears)
    return broker, ears


def how(port: int, **changes: object) -> Mqtt:
    return Mqtt.model_validate({"host": "127.0.0.1", "port": port, "keepalive_s": 5} | changes)


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    from_file = access(how(1, username="hut", password_file=file), "hut")
    monkeypatch.setenv("STATION_MQTT_PASSWORD", "from environment")
    from_environment = access(how(1, username="hut", password_file=file), "hut")
    assert (from_file.password, from_environment.password) == ("from file", "from environment")
    assert "from" not in repr(from_file) + repr(from_environment)


def test_files_that_cannot_be_read_are_said_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="password_file"):
        access(how(1, password_file=tmp_path / "none"), "hut")
    with pytest.raises(BrokerError, match="certificates"):
        access(how(1, tls=True, ca_file=tmp_path / "none"), "hut")


def test_what_is_not_acknowledged_comes_again_and_a_late_acknowledgement_goes_nowhere(tmp_path: Path) -> None:
    with running(tmp_path / "m") as mosquitto:
        broker, ears = connecting(access(how(mosquitto.port), "hut"))
        with broker:
            assert until(lambda: ears.ups == 1)
            broker.publish(Message("in/picture", "x", False, 0))
            assert until(lambda: len(ears.came) == 1)
            broker.again()
            assert until(lambda: len(ears.came) == 2, 10)
            ears.came[0].acknowledge()
            broker.again()
            assert until(lambda: len(ears.came) == 3, 10)
            ears.came[2].acknowledge()
            assert not until(lambda: len(ears.came) > 3, 0.3)
            broker.again()
            assert until(lambda: ears.ups == 4, 10)
            assert not until(lambda: len(ears.came) > 3, 0.5)


def test_a_topic_that_is_no_longer_wanted_is_not_sent_any_more(tmp_path: Path) -> None:
    with running(tmp_path / "m") as mosquitto:
        wanted = access(how(mosquitto.port), "hut")
        before, ears = connecting(wanted, hears=("in/#", "frigate/+/+/snapshot"))
        with before:
            assert until(lambda: ears.ups == 1)
        broker, ears = connecting(wanted, former=("frigate/+/+/snapshot",))
        with broker:
            assert until(lambda: ears.ups == 1)
            broker.publish(Message("frigate/gate/panda/snapshot", "x", False, 0))
            broker.publish(Message("in/picture", "y", False, 0))
            assert until(lambda: bool(ears.came))
            assert not until(lambda: len(ears.came) > 1, 0.3)
            assert ears.came[0].topic == "in/picture"


def test_a_wrong_password_is_said_and_a_right_one_lets_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "passwords"), "hut", "right"], check=True)
    config = PLAIN.replace("allow_anonymous true", "allow_anonymous false\npassword_file {folder}/passwords")
    with running(folder, config) as mosquitto:
        for password, let_in in (("wrong", False), ("right", True)):
            (tmp_path / "password").write_text(password)
            wanted = how(mosquitto.port, username="hut", password_file=tmp_path / "password")
            broker, ears = connecting(access(wanted, "hut"))
            with broker:
                assert until(lambda let_in=let_in, ears=ears: bool(ears.ups) if let_in else "refuses" in caplog.text)
                away = broker.away()
                assert (away is None) if let_in else (away and "Not authorized" in away.why)
    assert "Not authorized" in caplog.text
    assert "wrong" not in caplog.text


def certificates(folder: Path) -> None:
    """An authority, the broker's certificate and the station's."""
    run = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=reserve"]
    subprocess.run([*run, *authority], cwd=folder, check=True, capture_output=True)
    for name, common in (("broker", "127.0.0.1"), ("station", "hut")):
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        names = ["-subj", f"/CN={common}", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*run, *signed, *names], cwd=folder, check=True, capture_output=True)


def test_tls_with_the_stations_own_certificate(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    certificates(folder)
    tls = (
        "cafile {folder}/ca.crt\ncertfile {folder}/broker.crt\nkeyfile {folder}/broker.key\nrequire_certificate true\n"
    )
    with running(folder, PLAIN.replace("allow_anonymous", tls + "allow_anonymous")) as mosquitto:
        files = {"tls": True, "ca_file": folder / "ca.crt"}
        own = files | {"cert_file": folder / "station.crt", "key_file": folder / "station.key"}
        for given, let_in in ((own, True), (files, False)):
            broker, ears = connecting(access(how(mosquitto.port, **given), "hut"))
            with broker:
                assert until(lambda ears=ears: bool(ears.ups), 10 if let_in else 1) is let_in


def without_mqtt_5(server: socket.socket, port: int, versions: list[int]) -> None:
    """Stands before a broker: answers MQTT 5 with `unacceptable protocol version` and passes 3.1.1 on."""
    while True:
        try:
            station, _ = server.accept()
        except OSError:
            return
        hello = station.recv(1000)
        versions.append(hello[8])
        if versions[-1] != 4:
            station.sendall(b"\x20\x02\x00\x01")
            station.close()
            continue
        broker = socket.create_connection(("127.0.0.1", port))
        broker.sendall(hello)
        for ends in ((station, broker), (broker, station)):
            threading.Thread(target=passed_on, args=ends, daemon=True).start()


def passed_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


def test_a_broker_without_mqtt_5_gets_3_1_1_with_a_session_that_lasts(tmp_path: Path) -> None:
    versions: list[int] = []
    with running(tmp_path / "m") as mosquitto, socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, mosquitto.port, versions)
        threading.Thread(target=without_mqtt_5, args=arguments, daemon=True).start()
        broker, ears = connecting(access(how(server.getsockname()[1]), "hut"))
        with broker:
            assert until(lambda: ears.ups == 1, 10)
            broker.publish(Message("in/picture", "x", False, 0))
            assert until(lambda: len(ears.came) == 1 and len(ears.landed) == 2)
            broker.again()
            assert until(lambda: len(ears.came) == 2, 10)
            ears.came[1].acknowledge()
            broker.again()
            assert until(lambda: ears.ups == 3, 10)
            assert not until(lambda: len(ears.came) > 2, 0.5)
        server.shutdown(socket.SHUT_RDWR)
    assert versions == [5, 4, 4, 4]
