"""Another model while the station runs: no picture is lost, and none is read by a program it was not cut for."""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from station import daemon, models, settings
from station.ages import Ages
from station.bundles import BundleError
from station.daemon import Station
from station.domain import WHOLE, CaptureTime, Duplicate, Face, Facts, Frame, Lane, Observed, Portraits, TimeSource
from station.golden import NoMemory
from station.handover import Handover
from station.passing import passes, pause_s
from station.settings import Settings
from station.shortage import FullError
from station.species import SpeciesError
from station.store import Candidate
from station.succession import Looked, Reader, Succession
from station.systemd import Service
from tests.conftest import picture
from tests.station.test_flow import until
from tests.station.test_gallery import RED, day, portrait
from tests.station.test_line import now, rows
from tests.tiny import SIZE_PX, identity, tiny_bundle

LARGER = 2 * SIZE_PX
VERSIONS: dict[str, dict[str, Any]] = {
    "first": {},
    "second": {},
    "large": {"size_px": LARGER, "crop_margin": 0.1},
    "colour": {"identity": identity()},
    "other": {"identity": identity(version="other/colour")},
    "bad": {"golden_is_wrong": True},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for version, changes in VERSIONS.items():
        tiny_bundle(folder / version, version=version, **changes)
    return folder


@pytest.fixture
def box(tmp_path: Path, made: Path) -> Settings:
    for folder in ("models", "pictures"):
        (tmp_path / folder).mkdir()
    for bundle in made.iterdir():
        (tmp_path / "models" / bundle.name).mkdir()
        for file in bundle.iterdir():
            (tmp_path / "models" / bundle.name / file.name).hardlink_to(file)
    lead(tmp_path / "models" / "current", "first")
    return settings.of(
        {
            "station": {"database": tmp_path / "station.db", "bundle": tmp_path / "models" / "current"},
            "line": {"linger_s": 0.02, "program": "exported"},
            "health": {"listen": ""},
            "cameras": {"ridge": {"folder": tmp_path / "pictures", "settle_s": 0.1}},
        }
    )


def lead(link: Path, name: str) -> None:
    """As a person does it by hand."""
    scratch = link.with_name("by-hand")
    scratch.symlink_to(name)
    scratch.replace(link)


@contextmanager
def running(box: Settings) -> Iterator[Station]:
    with ExitStack() as stack:
        station, _ = daemon._opened(stack, box, now)
        served = threading.Thread(target=daemon._serve, args=(station, None, Service.of({})))
        served.start()
        stack.callback(served.join)
        stack.callback(station.bell.stop)
        yield station


def put(box: Settings, name: str, content: bytes) -> None:
    folder = box.cameras["ridge"].folder
    assert folder
    scratch = folder.parent / "half"
    scratch.write_bytes(content)
    scratch.rename(folder / f"{name}.jpg")


def asked(box: Settings, sql: str) -> list[tuple[Any, ...]]:
    return rows(box.station.database, sql)


def shown(box: Settings, count: int) -> bool:
    return until(lambda: asked(box, "SELECT count(*) FROM frames WHERE outcome = 'observed'") == [(count,)])


def in_service(station: Station, version: str) -> bool:
    return until(lambda: station.ages.card.version == version)


def estimated(box: Settings, version: str, count: int) -> bool:
    return until(lambda: asked(box, f"SELECT count(*) FROM estimates WHERE model = '{version}'") == [(count,)])


COUNTS = "SELECT counting.face, model FROM counting JOIN estimates ON id = estimate ORDER BY 1"


def test_what_is_promoted_reads_the_next_picture_and_then_those_of_before(box: Settings) -> None:
    with running(box) as station:
        put(box, "a", picture(100, seed=1))
        assert shown(box, 1)
        models.promote(box, Path("second"), "person", "better", now())
        assert in_service(station, "second")
        put(box, "b", picture(200, seed=2))
        assert estimated(box, "second", 2)
    assert asked(box, "SELECT face, model FROM estimates ORDER BY 1, 2") == [
        (1, "first"), (1, "second"), (2, "second"),
    ]  # fmt: skip
    assert asked(box, COUNTS) == [(1, "second"), (2, "second")]


def test_subscribers_see_no_gap_for_what_is_estimated_again(box: Settings) -> None:
    with running(box) as station:
        for seed in range(3):
            put(box, str(seed), picture(100, seed=seed))
        assert shown(box, 3)
        models.promote(box, Path("second"), "person", "better", now())
        assert estimated(box, "second", 3)
        assert in_service(station, "second")
        put(box, "d", picture(200, seed=9))
        assert shown(box, 4)
    assert asked(box, "SELECT id FROM estimates WHERE id > 0 ORDER BY id") == [(1,), (2,), (3,), (4,)]
    assert asked(box, "SELECT max(id) FROM estimates WHERE face < 4 AND model = 'second'") == [(-1,)]


def test_one_command_back_and_the_estimates_of_before_count_again(box: Settings) -> None:
    with running(box) as station:
        put(box, "a", picture(100, seed=1))
        assert shown(box, 1)
        models.promote(box, Path("second"), "person", "better", now())
        assert estimated(box, "second", 1)
        put(box, "b", picture(200, seed=2))
        assert shown(box, 2)
        models.rollback(box, "worse", "person", now())
        assert in_service(station, "first")
        assert estimated(box, "first", 2)
    assert asked(box, COUNTS) == [(1, "first"), (2, "first")]
    assert asked(box, "SELECT count(*) FROM estimates WHERE model = 'second'") == [(2,)]


def test_a_bundle_that_is_unfit_is_not_taken_up_and_the_link_is_put_back(
    box: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), running(box) as station:
        lead(box.station.bundle, "bad")
        assert until(lambda: models.in_service(box).name == "first")
        assert "golden" in station.problems.current()[0]
        put(box, "a", picture(100))
        assert estimated(box, "first", 1)
    newest = models.history(box)[-1]
    assert (newest.by, newest.version) == ("station", "first")
    assert "first goes on" in caplog.text


def by_hand(box: Settings, station: Station) -> Handover:
    """That steps when it is told to, and does not wait for whoever writes."""
    with station.store.writing() as db:
        db.execute("PRAGMA busy_timeout = 0")
    return daemon._handover(box, station)


def taken_up(handover: Handover, station: Station, version: str) -> bool:
    def stepped() -> bool:
        handover._step()
        return station.succession.serving.ages.card.version == version

    return until(stepped)


def test_while_the_database_is_locked_a_promotion_waits_and_is_not_undone(box: Settings) -> None:
    with daemon.composed(box, now) as station:
        handover = by_hand(box, station)
        models.promote(box, Path("second"), "person", "better", now())
        with closing(sqlite3.connect(box.station.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            handover._step()
        assert station.ages.card.version == "first"
        told = station.problems.current()[0]
        assert "second cannot be taken up just now: database is locked; first goes on, and it is tried again" in told
        assert taken_up(handover, station, "second")
        assert station.problems.current() == ()
    assert [change.version for change in models.history(box)] == ["first", "second"]


@pytest.mark.parametrize("file", ["card.json", "golden.npz", "program.pt2"])
def test_while_a_disk_gives_no_answer_the_former_model_goes_on_and_no_picture_is_lost(box: Settings, file: str) -> None:
    mute = box.station.bundle.parent / "second" / file
    sound = mute.rename(mute.with_name("sound"))
    mute.symlink_to("/proc/self/mem")  # whose first byte cannot be read: EIO
    with running(box) as station:
        lead(box.station.bundle, "second")
        assert until(lambda: any("second cannot be taken up just now" in one for one in station.problems.current()))
        put(box, "a", picture(100))
        assert estimated(box, "first", 1)
        assert models.in_service(box).name == "second"
        sound.replace(mute)
        assert estimated(box, "second", 1)
        assert station.problems.current() == ()


def test_a_promotion_that_cannot_be_taken_up_can_still_be_taken_back(box: Settings) -> None:
    golden = box.station.bundle.parent / "second" / "golden.npz"
    golden.unlink()
    golden.symlink_to("/proc/self/mem")
    with daemon.composed(box, now) as station:
        handover = daemon._handover(box, station)
        lead(box.station.bundle, "second")
        handover._step()
        assert station.problems.current()
        lead(box.station.bundle, "first")
        handover._step()
        assert station.problems.current() == ()


def caused(cause: Exception) -> BundleError:
    error = BundleError("it cannot be read")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        NoMemory("for two"), caused(NoMemory("for two")), caused(OSError(errno.EMFILE, "too many open files")),
        OSError(errno.ENOSPC, "full"), MemoryError(), FullError("full"),
    ],
)  # fmt: skip
def test_trouble_that_passes_is_none_of_the_bundle(error: Exception, made: Path) -> None:
    assert passes(error, made / "first")


@pytest.mark.parametrize(
    "error",
    [BundleError("golden"), SpeciesError("none"), RuntimeError("no such operation"), caused(KeyError("x")),
     caused(FileNotFoundError(errno.ENOENT, "gone"))],
)  # fmt: skip
def test_what_is_wrong_with_a_bundle_stays_wrong(error: Exception, made: Path) -> None:
    assert not passes(error, made / "first")


def test_pauses_grow_to_a_limit() -> None:
    pauses = [pause_s(failures) for failures in (1, 2, 3, 10, 11, 5000)]
    assert pauses == [1, 2, 4, 512, 600, 600]


def test_a_start_with_a_bundle_that_is_broken_takes_the_one_of_before(box: Settings) -> None:
    with running(box):
        models.promote(box, Path("second"), "person", "better", now())
    (models.in_service(box) / "golden.npz").unlink()
    with running(box) as station:
        assert station.ages.card.version == "first"
    assert models.history(box)[-1].by == "station"


def test_a_stream_of_pictures_loses_none_while_models_of_other_sizes_follow_each_other(box: Settings) -> None:
    shades = {str(number): 20 + 4 * number for number in range(50)}
    wanted = iter(("large", "second", "first", "large"))
    with running(box) as station:
        for name, shade in shades.items():
            put(box, name, picture(shade, seed=shade))
            if int(name) % 12 == 6:
                version = next(wanted)
                lead(box.station.bundle, version)
                assert in_service(station, version)
        assert shown(box, len(shades))
        assert estimated(box, "large", len(shades))
    told = asked(
        box, "SELECT path, age_years FROM estimates JOIN faces ON faces.id = face JOIN frames ON frames.id = frame"
    )
    assert len(told) > len(shades)
    assert all(abs(age - 10 * shades[Path(path).stem] / 255) < 0.5 for path, age in told)


def test_animals_are_still_known_by_a_new_version_of_the_embedding(box: Settings) -> None:
    lead(box.station.bundle, "colour")
    with running(box) as station:
        put(box, "1", portrait(RED, 1, day(1)))
        assert shown(box, 1)
        models.promote(box, Path("other"), "person", "better", now())
        assert in_service(station, "other")
        put(box, "2", portrait(RED, 2, day(2)))
        assert shown(box, 2)
    assert len(asked(box, "SELECT DISTINCT individual FROM faces")) == 1
    assert asked(box, "SELECT face, identity FROM embeddings ORDER BY face") == [
        (1, "tiny-1/colour"), (2, "other/colour"),
    ]  # fmt: skip


def test_an_original_that_is_gone_is_noted_and_looked_for_at_the_next_start(box: Settings) -> None:
    gone = box.station.database.parent / "pictures" / "a.jpg"
    with running(box):
        put(box, "a", picture(100, seed=1))
        put(box, "b", picture(200, seed=2))
        assert shown(box, 2)
        away = gone.rename(gone.with_suffix(".away"))
        models.promote(box, Path("second"), "person", "better", now())
        assert until(lambda: asked(box, "SELECT reason FROM passed_over") == [("vanished",)])
        assert estimated(box, "second", 1)
    away.rename(gone)
    with running(box):
        assert estimated(box, "second", 2)


def test_history_waits_behind_every_picture_that_waits(box: Settings) -> None:
    with running(box):
        put(box, "a", picture(100, seed=1))
        assert shown(box, 1)
    lead(box.station.bundle, "second")
    with daemon.composed(box, now) as station:
        rescoring = daemon._handover(box, station)._rescoring
        file = box.station.database.parent / "pictures" / "b.jpg"
        station.store.admit([Candidate("ridge", str(file), 1, 1, None, Lane.BACKLOG)], now())
        assert not rescoring.step()
        with station.store.writing() as db:
            db.execute("DELETE FROM frames WHERE path = ?", [str(file)])
        assert rescoring.step()
        assert not rescoring.step()
    assert asked(box, "SELECT model FROM estimates ORDER BY id") == [("second",), ("first",)]


def looked(reader: Reader, number: int, shade: int) -> Looked:
    frame = Frame(number, "ridge", f"/p/{number}.jpg", 1, 1)
    facts = Facts(str(number), 1, 1, CaptureTime(None, None, TimeSource.NONE))
    side = reader.ages.card.input_px
    crops = np.full((1, 3, side, side), shade, np.uint8)
    return Looked(Portraits(frame, facts, (Face(WHOLE),), crops), reader)


def test_a_batch_of_crops_of_two_sizes_is_read_by_those_they_were_cut_for_in_its_order(made: Path) -> None:
    first, second, large = (Reader(made / n, Ages(made / n, "cpu"), list) for n in ("first", "second", "large"))
    succession = Succession(large)
    copy = Duplicate(Frame(3, "ridge", "/p/3.jpg", 1, 1), "x")
    batch = [looked(first, 1, 0), looked(large, 2, 255), Looked(copy, first), looked(first, 4, 51)]
    outcomes = [outcome for part in succession.read(batch) for outcome in part.outcomes]
    assert [outcome.frame.id for outcome in outcomes] == [1, 2, 3, 4]
    estimates = [o.observations[0].reading.estimate for o in outcomes if isinstance(o, Observed)]
    assert [(e.model, round(e.age_years)) for e in estimates] == [("first", 1), ("large", 9), ("first", 2)]
    succession.follow(second)
    assert [part.by for part in succession.read([looked(first, 5, 0)])] == [second]
