"""Retrained bundles that nothing leads to are cleared, and what they were is still told."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station import clearing, models, promotions, settings
from station.bundles import CARD, GOLDEN, OUT_OF_FOLD, PROGRAM, WEIGHTS, BundleError
from station.promotions import By, Kind
from station.schema import open_database
from station.settings import Settings
from tests.station.test_commands import station
from tests.tiny import card

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEPT = 2


@pytest.fixture
def box(tmp_path: Path) -> Settings:
    """Six retrained bundles, the later the newer, beside a first one that a person brought."""
    for number, name in enumerate(("brought", "r1", "r2", "r3", "r4", "r5", "r6")):
        _made(tmp_path / "models" / name, name, number, retrained=name != "brought")
    (tmp_path / "models" / "current").symlink_to("brought")
    return _settings(tmp_path)


def _settings(home: Path, **tables: dict[str, object]) -> Settings:
    station = {"database": home / "station.db", "bundle": home / "models" / "current"}
    return settings.of({"station": station, "models": {"kept": KEPT}} | tables)


def _made(folder: Path, version: str, number: int, retrained: bool) -> None:
    """Whole as the list sees it; nothing here runs a program."""
    folder.mkdir(parents=True)
    (folder / CARD).write_text(card(version=version, created_at=f"2026-0{number + 1}-01T00:00:00+00:00").to_json())
    for name in (PROGRAM, GOLDEN, WEIGHTS, OUT_OF_FOLD):
        (folder / name).write_bytes(b"x" * 1000)
    if retrained:
        said = {"passed": False, "champion": "brought", "verdict": f"{version} is refused: cubs"}
        (folder / models.GATE).write_text(json.dumps(said))
        for name in ("GATE.md", "station-labels.csv", "MODEL_CARD.md"):
            (folder / name).write_text(version)


def serve(box: Settings, name: str, kind: Kind = Kind.PROMOTION) -> None:
    """As `station models` does it, but for the golden check: nothing here runs a program."""
    with closing(open_database(box.station.database)):
        pass
    where = models.place(box)
    with promotions.alone(where):
        promotions.reconcile(where, NOW)
        promotions.change(where, where.folder / name, kind, By.PERSON, "", NOW)


def going(box: Settings) -> list[str]:
    return [bundle.name for bundle in clearing.plan(box).bundles]


def test_refused_ones_go_but_the_newest_and_what_a_person_brought(box: Settings) -> None:
    assert going(box) == ["r1", "r2", "r3", "r4"]


def test_the_one_in_service_and_the_way_back_stay(box: Settings) -> None:
    for name in ("r1", "r2", "r3"):
        serve(box, name)
    assert going(box) == ["r1", "r4"]
    serve(box, "r2", Kind.ROLLBACK)
    assert going(box) == ["r3", "r4"]


def test_a_way_back_that_is_broken_is_none_and_is_left_for_a_person(box: Settings) -> None:
    for name in ("r1", "r2", "r3"):
        serve(box, name)
    (box.station.bundle.parent / "r2" / PROGRAM).unlink()
    assert going(box) == ["r4"]


def test_what_the_configuration_or_a_link_names_stays(box: Settings, tmp_path: Path) -> None:
    (tmp_path / "models" / "best").symlink_to("r1")
    named = _settings(tmp_path, retraining={"weights": str(tmp_path / "models" / "r2" / WEIGHTS)})
    assert going(named) == ["r3", "r4"]


def test_one_that_passed_and_waits_for_a_person_stays(box: Settings, tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        said = {"passed": True, "champion": "brought", "verdict": f"{name} passed the gate"}
        (tmp_path / "models" / name / models.GATE).write_text(json.dumps(said))
    assert going(box) == ["r1", "r3", "r4"]


def test_without_a_model_in_service_nothing_goes(box: Settings) -> None:
    box.station.bundle.unlink()
    assert going(box) == []


def test_of_a_cleared_one_the_card_the_verdict_and_the_labels_stay(box: Settings, tmp_path: Path) -> None:
    models.pin(box, "makes the database", NOW)
    _, freed = clearing.carry_out(box, NOW)
    assert freed == 4 * 4000
    assert sorted(file.name for file in (tmp_path / "models" / "r1").iterdir()) == [
        "GATE.md", "MODEL_CARD.md", "card.json", "cleared.json", "gate.json", "station-labels.csv",
    ]  # fmt: skip
    assert going(box) == []
    listed = {one.path.name: one for one in models.bundles(box)}
    assert [name for name, one in listed.items() if one.cleared] == ["r1", "r2", "r3", "r4"]
    assert (listed["r1"].gate, listed["r1"].problem) == ("r1 is refused: cubs", "")
    assert listed["r1"].card and listed["r1"].card.version == "r1"


def test_a_cleared_one_cannot_be_promoted_and_says_why(box: Settings) -> None:
    models.pin(box, "makes the database", NOW)
    clearing.carry_out(box, NOW)
    with pytest.raises(BundleError, match="r1 was cleared by the retention of models"):
        models.promote(box, Path("r1"), "person", "", NOW)


def test_a_clearing_that_was_cut_off_is_finished(box: Settings, tmp_path: Path) -> None:
    models.pin(box, "makes the database", NOW)
    half = tmp_path / "models" / "r1"
    (half / "cleared.json").write_text("{}")
    assert not next(one for one in models.bundles(box) if one.path == half).cleared
    (half / PROGRAM).unlink()
    assert "r1" in going(box)
    clearing.carry_out(box, NOW)
    assert not (half / WEIGHTS).exists()


def test_the_job_tells_first_and_then_does(box: Settings, tmp_path: Path) -> None:
    models.pin(box, "makes the database", NOW)
    config = tmp_path / "station.toml"
    config.write_text('[station]\ndatabase = "station.db"\n[models]\nkept = 5\n')
    told = station("jobs", "run", "retention", "--dry-run", "--config", config)
    assert "1 models would be cleared (r1); 6 stay whole" in told
    assert (tmp_path / "models" / "r1" / PROGRAM).exists()
    assert "1 models cleared (r1)" in station("jobs", "run", "retention", "--config", config)
    assert "cleared" in station("models", "--config", config)
    assert not (tmp_path / "models" / "r1" / PROGRAM).exists()
