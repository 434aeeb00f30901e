"""The one connection to the broker, and the one room of paho.

MQTT 5, or 3.1.1 where the broker has no more; QoS 1; a session that the broker keeps while the station is away.
Every connection is a new paho client: what was in flight when the last one broke is told again from the outbox
and sent again by the broker, and an acknowledgement that comes too late goes nowhere.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from station.domain import Away, Message, StationError
from station.flow import Doorbell
from station.sections.mqtt import Mqtt

log = logging.getLogger(__name__)

NEVER = 0xFFFFFFFF
"""Session expiry: the broker's own limits apply."""
CONNACK_S = 10.0
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
WINDOW = 16
"""Messages on their way to the broker at once, where it does not want fewer."""
PASSWORD = "STATION_MQTT_PASSWORD"


class BrokerError(StationError):
    """The broker's password, certificates or key cannot be read."""


class Sent(NamedTuple):
    """A message on its way: the connection's number and the packet's."""

    connection: int
    packet: int


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """A message from the broker, which keeps it until it is acknowledged."""

    topic: str
    payload: bytes
    acknowledge: Callable[[], object]
    """From any thread; without effect once the connection is gone, after which the broker sends it again."""
    refused_bytes: int = 0
    """How large the payload was, which was dropped because it is too large."""
    kept: bool = True
    """False: sent with QoS 0, so the broker does not keep it."""
    retained: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    reply_to: str | None = None
    correlation: bytes | None = None


class Listener:
    """Who hears of the connection, in the network's thread, what it wants to: must not wait long."""

    def up(self) -> None:
        """A connection is made."""

    def down(self) -> None:
        """It is gone, and what was in flight with it."""

    def sent(self, message: Sent, refused: str | None) -> None:
        """The broker has a message, or says why it refused it."""

    def heard(self, message: Incoming) -> None:
        """A message came."""


class Link(Protocol):
    """What senders and takers need of the broker."""

    window: int
    """Messages that may be on their way at once."""

    def publish(self, message: Message, correlation: bytes | None = None) -> Sent | None:
        """Begins to send; None: there is no connection."""

    def again(self) -> None:
        """Connects afresh, so that the broker sends again what was not acknowledged."""


@dataclass(frozen=True)
class Access:
    """How the broker is reached; what is secret is not shown."""

    host: str
    port: int
    client_id: str
    keepalive_s: int
    receive_maximum: int
    max_packet_bytes: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def access(how: Mqtt, station: str) -> Access:
    """From the settings, the password file or the environment, and the certificates.  Raises `BrokerError`."""
    return Access(
        how.host,
        how.port,
        how.client_id or station,
        how.keepalive_s,
        how.receive_maximum,
        # What is a little too large is received, refused and recorded; the broker withholds what is far too large.
        min(268_435_455, int(4e6 * how.max_message_mb) + 65_536),
        how.username or None,
        _password(how.password_file),
        _tls(how) if how.tls else None,
    )


def _password(file: Path | None) -> str | None:
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    try:
        return file.read_text(encoding="utf-8").strip("\r\n") if file else None
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerError(f"mqtt.password_file = {file} cannot be read: {error}") from error


def _tls(how: Mqtt) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(how.ca_file) if how.ca_file else None)
        if how.cert_file:
            context.load_cert_chain(how.cert_file, how.key_file)
    except (OSError, ValueError) as error:
        files = ", ".join(str(file) for file in (how.ca_file, how.cert_file, how.key_file) if file)
        raise BrokerError(f"the certificates {files} cannot be used: {error}") from error
    return context


