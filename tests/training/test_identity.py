"""`training identity`: from labelled faces and an age bundle to one that knows individuals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from station.ages import Ages
from station.bundles import GOLDEN, PROGRAM, BundleError, read_card
from station.pictures import save_jpeg
from tests.tiny import identity as tiny_identity
from tests.tiny import tiny_bundle
from training.__main__ import main
from training.export import AgeProgram, save_program
from training.head import Head
from training.networks import build
from training.taps import tapped

COLOURS = ((150, 60, 60), (60, 150, 60), (60, 60, 150), (140, 140, 40), (40, 140, 140), (140, 40, 140))


def manifest_of_colours(folder: Path, animals: int = 9, pictures: int = 5) -> Path:
    """Each animal has a colour of its own, in changing light."""
    chance = np.random.default_rng(0)
    lines = ["path,individual"]
    for animal in range(animals):
        colour = np.roll(COLOURS[animal % len(COLOURS)], animal // len(COLOURS)) + chance.integers(-15, 16, 3)
        for number in range(pictures):
            noise = chance.integers(-20, 21, (64, 64, 3))
            picture = np.clip(colour * chance.uniform(0.6, 1.4) + noise, 0, 255).astype(np.uint8)
            (folder / f"{animal}-{number}.jpg").write_bytes(save_jpeg(picture))
            lines.append(f"{animal}-{number}.jpg,animal-{animal}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def ages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "ages")


def run(manifest: Path, ages: Path, out: Path) -> int:
    return main(["identity", str(manifest), "--bundle", str(ages), "--out", str(out), "--device", "cpu"])


def test_an_identity_part_is_added_and_the_ages_stay_to_the_last_bit(
    tmp_path: Path, ages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(manifest_of_colours(tmp_path), ages, out) == 0
    before, after = Ages(ages, "cpu"), Ages(out, "cpu")
    with np.load(ages / GOLDEN) as golden:
        crops = golden["inputs"]
    assert (before.run(crops)[0] == after.run(crops)[0]).all()
    part = after.card.identity
    assert part is not None
    assert np.allclose(np.linalg.norm(after.run(crops)[1], axis=1), 1, atol=1e-5)
    assert after.run(crops)[1].shape == (len(crops), part.size)
    assert len(part.individuals) == 9
    assert part.metrics["map"].value > 0.5
    assert after.card.version != before.card.version
    said = capsys.readouterr().out
    assert "mean average precision" in said
    assert "new animals called new or unsure" in said


def test_the_same_seed_gives_the_same_embedding(tmp_path: Path, ages: Path) -> None:
    manifest = manifest_of_colours(tmp_path)
    for name in ("one", "two"):
        run(manifest, ages, tmp_path / name)
    assert read_card(tmp_path / "one").identity == read_card(tmp_path / "two").identity


def test_too_few_individuals_are_refused_in_words(
    tmp_path: Path, ages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest_of_colours(tmp_path, animals=4), ages, tmp_path / "out") == 2
    assert "show 4 individuals on at least 2 pictures: at least 8 are needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bundle_with_an_identity_part_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tiny_bundle(tmp_path / "there", identity=tiny_identity())
    assert run(manifest_of_colours(tmp_path), there, tmp_path / "out") == 2
    assert "has an identity part already" in capsys.readouterr().err


def test_a_bundle_whose_embedding_is_not_what_it_must_be_is_refused(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", identity=tiny_identity())
    with np.load(bundle / GOLDEN) as golden:
        held = dict(golden)
    held["embedding"] = -held["embedding"]
    np.savez(bundle / GOLDEN, **held)
    with pytest.raises(BundleError, match="an embedding has a similarity of -1"):
        Ages(bundle, "cpu")


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "repvgg_a0", "vgg11_bn"])
def test_the_stages_of_any_network_are_in_view(tmp_path: Path, name: str) -> None:
    backbone = build(name, "none", 64).eval()
    width = backbone.width()
    head = Head(torch.zeros(5, width), torch.zeros(5), torch.zeros(5))
    program = AgeProgram(backbone.served(), head)
    save_program(program, tmp_path / PROGRAM, 64)
    seen = tapped(tmp_path)
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        ages, features = seen(pictures)
        assert torch.equal(ages, program(pictures)[0])
    widths = seen.widths(pictures)
    assert features.shape == (3, sum(widths))
    assert widths[-1] == width
    assert len(widths) >= 3
