from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from station.bundles import OUT_OF_FOLD, read_card
from tests.training.drawn import SIZE_PX, drawn_manifest
from training.bench import Source
from training.losses import LossError
from training.manifest import ManifestError
from training.networks import NetworkError
from training.plan import Plan, StudyError
from training.schedule import Schedule
from training.study import Studied, study
from training.summary import study_summary

NOW = datetime.fromisoformat("2026-06-01T12:00:00+00:00")


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two data sets of drawn animals, two networks."""
    folder = tmp_path_factory.mktemp("studied")
    (folder / "lite").mkdir()
    return Plan(
        data={
            "full": [drawn_manifest(folder, animals=12)],
            "lite": [drawn_manifest(folder / "lite", animals=5, pictures=2)],
        },
        networks=("tf_efficientnet_lite0", "timm:tf_mobilenetv3_small_minimal_100"),
        weights={"timm:tf_mobilenetv3_small_minimal_100": "none"},
        source=Source(input_px=SIZE_PX),
        schedule=Schedule(epochs=4, batch=8),
        species="giant_panda",
        folds=3,
        device="cpu",
    )


@pytest.fixture(scope="module")
def done(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Studied, Path, list[str]]:
    out = tmp_path_factory.mktemp("study") / "out"
    told: list[str] = []
    return study(plan, out, False, NOW, told.append), out, told


def test_every_network_is_judged_on_every_data_set(done: tuple[Studied, Path, list[str]]) -> None:
    found = done[0].study
    assert [(t.data, t.network) for t in found.trials] == [
        ("full", "tf_efficientnet_lite0"),
        ("lite", "tf_efficientnet_lite0"),
        ("full", "timm:tf_mobilenetv3_small_minimal_100"),
        ("lite", "timm:tf_mobilenetv3_small_minimal_100"),
    ]
    assert found.planned == 4 and done[0].missing == 0


def test_faces_are_judged_by_networks_that_do_not_know_their_individual(done: tuple[Studied, Path, list[str]]) -> None:
    full = done[0].study.data[0]
    for name in set(full.known.individuals):
        assert len(set(full.fold[full.known.individuals == name])) == 1
    assert all(list(t.judged.fold) == list(full.fold) for t in done[0].study.trials if t.data == "full")


def test_what_can_be_seen_is_learnt(done: tuple[Studied, Path, list[str]]) -> None:
    figures = done[0].study.on("full")[0].figures
    assert figures["mae_years"].value < figures["median_guess_mae_years"].value


def test_it_ends_in_a_report_tables_and_a_bundle(done: tuple[Studied, Path, list[str]]) -> None:
    names = {file.name for file in done[1].iterdir()}
    assert {"report.html", "results.csv", "results.json", "folds.csv", "out_of_fold.csv", "bundle"} <= names
    card = read_card(done[1] / "bundle")
    chosen = done[0].study.chosen
    assert chosen is not None and card.architecture == chosen.network
    assert card.metrics["mae_years"] == chosen.figures["mae_years"]
    assert len(card.individuals) == 12
    assert "MODEL_CARD.md" in {file.name for file in (done[1] / "bundle").iterdir()}


def test_the_bundle_tells_what_was_said_of_faces_out_of_fold(done: tuple[Studied, Path, list[str]]) -> None:
    with (done[1] / "bundle" / OUT_OF_FOLD).open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 36
    assert {row["fold"] for row in rows} == {"0", "1", "2"}


def test_the_summary_has_a_line_for_every_trial(done: tuple[Studied, Path, list[str]]) -> None:
    told = study_summary(done[0], done[1])
    assert told.count("tf_efficientnet_lite0") >= 2
    assert str(done[1] / "report.html") in told


def test_going_on_with_a_complete_study_fits_nothing_and_says_the_same(
    plan: Plan, done: tuple[Studied, Path, list[str]]
) -> None:
    results = json.loads((done[1] / "results.json").read_text())
    told: list[str] = []
    again = study(plan, done[1], True, NOW, told.append)
    assert not [line for line in told if line.startswith("[")]
    assert [t.figures for t in again.study.trials] == [t.figures for t in done[0].study.trials]
    assert json.loads((done[1] / "results.json").read_text())["data"] == results["data"]


class Cut(Exception):
    pass


def test_a_study_that_was_cut_off_goes_on_and_ends_the_same(
    plan: Plan, done: tuple[Studied, Path, list[str]], tmp_path: Path
) -> None:
    small = replace(plan, data={"full": plan.data["full"]}, networks=plan.networks[:1], random_folds=0)

    def cut(line: str) -> None:
        if line.startswith("[3/"):
            raise Cut

    with pytest.raises(Cut):
        study(small, tmp_path / "out", False, NOW, cut)
    told: list[str] = []
    study(small, tmp_path / "out", True, NOW, told.append)
    assert [line[:5] for line in told if line.startswith("[")] == ["[3/3]"]
    one, other = (
        {row["path"]: float(row["estimate_years"]) for row in rows(folder) if row["network"] == plan.networks[0]}
        for folder in (tmp_path / "out", done[1])
    )
    assert one == pytest.approx({path: other[path] for path in one}, abs=0.01)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out_of_fold.csv").open() as lines:
        return [row for row in csv.DictReader(lines) if row["data"] == "full"]


def test_within_its_budget_it_reports_what_is_complete(plan: Plan, tmp_path: Path) -> None:
    found = study(replace(plan, budget_min=1e-9), tmp_path / "out", False, NOW, quiet)
    assert found.missing == 2 * (3 + 1) * 2
    assert found.study.trials == () and found.bundle is None
    assert "not done" in study_summary(found, tmp_path / "out")


def test_a_study_is_not_gone_on_with_other_faces(plan: Plan, tmp_path: Path) -> None:
    """One picture fewer, and the answers of the folds would be laid to other faces."""
    manifest = drawn_manifest(tmp_path, animals=6, pictures=2)
    one = replace(plan, data={"full": [manifest]}, networks=plan.networks[:1], budget_min=1e-9)
    study(one, tmp_path / "out", False, NOW, quiet)
    (tmp_path / "3.jpg").write_bytes(b"\xff\xd8\xff cut off")
    with pytest.raises(StudyError, match=r"full '12 faces, .*now '11 faces, "):
        study(one, tmp_path / "out", True, NOW, quiet)


def test_the_bundle_is_of_what_was_chosen_last(plan: Plan, tmp_path: Path) -> None:
    data = {"full": [drawn_manifest(tmp_path, animals=6, pictures=2)]}
    worse = replace(plan, data=data, networks=plan.networks[1:], random_folds=0)
    study(worse, tmp_path / "out", False, NOW, quiet)
    before = read_card(tmp_path / "out" / "bundle")
    found = study(replace(worse, networks=plan.networks), tmp_path / "out", True, NOW, quiet)
    assert found.study.chosen is not None and found.study.chosen.network == plan.networks[0] != before.architecture
    assert read_card(tmp_path / "out" / "bundle").architecture == plan.networks[0]
    assert read_card(tmp_path / "out" / f"bundle-{before.version}") == before


def test_a_folder_with_a_study_is_not_overwritten(plan: Plan, done: tuple[Studied, Path, list[str]]) -> None:
    with pytest.raises(StudyError, match="--resume"):
        study(plan, done[1], False, NOW, quiet)


def test_a_study_under_another_protocol_is_not_mixed_in(plan: Plan, done: tuple[Studied, Path, list[str]]) -> None:
    with pytest.raises(StudyError, match="another study \\(folds 3, now 4\\)"):
        study(replace(plan, folds=4), done[1], True, NOW, quiet)


def test_mistakes_are_told_before_any_work(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no network called resnet19"):
        study(replace(plan, networks=("resnet19",)), tmp_path / "a", False, NOW, quiet)
    with pytest.raises(ManifestError):
        study(replace(plan, data={"gone": [tmp_path / "gone.csv"]}), tmp_path / "b", False, NOW, quiet)
    with pytest.raises(LossError, match="no loss called 'l2'"):
        study(replace(plan, losses=["l2"]), tmp_path / "c", False, NOW, quiet)
    assert list(tmp_path.iterdir()) == []
