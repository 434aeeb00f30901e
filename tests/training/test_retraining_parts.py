"""What a retraining is made of, piece by piece."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from station.ages import Ages
from station.bundles import Card, TrainingData, read_card
from station.people import follow, say
from station.pictures import save_jpeg
from station.species import LifeStage
from station.words import Verb, Word
from tests.conftest import picture
from tests.reserve import AT, reserve
from tests.tiny import SIZE_PX, Brightness, tiny_bundle
from tests.training.simulated import judged, with_estimates
from training.gate import Bout, Rule, Thresholds, Verdict
from training.retraining import ledger
from training.retraining.apart import apart
from training.retraining.base import LABELS, RetrainingError, past
from training.retraining.shadow import NoTime, Shown, shadow
from training.retraining.speed import speeds
from training.retraining.verdict import FOR_PEOPLE, Findings, doubts, read, write

STAGES = (LifeStage("young", 0), LifeStage("adult", 5))


class Older(torch.nn.Module):
    """Every face is two years older than `Brightness` says."""

    def __init__(self) -> None:
        super().__init__()
        self.ages = Brightness()

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ages, seen = self.ages(crops)
        return torch.roll(ages, 2, dims=1), seen


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ages, Ages]:
    """A model, and one that finds everybody older."""
    folder = tmp_path_factory.mktemp("two")
    other = tiny_bundle(folder / "older", network=Older(), version="older")
    return Ages(tiny_bundle(folder / "tiny"), "cpu"), Ages(other, "cpu")


# Near-duplicates


def scene(seed: int) -> np.typing.NDArray[np.uint8]:
    """3 x S x S, unlike any other seed's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    return np.asarray(coarse.repeat(8, axis=1).repeat(8, axis=2), np.uint8)


def noisy(crop: np.typing.NDArray[np.uint8]) -> np.typing.NDArray[np.uint8]:
    noise = np.random.default_rng(9).integers(-6, 7, crop.shape)
    return np.asarray(np.clip(crop + noise, 0, 255), np.uint8)


def test_of_pictures_of_one_animal_that_look_the_same_the_first_is_kept() -> None:
    crops = np.stack([scene(1), noisy(scene(1)), scene(2)])
    found = apart([crops], np.array(["bao"] * 3), np.ones(3, bool))
    assert found.kept.tolist() == [True, False, True]
    assert (found.repeated, found.shared) == (1, 0)


def test_one_picture_under_two_names_counts_for_neither() -> None:
    crops = np.stack([scene(1), noisy(scene(1)), scene(2)])
    found = apart([crops], np.array(["bao", "xin", "xin"]), np.ones(3, bool))
    assert found.kept.tolist() == [False, False, True]
    assert (found.repeated, found.shared) == (0, 2)


def test_the_base_is_never_left_out() -> None:
    crops = np.stack([scene(1), noisy(scene(1)), scene(2), noisy(scene(2))])
    found = apart([crops], np.array(["bao", "xin", "bao", "bao"]), np.array([False, True, False, True]))
    assert found.kept.tolist() == [True, False, True, False]


# The base, by hash


def base_of(folder: Path, header: str, cells: str) -> tuple[Path, Card]:
    """A manifest of one picture, and the card of a bundle that was fitted on it."""
    (folder / "a.jpg").write_bytes(picture(100))
    file = folder / "manifest.csv"
    file.write_text(f"path,individual,age_years{header}\na.jpg,Ling,3{cells}\n")
    tiny_bundle(folder / "bundle")
    return file, read_card(folder / "bundle")


def trained_on(one: Card, *files: Path, at: str = "2026-01-01T00:00:00+00:00") -> Card:
    data = [TrainingData(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), 1, 1) for file in files]
    return replace(one, training=tuple(data), created_at=at)


def test_a_base_without_times_is_as_old_as_the_first_bundle_that_was_fitted_on_it(tmp_path: Path) -> None:
    file, one = base_of(tmp_path, "", "")
    newer, first = trained_on(one, file, at="2026-06-01T00:00:00+00:00"), trained_on(one, file)
    found = past(tmp_path / "bundle", newer, [file], [first], UTC)
    assert found.until == (datetime(2026, 1, 1, tzinfo=UTC),)
    assert "Ling" in found.acquainted.names


def test_a_base_with_times_is_as_old_as_its_newest_picture(tmp_path: Path) -> None:
    file, one = base_of(tmp_path, ",captured_at", ",2025-03-01")
    found = past(tmp_path / "bundle", trained_on(one, file), [file], [], UTC)
    assert found.until[0].date().isoformat() == "2025-03-01"


def test_one_base_manifest_of_two_is_not_enough(tmp_path: Path) -> None:
    file, one = base_of(tmp_path, "", "")
    other = tmp_path / "other.csv"
    other.write_text("path,individual,age_years\n")
    with pytest.raises(RetrainingError, match=r"fitted on other\.csv too"):
        past(tmp_path / "bundle", trained_on(one, file, other), [file], [], UTC)


def test_the_stations_own_labels_need_not_be_named(tmp_path: Path) -> None:
    file, one = base_of(tmp_path, "", "")
    bundle = tmp_path / "bundle"
    (bundle / LABELS).write_text(
        f"path,individual,born_on,captured_at,face\n{tmp_path / 'a.jpg'},bao,2020-01-01,2026-02-01T12:00:00+08:00,7\n"
    )
    found = past(bundle, trained_on(one, file, bundle / LABELS), [file], [], UTC)
    assert found.acquainted.faces == {7}
    assert found.ages_years[7] == pytest.approx(6.09, abs=0.01)
    assert datetime(2026, 2, 1, 4, tzinfo=UTC) in found.until


