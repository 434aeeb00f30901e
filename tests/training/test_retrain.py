"""The whole of `training retrain`, on a station with a real ledger and real (drawn) pictures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from station import models
from station.ages import Ages
from station.bundles import read_card
from station.simulate import reserve
from tests.bare import ROOT
from tests.station.test_flow import until
from tests.training.confirmed import QUICK, SIZE_PX, Camp, noon
from training import manifest
from training.__main__ import main
from training.identity import identity
from training.retraining.base import LABELS, RetrainingError
from training.retraining.carried import carried
from training.retraining.jury import in_holdout
from training.retraining.retrain import Outcome, Retraining
from training.retraining.verdict import FOR_PEOPLE, GATE

START = date(2026, 1, 1)
END = START + timedelta(days=60)
NOW = noon(END)
ANIMALS = reserve(3, 24, START, youngest_years=1, oldest_years=20).animals
ASKED: dict[str, Any] = {
    "holdout": 0.4,
    "holdout_days": 30,
    "least_faces": 10,
    "least_judges": 4,
    "shadow_faces": 10,
    "folds": 3,
    "weights": "none",
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Camp:
    """Two months of a station whose first model knows ten animals; people know when fourteen others were born."""
    camp = Camp(tmp_path_factory.mktemp("camp"))
    camp.found(ANIMALS[:10], START, 3, QUICK, **ASKED)
    rng = np.random.default_rng(0)
    camp.see(ANIMALS[10:], [START + timedelta(days=k) for k in (5, 15, 25, 40, 50)], rng)
    camp.look(NOW)
    camp.hear({animal.name: animal.born_on for animal in ANIMALS[10:]}, NOW)
    return camp


@pytest.fixture
def camp(settled: Camp, tmp_path: Path) -> Camp:
    """A copy, to be changed; the pictures stay where they are."""
    shutil.copytree(settled.folder, tmp_path / "camp", symlinks=True, ignore=shutil.ignore_patterns("ridge"))
    (tmp_path / "camp" / "ridge").mkdir()
    return Camp(tmp_path / "camp")


@pytest.fixture(scope="module")
def done(settled: Camp, tmp_path_factory: pytest.TempPathFactory) -> tuple[Camp, Outcome]:
    """The same after a retraining."""
    folder = tmp_path_factory.mktemp("done") / "camp"
    shutil.copytree(settled.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("ridge"))
    (folder / "ridge").mkdir()
    camp = Camp(folder)
    return camp, Retraining(camp.settings, NOW, lambda _: None).run()


def asking(camp: Camp, old: str, new: str) -> None:
    """Another value in the configuration."""
    text = camp.config.read_text()
    assert old in text
    camp.config.write_text(text.replace(old, new))


def files(camp: Camp) -> list[Path]:
    """All but those that SQLite keeps beside an open database."""
    return sorted(path for path in camp.folder.rglob("*") if path.suffix not in (".db-shm", ".db-wal"))


def test_a_dry_run_says_what_there_is_and_changes_nothing(settled: Camp, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(settled)
    assert main(["retrain", "--config", str(settled.config), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "Labels: 70 faces of 14 individuals of known birth date" in told
    assert "30 faces of 1 base manifests" in told
    assert files(settled) == before


def test_impossible_labels_stand_in_the_dry_run_with_their_reason(camp: Camp) -> None:
    camp.hear({ANIMALS[10].name: START + timedelta(days=30)}, NOW)
    told = Retraining(camp.settings, NOW, lambda _: None).plan().told()
    assert "refused: 3 x the picture is older than the animal: the birth date or the camera's clock is wrong" in told
    assert f"({ANIMALS[10].name})" in told


def test_too_few_new_labels_are_no_reason_to_train(camp: Camp) -> None:
    asking(camp, "least_faces = 10", "least_faces = 1000")
    outcome = Retraining(camp.settings, NOW, lambda _: None).run()
    assert outcome.message.startswith("no training: too few new labels: ")
    assert models.in_service(camp.settings).name == "first"


def test_too_few_judges_are_no_reason_to_train(camp: Camp) -> None:
    asking(camp, "least_judges = 4", "least_judges = 30")
    assert "too few animals to judge by" in Retraining(camp.settings, NOW, lambda _: None).run().message


def test_a_base_manifest_that_is_not_the_cards_is_refused(camp: Camp) -> None:
    with (camp.folder / "base" / "manifest.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(RetrainingError, match=r"is not what the bundle .* was fitted on: its card names base/manifest"):
        Retraining(camp.settings, NOW, lambda _: None).plan()


def test_a_base_manifest_that_nobody_named_is_asked_for(camp: Camp) -> None:
    asking(camp, 'base = ["base/manifest.csv"]', "base = []")
    with pytest.raises(RetrainingError, match="say where that lies, in"):
        Retraining(camp.settings, NOW, lambda _: None).plan()


def test_the_challenger_lies_beside_with_its_verdict(done: tuple[Camp, Outcome]) -> None:
    camp, outcome = done
    assert outcome.bundle is not None
    said = json.loads((outcome.bundle / GATE).read_text())
    assert said["passed"] is outcome.passed
    assert {rule["name"] for rule in said["rules"]} >= {"better", "not worse", "coverage", "speed", "golden outputs"}
    assert said["shadow"]["faces"] == 10
    assert (outcome.bundle / FOR_PEOPLE).read_text().startswith("# Passed" if outcome.passed else "# Refused")
    assert models.in_service(camp.settings).name == (outcome.bundle.name if outcome.promoted else "first")
    assert outcome.promoted is outcome.passed


def test_it_was_fitted_on_the_base_and_on_nobody_of_the_holdout(done: tuple[Camp, Outcome]) -> None:
    camp, outcome = done
    assert outcome.bundle is not None
    card, first = read_card(outcome.bundle), read_card(camp.folder / "models" / "first")
    assert first.training[0] in card.training
    assert set(first.individuals) < set(card.individuals)
    strangers = set(card.individuals) - set(first.individuals)
    assert strangers and not {name for name in strangers if in_holdout(name, 0.4)}
    assert {row.individual for row in manifest.read([outcome.bundle / LABELS])[0].rows} == strangers


def test_nothing_is_left_of_the_work(done: tuple[Camp, Outcome]) -> None:
    left = [path.name for path in (done[0].folder / "models").iterdir() if path.name.startswith(".")]
    assert [name for name in left if name.startswith(".retrained")] == []
    assert [path.name for path in (done[0].folder / "models" / ".retraining").iterdir()] == ["lock"]


def test_the_same_labels_are_not_tried_twice(done: tuple[Camp, Outcome]) -> None:
    """Refused: nothing has changed since.  Promoted: the model in service knows them all."""
    again = Retraining(done[0].settings, NOW, lambda _: None).run()
    assert again.bundle is None
    assert again.message.startswith("no training: ")


def test_one_retraining_at_a_time(camp: Camp) -> None:
    work = Retraining(camp.settings, NOW, lambda _: None)
    with work.desk.taken(), pytest.raises(RetrainingError, match="under way already"):
        work.run()


CHILD = """
import sys
from datetime import datetime
from pathlib import Path
from station import settings
from training.retraining.retrain import Retraining
now = datetime.fromisoformat(sys.argv[2])
print(Retraining(settings.load(Path(sys.argv[1])), now, lambda text: print(text, file=sys.stderr)).run().message)
"""
"""The command but for its clock."""


@contextmanager
def running(camp: Camp, errors: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHILD, str(camp.config), NOW.isoformat()]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (
        errors.open("w") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=env, cwd=ROOT) as child,
    ):
        yield child
        child.kill()


def test_a_retraining_that_was_killed_goes_on_from_its_checkpoint(camp: Camp, tmp_path: Path) -> None:
    asking(camp, "folds = 3", 'folds = 3\nbackbone = "trained"\nepochs = 4')
    desk = Retraining(camp.settings, NOW, lambda _: None).desk
    with running(camp, tmp_path / "first.err") as child:
        until(lambda: desk.checkpoint.is_file() or child.poll() is not None, limit_s=60)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert desk.checkpoint.is_file() and desk.unfinished() is not None, (tmp_path / "first.err").read_text()
    with running(camp, tmp_path / "second.err") as child:
        message = child.communicate()[0]
    told = (tmp_path / "second.err").read_text()
    assert child.returncode == 0, told
    assert "going on with the retraining of" in told
    assert "giant_panda-test_efficientnet" in message.splitlines()[-1]
    assert [path.name for path in desk.folder.iterdir()] == ["lock"]
    assert not list((camp.folder / "models").glob(".retrained-*"))


def test_a_new_head_goes_on_telling_individuals_apart_as_the_model_before_it(camp: Camp, tmp_path: Path) -> None:
    """Only the head is new: vectors of both are the same, and the gallery need not be made anew."""
    ages, base = camp.folder / "models" / "first", camp.folder / "base" / "manifest.csv"
    known = tmp_path / "known"
    identity([base], ages, known, "cpu", 0, NOW, lambda _: None)
    challenger = tmp_path / "challenger"
    shutil.copytree(ages, challenger)
    card, why = carried(challenger, read_card(challenger), known, read_card(known))
    assert why == "" and card.identity == read_card(known).identity
    crops = np.random.default_rng(0).integers(0, 256, (3, 3, SIZE_PX, SIZE_PX), dtype=np.uint8)
    one, other = Ages(known, "cpu").run(crops)[1], Ages(challenger, "cpu").run(crops)[1]
    assert np.allclose(one, other, atol=1e-4)


def test_a_margin_for_a_stage_that_there_is_not_is_refused(camp: Camp) -> None:
    asking(camp, "folds = 3", "folds = 3\nstage_margins_years = { cubs = 0.5 }")
    with pytest.raises(RetrainingError, match="names 'cubs': the life stages are cub, subadult, adult, old"):
        Retraining(camp.settings, NOW, lambda _: None).plan()
