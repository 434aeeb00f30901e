"""From drawn frames to a bundle, whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from station.bundles import BundleError, read_card
from station.finder_card import FinderCard, read_finder_card
from station.pictures import save_jpeg
from tests.training import framed
from training.__main__ import main
from training.finder.network import MOST_FACES


@dataclass(frozen=True)
class Fitted:
    folder: Path
    card: FinderCard


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("finder")
    manifest = framed.manifest(folder / "frames")
    empty = folder / "empty"
    empty.mkdir()
    (empty / "x.jpg").write_bytes(save_jpeg(framed.frame(99, 0)[0]))
    out = folder / "bundle"
    status = main(
        ["finder", str(manifest), "--without", str(empty), "--fold-column", "fold", "--weights", "none",
         "--view-px", "64", "--scenes", "48", "--epochs", "1", "--unfrozen-epochs", "1", "--device", "cpu",
         "--out", str(out)]
    )  # fmt: skip
    assert status == 0
    return Fitted(out, read_finder_card(out))


def test_the_program_gives_its_golden_outputs(fitted: Fitted) -> None:
    program = torch.export.load(fitted.folder / "program.pt2").module()
    with np.load(fitted.folder / "golden.npz") as golden:
        boxes, scores = program(torch.from_numpy(golden["inputs"]))
        assert boxes.shape == (len(golden["inputs"]), MOST_FACES, 4)
        assert np.allclose(scores.detach().numpy(), golden["scores"], atol=1e-3)


def test_the_card_tells_what_it_was_fitted_on_and_how_good_it_is(fitted: Fitted) -> None:
    assert [(data.frames, data.faces) for data in fitted.card.training] == [(8, 6), (1, 0)]
    assert {"ap50", "ap75", "recall_at_0_1", "recall", "precision"} <= set(fitted.card.metrics)
    assert fitted.card.input_px == 64
    assert 0 < fitted.card.threshold < 1


def test_people_find_the_figures_and_the_misses(fitted: Fitted) -> None:
    assert "9 frames (6 faces; 3 frames without one)" in (fitted.folder / "MODEL_CARD.md").read_text()
    assert "data:image/jpeg;base64" in (fitted.folder / "misses.html").read_text()


def test_a_bundle_is_never_overwritten(fitted: Fitted, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = framed.manifest(fitted.folder.parent / "again")
    assert main(["finder", str(manifest), "--out", str(fitted.folder)]) == 2
    assert "a bundle is never changed" in capsys.readouterr().err


def test_a_finders_bundle_is_no_age_model(fitted: Fitted) -> None:
    with pytest.raises(BundleError, match="the bundle of a finder"):
        read_card(fitted.folder)