# The ledger


def test_only_faces_of_individuals_with_a_birth_date_can_be_labels(tmp_path: Path) -> None:
    with reserve(tmp_path / "station.db") as station:
        station.seen("bao", AT)
        station.seen("xin", AT)
        station.individual("bao", born_on="2020-05-01")
    found = ledger.known(tmp_path / "station.db", only_vouched=False)
    assert [one.individual for one in found.sightings] == ["bao"]
    assert found.without_birth == 1
    assert not found.sightings[0].there  # no such file


def test_faces_that_only_the_machine_has_named_can_be_passed_over(tmp_path: Path) -> None:
    with reserve(tmp_path / "station.db") as station:
        face = station.face(station.frame(AT), "bao")
        station.db.execute(
            "INSERT INTO recognitions VALUES (?, 'v', 'known', 'bao', 0.9, NULL, NULL, ?)", [face, AT.isoformat()]
        )
        station.seen("bao", AT + timedelta(days=1))
        station.individual("bao", born_on="2020-05-01")
    assert len(ledger.known(tmp_path / "station.db", only_vouched=False).sightings) == 2
    assert len(ledger.known(tmp_path / "station.db", only_vouched=True).sightings) == 1


def test_an_animal_is_known_by_every_name_that_it_had(tmp_path: Path) -> None:
    with reserve(tmp_path / "station.db") as station:
        station.seen("bao", AT)
        station.seen("giant-panda-1", AT)
        station.individual("bao", name="Old Bao")
        merged = say(station.db, Word(0, AT, Verb.MERGE, "giant-panda-1", None, {"into": "bao"}, "ranger"))
        named = say(station.db, Word(0, AT, Verb.NAME, "bao", None, {"name": "Old Bao"}, "ranger"))
        follow(station.db, [merged, named], AT)
    found = ledger.known(tmp_path / "station.db", only_vouched=False)
    assert found.aliases["bao"] == {"bao", "Old Bao", "giant-panda-1"}


def test_a_face_that_cannot_be_used_is_known_as_such(tmp_path: Path) -> None:
    with reserve(tmp_path / "station.db") as station:
        station.seen("bao", AT)
        station.individual("bao", born_on="2020-05-01")
        station.db.execute("UPDATE faces SET unusable = 'blurred'")
    found = ledger.known(tmp_path / "station.db", only_vouched=False)
    assert [one.unusable for one in found.sightings] == [True]


# The shadow


def test_the_shadow_tells_by_animal_how_far_the_two_lie_apart(two: tuple[Ages, Ages], tmp_path: Path) -> None:
    faces = []
    for number, (name, shade) in enumerate([("bao", 60), ("bao", 110), ("xin", 90)]):
        file = tmp_path / f"{number}.jpg"
        file.write_bytes(save_jpeg(np.full((SIZE_PX, SIZE_PX, 3), shade, np.uint8)))
        faces.append(Shown(name, file, None))
    found = shadow(*two, [*faces, Shown("gone", tmp_path / "gone.jpg", None)], STAGES, lambda: None)
    assert (found.faces, found.left_out) == (3, 1)
    bao = next(one for one in found.animals if one.individual == "bao")
    assert bao.faces == 2 and bao.difference_years == pytest.approx(2, abs=0.1)
    assert bao.other_stage == 1  # 4.3 years became 6.3


def test_the_shadow_ends_where_live_pictures_leave_no_time(two: tuple[Ages, Ages], tmp_path: Path) -> None:
    def never() -> None:
        raise NoTime

    found = shadow(*two, [Shown("bao", tmp_path / "a.jpg", None)], STAGES, never)
    assert (found.faces, found.left_out) == (0, 1)


def test_both_speeds_are_measured(two: tuple[Ages, Ages]) -> None:
    one, other = speeds(*two, 4, None, prepared=False, run_s=0.001)
    assert one > 0 and other > 0


# The report


def test_the_report_names_the_rule_that_held_it_back(tmp_path: Path) -> None:
    broken = Rule("stage cub", False, "2.10 years, the champion's 1.20")
    rules = (Rule("better", True, "99% sure to be better"), broken)
    found = Findings(AT, "old", "new", Verdict(rules), Thresholds(), "the plan")
    write(tmp_path, found)
    assert found.in_a_line == "new is refused and old stays: stage cub: 2.10 years, the champion's 1.20"
    told = (tmp_path / FOR_PEOPLE).read_text()
    assert told.startswith("# Refused: new") and "| stage cub | **no** | 2.10 years" in told
    assert (read(tmp_path) or {})["passed"] is False


def test_a_birth_date_that_both_models_contradict_is_named_and_nothing_more() -> None:
    champion = judged(animals=20, tau=0.5, sigma=0.3)
    wrong = champion.individuals == "animal-003"
    champion = with_estimates(champion, champion.estimates_years + np.where(wrong, 9.0, 0.0))
    [doubt] = doubts([Bout(champion, champion)])
    assert doubt.individual == "animal-003" and doubt.champion_off_years == pytest.approx(9, abs=2)


def test_no_verdict_is_read_where_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path) is None
