"""After a promotion: what is worse than before goes back by itself, and says so."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from station import models, settings
from station.checkup import checkup
from station.domain import WHOLE
from station.embeddings import Place
from station.hearing import hearing
from station.probation import Seen, audit
from station.sections.learning import Models
from station.settings import Settings
from tests.conftest import picture
from tests.station.test_line import now, rows, scan
from tests.tiny import Brightness, tiny_bundle

BORN = {"ping": ("2021-05-01", 128), "bao": ("2024-05-01", 51), "wei": ("2019-05-01", 179)}
"""Of each animal, and the brightness that its pictures of 2026-05-01 have."""


class Older(torch.nn.Module):
    """Takes every animal to be two years older than it is."""

    def __init__(self) -> None:
        super().__init__()
        self.ages = Brightness()

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ages, means = self.ages(crops)
        return torch.roll(ages, 2, dims=1), means


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    tiny_bundle(folder / "first", version="first")
    tiny_bundle(folder / "twin", version="twin")
    tiny_bundle(folder / "older", version="older", network=Older())
    return folder


@pytest.fixture
def box(tmp_path: Path, made: Path) -> Settings:
    """Three animals of known birth date, photographed before and after a promotion."""
    for name in BORN:
        (tmp_path / "pictures" / name).mkdir(parents=True)
    (tmp_path / "models").mkdir()
    for bundle in made.iterdir():
        (tmp_path / "models" / bundle.name).mkdir()
        for file in bundle.iterdir():
            (tmp_path / "models" / bundle.name / file.name).hardlink_to(file)
    return settings.of(
        {
            "station": {"database": tmp_path / "station.db", "bundle": tmp_path / "models" / "current"},
            "line": {"linger_s": 0.02, "program": "exported"},
            "cameras": {"ridge": {"folder": tmp_path / "pictures", "pattern": "{individual}"}},
        }
    )


def photographed(box: Settings, night: int) -> None:
    folder = box.cameras["ridge"].folder
    assert folder
    for number, (name, (_, shade)) in enumerate(BORN.items()):
        for again in range(2):
            seed = 100 * night + 10 * number + again
            (folder / name / f"{seed}.jpg").write_bytes(picture(shade, seed=seed))
    scan(box)


def promoted(box: Settings, name: str) -> None:
    """A night with the first model, and one with this."""
    models.promote(box, Path("first"), "person", "the first", now())
    photographed(box, 1)
    with hearing(box.station.database, "wei", now()) as heard:
        for who, (born, _) in BORN.items():
            heard.set(who, {"born_on": born})
    models.promote(box, Path(name), "gate", "it passed", now())
    photographed(box, 2)


def test_a_model_that_errs_more_on_known_animals_goes_back(box: Settings) -> None:
    promoted(box, "older")
    said = models.watch(box, now())
    assert said
    assert said.startswith("older was taken out of service and first is back: on 3 animals of known birth date it errs")
    assert models.in_service(box).name == "first"
    before, after = models.history(box)[-2:]
    assert (before.version, before.by, before.verdict and before.verdict[:10]) == ("older", "gate", "taken back")
    assert (after.version, after.by) == ("first", "watch")
    assert models.watch(box, now()) is None
    problems = checkup(box, now()).health.problems
    assert [p.about for p in problems if p.about == "model"] == ["model"]


def test_the_estimates_of_both_models_are_kept_side_by_side(box: Settings) -> None:
    promoted(box, "older")
    models.watch(box, now())
    both = "SELECT count(*) FROM (SELECT face FROM estimates GROUP BY face HAVING count(*) = 2)"
    assert rows(box.station.database, both) == [(6,)]


def test_a_model_that_is_as_good_stays_and_is_left_alone_after_its_time(box: Settings) -> None:
    promoted(box, "twin")
    assert "nothing is worse: on 3 animals" in str(models.watch(box, now()))
    assert "was worse" in str(models.watch(box, now() + timedelta(days=15)))
    assert str(models.history(box)[-1].verdict).startswith("well: on 3 animals")
    assert models.watch(box, now() + timedelta(days=16)) is None


def test_a_pinned_model_stays_although_it_is_worse(box: Settings) -> None:
    promoted(box, "older")
    models.pin(box, "for the survey", now())
    assert "stays, for it is pinned (for the survey)" in str(models.watch(box, now()))
    assert models.in_service(box).name == "older"


def test_without_enough_known_animals_errors_say_nothing(box: Settings) -> None:
    few = box.model_copy(update={"models": Models(watch_animals=4)})
    promoted(few, "older")
    assert "nobody of known birth date was seen often enough" in str(models.watch(few, now()))


def measured(bundle: str, at: str, rate: float, **changes: Any) -> dict[str, Any]:
    one = {"per_s": rate, "slowest": rate, "fastest": rate, "runs": 3}
    usual = {
        "at": at, "identity": {"bundle": bundle, "device": "cpu"}, "rates": {"model_small": one},
        "golden_off_years": 0.0, "failed": [], "beside": True, "busy": False, "surroundings": {"others": 0.0},
    }  # fmt: skip
    return {"measured": usual | changes}


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        ({"rate": 70.0}, "model, small batches: 0.70 of the former model's images/s"),
        ({"rate": 85.0}, None),
        ({"rate": 70.0, "busy": True}, None),
        ({"rate": 70.0, "surroundings": {"others": 0.9}}, None),
        ({"rate": 70.0, "beside": False}, None),
        ({"rate": 100.0, "golden_off_years": 0.2}, "golden outputs are off by 0.200 years"),
        ({"rate": 100.0, "golden_off_years": None, "failed": ["no program"]}, "its self-check failed: no program"),
    ],
)
def test_a_self_check_that_is_worse_than_the_former_models_counts(
    box: Settings, newest: dict[str, Any], told: str | None
) -> None:
    for name in ("first", "twin"):
        models.promote(box, Path(name), "gate", "because", now() - timedelta(hours=1))
    checks = [measured("first", "2026-01-01T00:00:00+00:00", 100.0), measured("twin", now().isoformat(), **newest)]
    with sqlite3.connect(box.station.database) as db:
        for check in checks:
            told_as = [check["measured"]["at"], json.dumps(check)]
            db.execute("INSERT INTO selfchecks (at, report, ok, baseline) VALUES (?, ?, 1, 0)", told_as)
    said = str(models.watch(box, now()))
    assert (told in said) if told else "nothing is worse" in said
    assert models.in_service(box).name == ("first" if told else "twin")


def seen(individual: str, age: float, new: float, former: float | None) -> Seen:
    return Seen(individual, Place(1, "", "", WHOLE), age, new, former)


def test_an_animal_that_is_often_photographed_counts_once() -> None:
    often = [seen("bao", 5, 9, 5)] * 100
    found = audit([*often, seen("mei", 5, 5, 5), seen("wei", 5, 5, 5)], 3)
    assert found
    assert round(found.error_years, 3) == round(4 / 3, 3)
    assert not found.sure


def test_what_the_former_model_has_not_looked_at_is_no_witness() -> None:
    assert audit([seen(name, 5, 9, None) for name in "abc"], 3) is None
