"""A real Mosquitto on a free loopback port, cameras that publish to it, and a subscriber that keeps all it hears."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.station.test_flow import until

BINARY = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PUBLISHER = shutil.which("mosquitto_pub")
PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
log_dest none
"""
WRITES_OFTEN = f"{PLAIN}autosave_on_changes true\nautosave_interval 20\n"
"""For a broker that is killed: it writes all it has after so many changes, which is slow with much to keep."""


class Mosquitto:
    """The broker; it can be killed and started again, and frozen."""

    def __init__(self, folder: Path, config: str = PLAIN) -> None:
        if BINARY is None:
            pytest.skip("there is no mosquitto: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._file = folder / "mosquitto.conf"
        self._file.write_text(config.format(port=self.port, folder=folder) + "user root\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert BINARY
        self._process = subprocess.Popen([BINARY, "-c", str(self._file)])
        assert until(self._answers, 20)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            self.send(signal.SIGCONT)
            self.send(number)
            self._process.wait(20)
            self._process = None


@contextmanager
def running(folder: Path, config: str = PLAIN) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, config)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop(signal.SIGKILL)


class Peer:
    """A camera or a subscriber, as a real client with a session of its own."""

    def __init__(self, port: int, name: str, *topics: str) -> None:
        self.messages: list[MQTTMessage] = []
        self.confirmed: set[int] = set()
        self.confirmations = 0
        self._topics = topics
        self._ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.max_queued_messages = 0
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _, __, message: self.messages.append(message)
        self.client.on_publish = self._on_publish
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0xFFFFFFFF
        self.client.connect("127.0.0.1", port, 5, clean_start=False, properties=properties)
        self.client.loop_start()
        assert self._ready.wait(20)

    def _on_connect(self, *_: Any) -> None:
        for topic in self._topics:
            self.client.subscribe(topic, qos=1)
        if not self._topics:
            self._ready.set()

    def _on_publish(self, _: Any, __: Any, packet: int, *___: Any) -> None:
        self.confirmed.add(packet)
        self.confirmations += 1

    def publish(
        self,
        topic: str,
        payload: bytes | str,
        user: Mapping[str, str] | None = None,
        reply: tuple[str, bytes] | None = None,
        qos: int = 1,
        retain: bool = False,
    ) -> int:
        """The packet's number, which is among the `confirmed` when the broker has it."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if user:
            properties.UserProperty = list(user.items())
        if reply:
            properties.ResponseTopic, properties.CorrelationData = reply
        info = self.client.publish(topic, payload, qos, retain, properties)
        assert info.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
        return info.mid

    def on(self, topic: str) -> list[str]:
        return [message.payload.decode() for message in list(self.messages) if message.topic == topic]

    def told(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.on(topic)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def lines(port: int, topic: str) -> Iterator[IO[bytes]]:
    """Publishes each line that is written to it, faster than a `Peer`; at the block's end the broker has them all."""
    if PUBLISHER is None:
        pytest.skip("there is no mosquitto_pub: apt-get install mosquitto-clients")
    command = [PUBLISHER, "-p", str(port), "-q", "1", "-t", topic, "-l"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as client:
        assert client.stdin
        yield client.stdin
        client.stdin.close()
        assert client.wait(60) == 0
