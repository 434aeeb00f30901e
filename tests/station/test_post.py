"""Where pictures from topics go, and what is refused; with a real ledger and a real spool."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from station.broker import Incoming, Sent
from station.domain import Message
from station.flow import Doorbell
from station.herald import Herald
from station.keeper import Keeper
from station.mail import Mail
from station.post import Patterns, Post
from station.sections.mqtt import Mqtt, Privacy
from station.shortage import Problems
from station.spool import Spool, SpoolError
from station.store import Store
from tests.frames import observed, take
from tests.station.test_flow import until
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Wire:
    """Counts acknowledgements; nothing is sent on it."""

    window: int = 4
    acknowledged: int = 0
    connected_again: int = 0
    published: list[Message] = field(default_factory=list)

    def publish(self, message: Message, correlation: bytes | None = None) -> Sent | None:
        self.published.append(message)
        return None

    def again(self) -> None:
        self.connected_again += 1

    def brings(self, topic: str, payload: bytes, kept: bool = True, **user: str) -> Incoming:
        def acknowledge() -> None:
            self.acknowledged += 1

        return Incoming(topic, payload, acknowledge, kept=kept, properties=user)


@dataclass
class Office:
    wire: Wire
    post: Post
    mail: Mail
    store: Store
    spool: Spool
    problems: Problems
    keeper: Keeper

    def left_by_a_crash(self, content: bytes, when: datetime) -> Path:
        """A picture that was put into the spool and never admitted."""
        file = self.spool.path("ridge", hashlib.sha256(content).hexdigest(), content)
        self.spool.put(file, content)
        os.utime(file, (when.timestamp(), when.timestamp()))
        return file

    def send(self, topic: str, payload: bytes, kept: bool = True, **user: str) -> None:
        self.post.heard(self.wire.brings(topic, payload, kept, **user))

    def frames(self, what: str) -> list[tuple[Any, ...]]:
        with self.store.asking() as db:
            return list(db.execute(f"SELECT {what} FROM frames ORDER BY id").fetchall())

    def record_all(self) -> None:
        with self.store.asking() as db:
            waiting = db.execute("SELECT count(*) FROM frames WHERE outcome IS NULL").fetchone()[0]
        self.store.record([observed(frame) for frame in take(self.store, waiting)], NOW)


def opened(tmp_path: Path, **changes: Any) -> Iterator[Office]:
    how = Mqtt(host="x", receive_maximum=4, max_message_mb=0.01, **changes)
    herald, bell, wire, problems = Herald("hut"), Doorbell(), Wire(), Problems()
    with Store(tmp_path / "station.db", NOW, durable=True, herald=herald) as store:
        store.use_model(card(), NOW)
        mail, spool = Mail(store, herald), Spool(tmp_path / "spool")
        keeper = Keeper(spool, mail, int(how.spool_max_mb * 1e6), keep_people=False)
        post = Post(
            wire,
            how,
            Patterns(how.images, "hut", Privacy().labels),
            store,
            mail,
            keeper,
            problems,
            bell,
            lambda: NOW,
        )
        post.up()
        with post:
            yield Office(wire, post, mail, store, spool, problems, keeper)
        bell.check()


@pytest.fixture
def office(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Office]:
    yield from opened(tmp_path, **getattr(request, "param", {}))


RIDGE = "station/hut/camera/ridge/image"


def test_a_picture_is_spooled_admitted_and_then_acknowledged(office: Office) -> None:
    office.send(RIDGE, b"\xff\xd8\xff picture", filename="IMG_1.JPG", captured_at="2026-05-01", individual="bao")
    assert until(lambda: office.wire.acknowledged == 1)
    [(path, topic, name, given, who, lane)] = office.frames("path, topic, file_name, given_at, individual, lane")
    assert Path(path).read_bytes() == b"\xff\xd8\xff picture"
    assert Path(path).parent == office.spool.root / "ridge"
    assert (topic, name, given, who, lane) == (RIDGE, "IMG_1.JPG", "2026-05-01", "bao", 0)
    assert office.spool.used_bytes == len(b"\xff\xd8\xff picture")


def test_a_message_that_comes_again_is_one_picture(office: Office) -> None:
    for wave in range(1, 4):
        for _ in range(3):
            office.send(RIDGE, b"same")
        assert until(lambda wave=wave: office.wire.acknowledged == 3 * wave)
        if wave == 2:
            office.record_all()
            next((office.spool.root / "ridge").iterdir()).unlink()  # done with: it is not spooled again
    assert office.frames("outcome") == [("observed",)]


def test_a_picture_left_without_a_row_waits_for_its_message_which_says_more_of_it(office: Office) -> None:
    office.left_by_a_crash(b"\xff\xd8\xff picture", NOW - timedelta(hours=1))
    office.keeper.adopt(NOW)
    assert office.frames("id") == []
    office.send(RIDGE, b"\xff\xd8\xff picture", filename="IMG_1.JPG")
    assert until(lambda: office.wire.acknowledged == 1)
    assert office.frames("file_name") == [("IMG_1.JPG",)]


def test_a_picture_left_without_a_row_is_taken_up_once_where_no_message_comes(office: Office) -> None:
    file = office.left_by_a_crash(b"\xff\xd8\xff picture", NOW - timedelta(days=2))
    (file.parent / "megadetector.json").write_text("{}")
    for _ in range(2):
        office.keeper.adopt(NOW)
        assert office.frames("camera, path, lane") == [("ridge", str(file), 1)]
        office.record_all()
    assert office.mail.removable(10) == [(1, file)]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\0b", "\x1b[31mred", "x" * 5000, ".."])
def test_hostile_names_never_touch_the_file_system(office: Office, name: str, tmp_path: Path) -> None:
    office.send(RIDGE, b"picture", filename=name, captured_at=name, individual=name)
    assert until(lambda: office.wire.acknowledged == 1)
    [(stored,)] = office.frames("file_name")
    assert stored.isprintable()
    assert len(stored) <= 200
    files = {file.relative_to(tmp_path).parts[0] for file in tmp_path.rglob("*") if file.is_file()}
    assert files <= {"spool", "station.db", "station.db-wal", "station.db-shm", "station.db.lock"}


@pytest.mark.parametrize("camera", ["..", "a b", "", "+", "#", "x" * 65, "\u7af9", "$SYS"])
def test_what_is_no_cameras_name_is_refused_with_its_reason(office: Office, camera: str) -> None:
    office.send(f"station/hut/camera/{camera}/image", b"picture")
    assert until(lambda: office.wire.acknowledged == 1)
    assert office.mail.refused() == {"camera": 1}
    assert office.frames("id") == []


def test_too_large_and_foreign_messages_are_refused_and_counted(office: Office) -> None:
    for _ in range(3):
        office.send(RIDGE, bytes(10_001))
        office.send("station/other/camera/ridge/image", b"picture")
        assert until(lambda: not office.post._waiting)
    assert until(lambda: office.mail.refused() == {"too_large": 3, "topic": 3})
    assert until(lambda: office.wire.acknowledged == 6)


@pytest.mark.parametrize("office", [{"images": ("frigate/{camera}/{label}/snapshot",)}], indirect=True)
def test_what_a_label_says_is_a_person_is_counted_and_never_kept(office: Office) -> None:
    for label in ("person", "Face", "license_plate", "panda"):
        office.send(f"frigate/gate/{label}/snapshot", f"a picture of a {label}".encode())
    assert until(lambda: office.wire.acknowledged == 4)
    assert office.mail.refused() == {"people": 3}
    assert office.frames("topic") == [("frigate/gate/panda/snapshot",)]
    assert [file.read_bytes() for file in office.spool.pictures()] == [b"a picture of a panda"]


@pytest.mark.parametrize("office", [{"spool_max_mb": 0.01}], indirect=True)
def test_without_room_pictures_wait_unacknowledged_until_recorded_ones_make_room(office: Office) -> None:
    for number in range(4):
        office.send(RIDGE, bytes([number]) * 4000)
    assert until(lambda: office.wire.acknowledged == 2)
    assert until(lambda: bool(office.problems.current()))
    assert "the spool is full" in office.problems.current()[0]
    assert not until(lambda: office.wire.acknowledged > 2, 0.3)
    office.record_all()
    assert until(lambda: office.wire.acknowledged == 4)
    assert until(lambda: not office.problems.current())
    assert office.frames("outcome, unspooled_at IS NOT NULL") == [("observed", 1)] * 2 + [(None, 0)] * 2
    assert office.spool.used_bytes == 8000


@pytest.mark.parametrize("office", [{"spool_max_mb": 0.01, "when_full": "refuse"}], indirect=True)
def test_without_room_pictures_are_refused_where_that_is_wanted(office: Office) -> None:
    for number in range(3):
        office.send(RIDGE, bytes([number]) * 4000)
    assert until(lambda: office.wire.acknowledged == 3)
    assert office.mail.refused() == {"no_room": 1}


def test_a_full_disk_keeps_messages_unacknowledged(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(office.spool, "put", full)
        office.send(RIDGE, b"picture")
        assert until(lambda: bool(office.problems.current()))
        assert office.wire.acknowledged == 0
    assert until(lambda: office.wire.acknowledged == 1)
    assert office.problems.current() == ()


@pytest.mark.parametrize("office", [{"spool_max_mb": 0.005}], indirect=True)
def test_memory_is_bounded_whatever_the_broker_sends_ahead(office: Office) -> None:
    """A broker that does not heed the receive maximum must send again what found no place."""
    for number in range(100):
        office.send(RIDGE, bytes([number]) * 4000)
    assert len(office.post._waiting) <= 4
    office.record_all()
    assert until(lambda: bool(office.wire.acknowledged))
    office.post.up()
    assert len(office.post._waiting) == 0


@pytest.mark.parametrize("office", [{"spool_max_mb": 0.005}], indirect=True)
def test_what_found_no_place_is_sent_for_once_what_came_before_it_is_taken(office: Office) -> None:
    for number in range(12):
        office.send(RIDGE, bytes([number]) * 4000)

    def sent_for() -> bool:
        office.record_all()  # which makes room for one
        return office.wire.connected_again > 0

    assert office.wire.connected_again == 0
    assert until(sent_for, 60)
    assert not office.post._waiting
    assert 4 <= office.wire.acknowledged < 12


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_spool_that_belongs_to_somebody_else_is_said_before_the_start() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # every user may go there
        Path(home).chmod(0o777)
        (Path(home) / "spool" / "ridge").mkdir(parents=True)
        (Path(home) / "spool").chmod(0o777)
        os.seteuid(12345)
        try:
            with pytest.raises(SpoolError, match="spool/ridge; give it to the user"):
                Spool(Path(home) / "spool")
        finally:
            os.seteuid(0)


def test_patterns_give_camera_and_individual() -> None:
    patterns = Patterns(("frigate/{camera}/{label}/snapshot", "{station}/{camera}/{individual}"), "hut", ())
    assert patterns.filters == ["frigate/+/+/snapshot", "hut/+/+"]
    assert patterns.match("frigate/ridge/panda/snapshot") == ("ridge", None, "panda")
    assert patterns.match("hut/ridge/bao") == ("ridge", "bao", None)
    assert patterns.match("other/ridge/bao") is None
    assert patterns.match("frigate/ridge/snapshot") is None
