"""Pictures in and messages out over a real broker, with the daemon as a real process."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.box import HEARD, IMAGE, Box
from tests.conftest import picture
from tests.mosquitto import PLAIN, WRITES_OFTEN, Mosquitto, Peer, running
from tests.photographs import photographs
from tests.station.absence import absence
from tests.station.chaos import chaos
from tests.station.flood import BOUND_MB, flood
from tests.station.test_flow import until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with running(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def box(tmp_path: Path, bundle: Path, broker: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Box]:
    with Box(tmp_path, bundle, broker.port, getattr(request, "param", "")) as box:
        box.start()
        yield box


@pytest.fixture
def peer(broker: Mosquitto, box: Box) -> Iterator[Peer]:
    """Hears all that the station tells, from its first `online`."""
    peer = Peer(broker.port, "ranger", *HEARD)
    assert until(lambda: "online" in peer.on("station/hut/status"), 60), box.log
    yield peer
    peer.close()


def test_a_picture_that_comes_as_a_message_is_told_as_an_age(box: Box, peer: Peer) -> None:
    sent = {"captured_at": "2026-05-01T10:00:00+08:00", "filename": "../../IMG_1.JPG", "individual": "bao"}
    peer.publish(IMAGE.format("ridge"), picture(51), sent)
    assert until(lambda: peer.told("station/hut/estimates"), 60), box.log
    [estimate] = peer.told("station/hut/estimates")
    assert (estimate["individual"], estimate["camera"], estimate["file"]) == ("bao", "ridge", "IMG_1.JPG")
    assert (estimate["captured_at"], estimate["captured_source"]) == ("2026-05-01T02:00:00+00:00", "message")
    assert estimate["age_years"] == pytest.approx(2.0, abs=0.15)
    assert (estimate["seq"], estimate["id"]) == (1, f"hut-{estimate['digest'][:16]}-0-tiny-1")
    [individual] = peer.told("station/hut/individuals/bao")
    assert (individual["age_years"], individual["last_seen"]) == (estimate["age_years"], estimate["captured_at"])
    [spooled] = (box.folder / "spool" / "ridge").iterdir()
    assert spooled.read_bytes() == picture(51)
    assert box.kill(signal.SIGTERM) == 0, box.log
    assert until(lambda: peer.on("station/hut/status")[-1] == "stopped")
    assert peer.on("station/hut/status") in (["online", "stopped"], ["stopped", "online", "stopped"])
    assert box.ask("SELECT count(*) FROM outbox") == [(0,)]
    why = subprocess.run(
        [sys.executable, "-m", "station", "why", "../../IMG_1.JPG", "--db", str(box.database)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "station/hut/camera/ridge/image" in why.stdout, why.stderr


def test_with_the_broker_away_the_station_starts_works_and_tells_all_in_order_later(
    tmp_path: Path, bundle: Path
) -> None:
    print(absence(tmp_path, bundle, count=60, limit_s=60))


def test_the_broker_says_offline_when_the_station_is_gone_without_a_word(box: Box, peer: Peer) -> None:
    box.kill()
    assert until(lambda: peer.on("station/hut/status")[-1] == "offline", 20)


def test_bad_messages_have_their_outcomes_and_good_ones_go_on(box: Box, peer: Peer) -> None:
    whole = picture(100)
    for payload in (b"", b"Dear ranger, I am a text. " * 50, whole[: len(whole) // 2]):
        peer.publish(IMAGE.format("ridge"), payload, {"filename": "../../x"})
    peer.publish(IMAGE.format("ridge"), bytes(100_000_000))
    peer.publish(IMAGE.format("no camera"), whole)
    peer.publish("station/hut/cmd/replay", b"x", reply=("ranger/answers", b"1"))
    peer.publish(IMAGE.format("creek"), whole)
    assert until(lambda: box.count("frames WHERE outcome IS NOT NULL") == 4, 60), box.log
    outcomes = dict(box.ask("SELECT coalesce(reason, outcome), count(*) FROM frames GROUP BY 1"))
    assert outcomes == {"empty": 1, "not_an_image": 1, "truncated": 1, "observed": 1}
    assert until(lambda: box.count("refusals") == 2)
    assert dict(box.ask("SELECT reason, messages FROM refusals")) == {"too_large": 1, "camera": 1}


@pytest.mark.parametrize("box", ["max_message_mb = 128\n"], indirect=True, ids=["allowed"])
def test_a_message_of_100_mb_is_taken_where_it_is_allowed_and_memory_stays_bounded(box: Box, peer: Peer) -> None:
    before = box.peak_mb()
    peer.publish(IMAGE.format("ridge"), bytes(100_000_000))
    assert until(lambda: box.count("frames WHERE outcome IS NOT NULL") == 1, 60), box.log
    assert box.ask("SELECT size_bytes, reason FROM frames") == [(100_000_000, "corrupt")]
    assert box.peak_mb() < before + 400, (before, box.peak_mb())


def test_of_a_flood_each_message_has_its_outcome_and_memory_stays_bounded(box: Box) -> None:
    assert box.is_up(), box.log
    print(flood(box, 5_000, per_second=10_000, limit_s=120))


def test_what_comes_too_fast_unasked_for_confirmation_is_dropped_and_memory_stays_bounded(box: Box, peer: Peer) -> None:
    before = box.peak_mb()
    for number in range(5_000):
        peer.publish(IMAGE.format("ridge" if number % 2 else "mad camera"), f"nonsense {number % 500}", qos=0)
    peer.publish(IMAGE.format("ridge"), picture(120))
    assert until(lambda: box.count("frames WHERE outcome = 'observed'") == 1, 120), box.log
    assert box.peak_mb() < before + BOUND_MB, (before, box.peak_mb())
    assert "is lost" not in box.log


@pytest.mark.parametrize("box", ['[faces]\nfinder = "megadetector"\n'], indirect=True, ids=["megadetector"])
def test_a_frame_with_a_person_is_counted_told_of_nothing_and_deleted(box: Box, peer: Peer) -> None:
    person = {"category": "2", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2]}
    animal = {"category": "1", "conf": 0.9, "bbox": [0.5, 0.5, 0.2, 0.2]}
    content = picture(100)
    results = {
        "detection_categories": {"1": "animal", "2": "person"},
        "images": [{"file": f"{hashlib.sha256(content).hexdigest()}.jpg", "detections": [person, animal]}],
    }
    for number, camera in enumerate(("ridge", "creek"), 1):
        (box.folder / "spool" / camera).mkdir(parents=True)
        (box.folder / "spool" / camera / "megadetector.json").write_text(json.dumps(results))
        peer.publish(IMAGE.format(camera), content)
        assert until(lambda number=number: box.count("frames WHERE outcome IS NOT NULL") == number, 60), box.log
    assert until(lambda: box.count("frames WHERE unspooled_at IS NOT NULL") == 2)
    assert box.ask("SELECT outcome, people FROM frames ORDER BY id") == [("observed", 1), ("duplicate", 1)]
    assert list((box.folder / "spool").rglob("*.jpg")) == []
    assert (box.count("faces"), peer.told("station/hut/estimates")) == (0, [])


def test_a_topic_that_the_brokers_rules_forbid_holds_nothing_else_up(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "mosquitto").mkdir()
    (tmp_path / "mosquitto" / "acl").write_text("topic readwrite station/#\n")
    with running(tmp_path / "mosquitto", f"{PLAIN}acl_file {{folder}}/acl\n") as broker:
        peer = Peer(broker.port, "ranger", *HEARD)
        with Box(tmp_path, bundle, broker.port, "homeassistant = true\n") as box:
            box.start()
            assert until(lambda: "online" in peer.on("station/hut/status"), 60), box.log
            for number in range(20):
                peer.publish(IMAGE.format("ridge"), picture(100, seed=number), {"individual": f"panda {number}"})
            assert until(lambda: len({m["seq"] for m in peer.told("station/hut/estimates")}) == 20, 60), box.log
            assert until(lambda: len({m["individual"] for m in told(peer, "station/hut/individuals/")}) == 20), box.log
            assert until(lambda: box.count("outbox WHERE topic NOT LIKE 'homeassistant/%'") == 0), box.log
            assert "refuses messages on homeassistant/sensor/hut: Not authorized" in box.log
        peer.close()


def told(peer: Peer, below: str) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in list(peer.messages) if message.topic.startswith(below)]


@pytest.mark.parametrize("box", ["homeassistant = true\n"], indirect=True, ids=["found"])
def test_home_assistant_forgets_a_station_that_is_not_to_be_found_any_more(box: Box) -> None:
    home = Peer(box.port, "home", "homeassistant/#")
    assert until(lambda: len(home.messages) == 4, 60), box.log
    assert box.kill(signal.SIGTERM) == 0
    config = box.folder / "station.toml"
    config.write_text(config.read_text().replace("homeassistant = true", ""))
    box.start()
    assert box.is_up()
    assert until(lambda: [message.payload for message in home.messages[4:]] == [b""] * 4, 60), box.log
    late = Peer(box.port, "late", "homeassistant/#", "station/hut/status")
    assert until(lambda: late.on("station/hut/status") == ["online"])
    assert len(late.messages) == 1
    home.close()
    late.close()


def test_a_subscriber_gets_again_what_it_missed(box: Box, peer: Peer) -> None:
    for number in range(5):
        peer.publish(IMAGE.format("ridge"), picture(50, seed=number))
    assert until(lambda: len(peer.told("station/hut/estimates")) == 5, 60)
    late = Peer(box.port, "late", "late/answers")
    late.publish("station/hut/cmd/replay", '{"from_seq": 2, "to_seq": 4}', reply=("late/answers", b"mine"))
    assert until(lambda: len(late.messages) == 4)
    *again, end = late.told("late/answers")
    assert again == peer.told("station/hut/estimates")[1:4]
    assert end["newest_seq"] == 5
    assert {message.properties.CorrelationData for message in late.messages} == {b"mine"}  # type: ignore[union-attr]
    late.close()


def test_a_retained_picture_is_one_picture(box: Box, peer: Peer) -> None:
    peer.publish(IMAGE.format("ridge"), picture(100), retain=True)
    assert until(lambda: box.count("frames WHERE outcome IS NOT NULL") == 1, 60)
    box.kill()
    box.start()
    assert box.is_up()
    peer.publish(IMAGE.format("ridge"), picture(120))
    assert until(lambda: box.count("frames WHERE outcome IS NOT NULL") == 2, 60)
    assert box.ask("SELECT outcome FROM frames") == [("observed",)] * 2


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted, which only root may: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_when_the_disk_is_full_the_broker_keeps_the_pictures_and_all_goes_on_when_there_is_space(
    tmp_path: Path, tmpfs: Path, broker: Mosquitto, bundle: Path
) -> None:
    with Box(tmp_path, bundle, broker.port, f'spool = "{tmpfs}/spool"\n') as box:
        text = (tmp_path / "station.toml").read_text()
        (tmp_path / "station.toml").write_text(text.replace('"station.db"', f'"{tmpfs}/station.db"'))
        box.database = tmpfs / "station.db"
        peer = Peer(broker.port, "ranger", *HEARD)
        box.start()
        assert box.is_up(), box.log
        for number in range(100):
            peer.publish(IMAGE.format("ridge"), picture(number, seed=number, width=320, height=240))
            if number == 20:
                assert until(lambda: box.count("frames WHERE outcome IS NOT NULL") == 21, 60), box.log
                (tmpfs / "ballast").write_bytes(bytes(max(0, shutil.disk_usage(tmpfs).free - 100_000)))
        full = lambda: any("full" in p for told in peer.told("station/hut/health") for p in told["problems"])  # noqa: E731
        assert until(full, 120), box.log
        assert box.process and box.process.poll() is None
        assert box.count("frames WHERE outcome IS NOT NULL") < 100
        (tmpfs / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=100m", str(tmpfs)], check=True)
        assert until(lambda: box.count("frames WHERE outcome = 'observed'") == 100, 60), box.log
        assert until(lambda: len({m["seq"] for m in peer.told("station/hut/estimates")}) == 100, 30)
        assert until(lambda: peer.told("station/hut/health")[-1]["problems"] == [], 90)
        assert box.kill(signal.SIGTERM) == 0, box.log
        assert box.ask("PRAGMA integrity_check") == [("ok",)]
        peer.close()


def test_nothing_is_lost_or_doubled_while_station_broker_and_connection_die(tmp_path: Path, bundle: Path) -> None:
    with running(tmp_path / "mosquitto", WRITES_OFTEN) as broker:
        print(chaos(tmp_path, bundle, broker, photographs(), count=150, seconds=30))
