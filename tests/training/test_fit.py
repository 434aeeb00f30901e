from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from station.bundles import CARD, PROGRAM, BundleError, read_card
from tests.training.drawn import SIZE_PX, drawn_manifest, face
from training.bench import Source
from training.fit import Made, Recipe, fit
from training.manifest import ManifestError
from training.schedule import Schedule
from training.summary import summary

FROZEN = Recipe(species="giant_panda", source=Source(input_px=SIZE_PX), freeze=True, device="cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 14 drawn animals; one more picture cannot be read."""
    folder = tmp_path_factory.mktemp("drawn")
    manifest = drawn_manifest(folder)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff cut off")
    with manifest.open("a", encoding="utf-8") as lines:
        lines.write("bad.jpg,animal-0,4\n")
    return manifest


@pytest.fixture(scope="module")
def made(drawn: Path) -> tuple[Made, Path, list[str]]:
    """What a frozen fit on them gives, its bundle, and what it said on the way."""
    told: list[str] = []
    out = drawn.parent / "bundle"
    return fit([drawn], out, FROZEN, datetime.fromisoformat("2026-06-01T12:00:00+00:00"), told.append), out, told


def test_a_frozen_fit_finds_an_age_that_can_be_seen(made: tuple[Made, Path, list[str]]) -> None:
    metrics = made[0].card.metrics
    assert metrics["mae_years"].value < 0.5 * metrics["median_guess_mae_years"].value


def test_the_bundle_tells_the_age_of_new_faces(made: tuple[Made, Path, list[str]]) -> None:
    card = made[0].card
    program = torch.export.load(made[1] / PROGRAM).module()
    chance = np.random.default_rng(7)
    ages = np.array([4.0, 10.0, 16.0])
    crops = np.stack([face(age, chance).transpose(2, 0, 1) for age in ages])
    probabilities = program(torch.from_numpy(crops))[0].detach().numpy()
    assert probabilities @ np.array(card.bins_years) == pytest.approx(ages, abs=3)


def test_the_card_says_what_the_model_was_made_of(made: tuple[Made, Path, list[str]], drawn: Path) -> None:
    card = read_card(made[1])
    assert card == made[0].card
    assert card.version.startswith("giant_panda-tf_efficientnet_lite0-20260601-")
    assert (card.input_px, card.crop_margin, card.created_at) == (SIZE_PX, 0.0, "2026-06-01T12:00:00+00:00")
    assert (card.training[0].faces, card.training[0].individuals, len(card.individuals)) == (43, 14, 14)
    assert card.interval_quantile is not None and card.tau_years is not None


def test_a_bad_picture_is_reported_and_counted(made: tuple[Made, Path, list[str]]) -> None:
    assert made[0].left_out == 1
    assert "bad.jpg (line 44): truncated" in made[2][0]


def test_the_summary_stands_beside_guessing_and_says_what_is_next(made: tuple[Made, Path, list[str]]) -> None:
    told = summary(made[0], made[1])
    assert "42 faces of 14 individuals (1 pictures could not be used or stood there before)" in told
    assert "median guess" in told and "a measurement and no guarantee" in told
    assert f"station scan FOLDER --camera NAME --model {made[1]}" in told


def test_a_bundle_is_never_overwritten(made: tuple[Made, Path, list[str]], drawn: Path, now: datetime) -> None:
    with pytest.raises(BundleError, match="exists already"):
        fit([drawn], made[1], FROZEN, now, print)


def test_an_interrupted_fit_leaves_nothing_behind(drawn: Path, tmp_path: Path, now: datetime) -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit([drawn], tmp_path / "bundle", FROZEN, now, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_manifest_is_refused_before_anything_is_loaded(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "manifest.csv").write_text("path,individual\n")
    with pytest.raises(ManifestError, match="no rows"):
        fit([tmp_path / "manifest.csv"], tmp_path / "bundle", Recipe(source=Source("none such")), now, print)


def test_the_whole_network_can_be_trained(tmp_path: Path, now: datetime) -> None:
    manifest = drawn_manifest(tmp_path, animals=6, pictures=2)
    recipe = Recipe(source=Source(input_px=SIZE_PX), schedule=Schedule(epochs=1), folds=3, device="cpu")
    made = fit([manifest], tmp_path / "bundle", recipe, now, print)
    assert made.card.interval_quantile is None  # two animals to calibrate on
    assert "it takes 9 individuals to calibrate on" in summary(made, tmp_path / "bundle")
    assert "and there were 2" in summary(made, tmp_path / "bundle")
    assert json.loads((tmp_path / "bundle" / CARD).read_text())["loss"].startswith("dldl-v2, 1 epochs")


def test_real_chimpanzees_can_be_fitted_on(data: Path, tmp_path: Path, now: datetime) -> None:
    recipe = Recipe(species="chimpanzee", source=Source(input_px=SIZE_PX), freeze=True, device="cpu")
    card = fit([data / "chimpanzees" / "manifest.csv"], tmp_path / "bundle", recipe, now, print).card
    assert len(card.individuals) == 7
    assert card.interval_quantile is None
    assert card.metrics["mae_years"].value < card.metrics["median_guess_mae_years"].value + 3
