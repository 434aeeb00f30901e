from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.training.drawn import SIZE_PX, drawn_manifest
from training.audit import LeakError, audit
from training.bench import Source
from training.fit import Recipe, fit
from training.manifest import ManifestError
from training.summary import audit_summary

RECIPE = Recipe(species="giant_panda", source=Source(input_px=SIZE_PX), freeze=True, device="cpu")


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn animals, a bundle fitted on them, and other animals that look like them."""
    folder = tmp_path_factory.mktemp("audit")
    fit([drawn_manifest(folder)], folder / "bundle", RECIPE, datetime.fromisoformat("2026-06-01T12:00Z"), quiet)
    (folder / "others").mkdir()
    others = drawn_manifest(folder / "others", animals=6, seed=9)
    others.write_text(others.read_text().replace("animal-", "stranger-"))
    return folder


def test_a_bundle_is_measured_on_animals_it_does_not_know(folder: Path) -> None:
    found = audit(folder / "bundle", [folder / "others" / "manifest.csv"], "cpu", False, quiet)
    assert found.figures["mae_years"].value < found.figures["median_guess_mae_years"].value / 2
    assert 0.5 < found.figures["interval_coverage"].value <= 1
    assert found.known == ()
    told = audit_summary(found)
    assert "18 of 6 individuals (0 left out)" in told
    assert "flatter" not in told


def test_it_is_not_judged_by_animals_it_was_fitted_on(folder: Path) -> None:
    with pytest.raises(LeakError, match=r"was fitted on animal-0, animal-1, .* and 9 more.*--even-if-known"):
        audit(folder / "bundle", [folder / "manifest.csv"], "cpu", False, quiet)


def test_unless_somebody_says_so_and_then_the_figures_say_it_too(folder: Path) -> None:
    found = audit(folder / "bundle", [folder / "manifest.csv"], "cpu", True, quiet)
    assert len(found.known) == 14
    assert "the figures flatter it" in audit_summary(found)


def test_faces_without_ages_are_refused(folder: Path) -> None:
    bare = folder / "others" / "bare.csv"
    bare.write_text("path,individual\n0.jpg,stranger-0\n")
    with pytest.raises(ManifestError, match="no age"):
        audit(folder / "bundle", [bare], "cpu", False, quiet)
