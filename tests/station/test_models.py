"""Which model is in service: what people say, what the gate says, and what a power cut leaves."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from station import models, settings
from station.bundles import CARD, BundleError
from station.domain import StationError
from station.history import reading
from station.promotions import By, Kind, PromotionError
from station.settings import Settings
from station.store import Store
from tests.discs import with_card
from tests.station.conftest import NOW
from tests.station.promoting import promote_without_end
from tests.tiny import card, tiny_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for version in ("first", "second", "third"):
        tiny_bundle(folder / version, version=version)
    return folder


@pytest.fixture
def box(tmp_path: Path, made: Path) -> Settings:
    """A station with three bundles beside its link, none of them in service yet."""
    (tmp_path / "models").mkdir()
    for bundle in made.iterdir():
        (tmp_path / "models" / bundle.name).mkdir()
        for file in bundle.iterdir():
            (tmp_path / "models" / bundle.name / file.name).hardlink_to(file)
    return settings.of({"station": {"database": tmp_path / "station.db", "bundle": tmp_path / "models" / "current"}})


def promote(box: Settings, *names: str, by: str = "person") -> None:
    for name in names:
        models.promote(box, Path(name), by, "because", NOW)


def serving(box: Settings) -> str:
    return models.in_service(box).name


def test_the_first_promotion_makes_the_link_and_the_database(box: Settings) -> None:
    promote(box, "first")
    assert box.station.bundle.readlink() == Path("first")
    assert [(c.version, c.previous, c.by, c.why) for c in models.history(box)] == [
        ("first", None, By.PERSON, "because")
    ]


def test_who_goes_back_twice_comes_to_what_was_there_before_both(box: Settings) -> None:
    promote(box, "first", "second", "third")
    assert models.rollback(box, "worse", "person", NOW).name == "second"
    assert models.rollback(box, "worse still", "person", NOW).name == "first"
    with pytest.raises(PromotionError, match="no model to go back to"):
        models.rollback(box, "and now?", "person", NOW)


def test_what_was_gone_back_from_is_not_gone_back_to(box: Settings) -> None:
    promote(box, "first", "second")
    models.rollback(box, "worse", "person", NOW)
    promote(box, "third")
    assert models.rollback(box, "worse too", "person", NOW).name == "first"


def test_a_bundle_that_is_gone_is_stepped_over_on_the_way_back(box: Settings) -> None:
    promote(box, "first", "second", "third")
    (box.station.bundle.parent / "second" / CARD).unlink()
    assert models.rollback(box, "worse", "person", NOW).name == "first"


def test_where_the_link_is_gone_what_was_in_service_last_comes_back(box: Settings) -> None:
    promote(box, "first", "second")
    box.station.bundle.unlink()
    assert models.fall_back(box, "the link is gone", NOW) and serving(box) == "second"
    assert models.rollback(box, "", "person", NOW).name == "first"


def test_a_bundle_of_another_species_than_the_finders_is_never_linked(
    box: Settings, discs: Path, tmp_path: Path
) -> None:
    promote(box, "first")
    bears = with_card(discs, tmp_path / "bears", species="brown_bear")
    with_bears = box.model_copy(update={"faces": box.faces.model_copy(update={"finder": str(bears)})})
    with pytest.raises(BundleError, match=r"finds faces of 'brown_bear'.*age model was made for"):
        promote(with_bears, "second")
    assert serving(box) == "first"


def test_a_bundle_that_fails_its_golden_check_is_never_linked(box: Settings) -> None:
    promote(box, "first")
    bad = tiny_bundle(box.station.bundle.parent / "bad", golden_is_wrong=True, version="bad")
    with pytest.raises(BundleError, match="golden"):
        models.promote(box, bad, "person", "try", NOW)
    assert serving(box) == "first"
    assert len(models.history(box)) == 1


def test_a_bundle_from_elsewhere_is_copied_beside_the_link(box: Settings, tmp_path: Path) -> None:
    stick = tiny_bundle(tmp_path / "stick" / "fourth", version="fourth")
    models.promote(box, stick, "person", "by post", NOW)
    assert box.station.bundle.readlink() == Path("fourth")
    assert (box.station.bundle.parent / "fourth" / CARD).read_text() == (stick / CARD).read_text()


def test_a_bundle_can_be_named_by_its_version(box: Settings) -> None:
    tiny_bundle(box.station.bundle.parent / "folder", version="panda-7")
    promote(box, "panda-7")
    assert serving(box) == "folder"


def test_two_models_cannot_share_a_version(box: Settings) -> None:
    with Store(box.station.database, NOW) as store:
        store.use_model(card(version="second", architecture="another"), NOW)
    with pytest.raises(BundleError, match="has the version of another model, second"):
        promote(box, "second")


@pytest.mark.parametrize("by", ["gate", "watch"])
def test_a_pinned_model_is_changed_by_people_only(box: Settings, by: str) -> None:
    promote(box, "first", "second")
    models.pin(box, "for the survey", NOW)
    with pytest.raises(PromotionError, match="for the survey"):
        promote(box, "third", by=by)
    with pytest.raises(PromotionError, match="for the survey"):
        models.rollback(box, "worse", by, NOW)
    promote(box, "third")
    assert serving(box) == "third"
    assert models.unpin(box, NOW)
    assert not models.unpin(box, NOW)
    promote(box, "first", by=by)
    assert serving(box) == "first"


def test_a_folder_in_the_place_of_the_link_is_left_alone_with_the_remedy(box: Settings) -> None:
    (box.station.bundle.parent / "first").rename(box.station.bundle)
    with pytest.raises(PromotionError, match="ln -s current-1"):
        promote(box, "second")
    assert models.bundles(box)[0].in_service


def test_a_link_that_a_person_has_changed_is_found_and_noted(box: Settings) -> None:
    promote(box, "first")
    box.station.bundle.unlink()
    box.station.bundle.symlink_to("second")
    models.settle(box, NOW)
    newest = models.history(box)[-1]
    assert (newest.kind, newest.version, newest.previous) == (Kind.FOUND, "second", "first")
    assert models.rollback(box, "no", "person", NOW).name == "first"


def test_every_bundle_is_listed_with_what_brought_it_into_service(box: Settings) -> None:
    promote(box, "first", "second")
    (box.station.bundle.parent / "torn").mkdir()
    (box.station.bundle.parent / "torn" / CARD).write_text("{")
    found = {one.path.name: one for one in models.bundles(box)}
    assert set(found) == {"first", "second", "third", "torn"}
    assert [name for name, one in found.items() if one.in_service] == ["second"]
    assert found["torn"].problem
    assert found["third"].change is None


def test_a_kill_at_any_instant_leaves_one_sound_bundle_in_service_and_a_table_that_tells_which(box: Settings) -> None:
    """Killed 25 times; the next to look settles what was begun by what the link says."""
    promote(box, "first", "second")
    place, names = models.place(box), ["first", "second", "third"]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.station.promoting"])
    caught, chance = 0, random.Random(7)
    for _ in range(25):
        before = len(models.history(box))
        process = processes.Process(target=promote_without_end, args=(place.database, place.link, names))
        process.start()
        while len(models.history(box)) == before:
            assert process.is_alive()
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        caught += _unsettled(box)
        target = models.in_service(box)
        assert target.name in names
        models.settle(box, NOW)
        assert models.history(box)[-1].bundle == target.name
        assert not _unsettled(box)
        assert [one.path for one in models.bundles(box) if one.in_service] == [target]
    assert caught
    for name in names:
        models.prove(box, place.folder / name)
    promote(box, next(name for name in names if name != serving(box)))


def _unsettled(box: Settings) -> int:
    with reading(box.station.database) as db:
        (count,) = db.execute("SELECT count(*) FROM promotions WHERE outcome IS NULL").fetchone()
    return int(count)


def test_what_cannot_be_linked_is_noted_as_abandoned_and_changes_nothing(box: Settings) -> None:
    promote(box, "first")
    blocked = box.station.bundle.with_name(f".current.{os.getpid()}")
    blocked.mkdir()
    with pytest.raises(StationError, match="cannot be replaced"):
        promote(box, "second")
    blocked.rmdir()
    assert serving(box) == "first"
    assert [one.version for one in models.history(box)] == ["first"]