class Broker:
    """Keeps the connection, in a thread of its own; a broker that is away only makes it try again.

    `status` is published as `online` at every connection, as `offline` by the broker when the station is gone
    without a word, and as `stopped` at a clean end.  `former` are subscriptions that the broker may still keep.
    """

    def __init__(
        self, access: Access, status: str, subscriptions: Sequence[str], bell: Doorbell, former: Sequence[str] = ()
    ) -> None:
        self._access = access
        self._status = status
        self._subscriptions = subscriptions
        self._former = former
        self._bell = bell
        self._listeners: list[Listener] = []
        self._protocol = MQTTProtocolVersion.MQTTv5
        self.window = WINDOW
        self._number = 0
        self._live: tuple[Client, int] | None = None
        self._away_since = time.monotonic()
        self._leaving = threading.Event()
        self._hang_up = False
        self._again = False
        self._last: Sent | None = None
        self._last_is_there = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def listen(self, listener: Listener) -> None:
        """Before the start."""
        self._listeners.append(listener)

    def state(self) -> str:
        """`connected`, or not."""
        return "connected" if self.connected else "not connected"

    @property
    def connected(self) -> bool:
        """Whether messages can be sent."""
        return self._live is not None

    def away(self) -> Away | None:
        """None: it is not."""
        return None if self.connected else Away(time.monotonic() - self._away_since, self._said)

    def __enter__(self) -> Broker:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """After an error without a word, so that the broker says `offline`."""
        if kind is None:
            self._last = self.publish(_state(self._status, "stopped"))
            if self._last:
                self._last_is_there.wait(1.0)
        self._leaving.set()
        self._again = kind is None
        self._hang_up = True
        self._thread.join(timeout=6)

    def publish(self, message: Message, correlation: bytes | None = None) -> Sent | None:
        """Begins to send with QoS 1; None: there is no connection."""
        if self._live is None:
            return None
        client, number = self._live
        properties = None
        if correlation is not None and self._protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        info = client.publish(message.topic, message.payload, 1, message.retained, properties)
        return Sent(number, info.mid) if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def again(self) -> None:
        """Connects afresh, so that the broker sends again what was not acknowledged."""
        self._again = True

    def _run(self) -> None:
        try:
            pause_s = FIRST_RETRY_S
            while not self._leaving.is_set():
                made = self._connection()
                pause_s = FIRST_RETRY_S if made else min(2 * pause_s, LAST_RETRY_S)
                self._leaving.wait(pause_s)
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._live = None
            self._bell.fail(error)

    def _connection(self) -> bool:
        """One connection, from its beginning to its end; whether it was made at all."""
        self._number += 1
        self._again = False
        client = self._made()
        try:
            client.connect(
                self._access.host,
                self._access.port,
                self._access.keepalive_s,
                clean_start=False if self._protocol == MQTTProtocolVersion.MQTTv5 else MQTT_CLEAN_START_FIRST_ONLY,
                properties=self._properties(),
            )
        except (OSError, ValueError) as error:
            self._say(f"the broker {self._access.host}:{self._access.port} cannot be reached: {error}")
            return False
        deadline = time.monotonic() + CONNACK_S
        while client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._again and not self._hang_up:
            if not self.connected and time.monotonic() > deadline:
                self._say("the broker does not answer")
                break
        lasted, self._live = self.connected, None
        _close(client, politely=self._again)
        if lasted:
            self._away_since = time.monotonic()
            for listener in self._listeners:
                listener.down()
            if not self._leaving.is_set():
                self._say("the connection to the broker is lost")
        return lasted

    def _made(self) -> Client:
        new = self._protocol == MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._access.client_id,
            clean_session=None if new else False,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username = self._access.username
        client.password = self._access.password
        if self._access.tls:
            client.tls_set_context(self._access.tls)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_register_write = _leave_it_to_the_loop
        return client

    def _properties(self) -> Properties | None:
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = NEVER
        properties.ReceiveMaximum = self._access.receive_maximum
        properties.MaximumPacketSize = self._access.max_packet_bytes
        return properties

    # Called by paho, in the network's thread

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            if reason.getName() == "Unsupported protocol version":
                log.info("the broker has no MQTT 5: going on with 3.1.1")
                self._protocol = MQTTProtocolVersion.MQTTv311
            else:
                self._say(f"the broker refuses the connection: {reason.getName()}")
            return
        self.window = max(1, min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW) - 1))
        if self._former:
            client.unsubscribe(list(self._former))
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        for topic in self._subscriptions:
            if self._protocol == MQTTProtocolVersion.MQTTv5:
                client.subscribe(topic, options=options)
            else:
                client.subscribe(topic, qos=1)
        self._live = (client, self._number)
        self.publish(_state(self._status, "online"))
        self._said = ""
        log.info("connected to the broker %s:%s", self._access.host, self._access.port)
        for listener in self._listeners:
            listener.up()

    def _on_subscribe(self, client: Client, _: Any, packet: int, reasons: Any, properties: Any) -> None:
        for reason in reasons:
            if reason.is_failure:
                log.error("the broker refuses a subscription: %s; give the station's user read access", reason)

    def _on_publish(self, client: Client, _: Any, packet: int, reason: Any, properties: Any) -> None:
        message = Sent(self._number, packet)
        refused = reason.getName() if reason.is_failure else None
        if message == self._last:
            self._last_is_there.set()
        for listener in self._listeners:
            listener.sent(message, refused)

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        more = message.properties
        incoming = Incoming(
            topic,
            bytes(message.payload),
            lambda packet=message.mid, qos=message.qos: client.ack(packet, qos),  # type: ignore[misc]
            kept=message.qos > 0,
            retained=message.retain,
            properties=dict(getattr(more, "UserProperty", [])),
            reply_to=getattr(more, "ResponseTopic", None),
            correlation=getattr(more, "CorrelationData", None),
        )
        for listener in self._listeners:
            listener.heard(incoming)

    def _say(self, what: str) -> None:
        """Once, not at every attempt."""
        if what != self._said:
            log.warning("%s; trying again, nothing is lost meanwhile", what)
            self._said = what


def _state(topic: str, text: str) -> Message:
    return Message(topic, text, retained=True, rank=0)


def _leave_it_to_the_loop(*_: object) -> None:
    """With this set, paho writes in the network's thread only."""


def _close(client: Client, politely: bool) -> None:
    if politely:
        client.disconnect()
        client.loop_write()
    socket = client.socket()
    if socket is not None:
        socket.close()
