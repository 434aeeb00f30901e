from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from station.bundles import GOLDEN, PROGRAM, WEIGHTS, BundleError
from tests.bare import run_without
from training import export, networks
from training.calibrate import moments
from training.export import AgeProgram
from training.head import Head
from training.labels import Bins
from training.losses import Decode, as_they_are, conditional

SIZE_PX = 64


def source(temperature: float = 1.0, decode: Decode = as_they_are, flip: bool = False) -> AgeProgram:
    backbone = networks.build("tf_efficientnet_lite0", input_px=SIZE_PX)
    chance = torch.Generator().manual_seed(0)
    outputs = 6 if decode is conditional else 7
    weight = torch.randn(outputs, backbone.width(), generator=chance) / 10
    head = Head(weight, torch.zeros(outputs), torch.linspace(-1, 1, 7), decode)
    return AgeProgram(backbone, head, temperature, flip).eval()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported program, its golden outputs and its weights."""
    folder = tmp_path_factory.mktemp("exported")
    export.write(folder, source(), faces(8))
    return folder


def faces(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(count).integers(0, 256, (count, 3, SIZE_PX, SIZE_PX), dtype=np.uint8)


@pytest.mark.parametrize("batch", [1, 2, 5, 70])
def test_the_exported_program_says_what_its_source_says(written: Path, batch: int) -> None:
    exported = torch.export.load(written / PROGRAM).module()
    program = source()
    pictures = torch.from_numpy(faces(batch))
    with torch.inference_mode():
        for got, want in zip(exported(pictures), program(pictures), strict=True):
            assert got.dtype == torch.float32
            assert torch.allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("decode", [as_they_are, conditional])
def test_the_program_calibrates_as_the_calibration_does(decode: Decode, tmp_path: Path) -> None:
    program, pictures = source(1.7, decode), faces(4)
    export.write(tmp_path, source(1.7, decode), pictures)
    head = Head(program.head.weight.detach(), program.head.bias.detach(), program.log_prior, decode)
    with torch.inference_mode():
        shipped = torch.export.load(tmp_path / PROGRAM).module()(torch.from_numpy(pictures))[0]
        seen = program.backbone(program.backbone.normalised(torch.from_numpy(pictures)))
    said = head.says(seen, np.zeros(4), np.array(list("abcd")))
    bins = Bins(np.arange(7.0), 1.0)
    assert shipped.numpy() @ bins.years == pytest.approx(moments(said, 1.7, bins)[0], abs=1e-3)


def test_a_program_that_looks_twice_does_not_mind_the_mirror(tmp_path: Path) -> None:
    export.write(tmp_path, source(flip=True), faces(3))
    program = torch.export.load(tmp_path / PROGRAM).module()
    pictures = torch.from_numpy(faces(3))
    with torch.inference_mode():
        assert torch.allclose(program(pictures)[0], program(pictures.flip(3))[0], atol=1e-4)


def test_it_runs_where_torchvision_and_timm_are_missing(written: Path) -> None:
    code = f"""
import numpy, torch
golden = numpy.load({str(written / GOLDEN)!r})
program = torch.export.load({str(written / PROGRAM)!r}).module()
ages, embedding = program(torch.from_numpy(golden["inputs"]))
assert numpy.allclose(ages.detach(), golden["probabilities"], atol=1e-4)
assert numpy.allclose(embedding.detach(), golden["embedding"], atol=1e-3)
"""
    done = run_without(("torchvision", "timm"), code)
    assert done.returncode == 0, done.stderr


def test_probabilities_sum_to_one_and_the_embedding_is_the_backbones(written: Path) -> None:
    with np.load(written / GOLDEN) as golden:
        assert golden["probabilities"].sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
        assert golden["embedding"].shape == (8, 1280)


def test_a_picture_of_another_size_is_refused(written: Path) -> None:
    program = torch.export.load(written / PROGRAM).module()
    with pytest.raises(AssertionError):
        program(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_further_training_can_start_from_the_weights(written: Path) -> None:
    again = networks.build("tf_efficientnet_lite0", str(written / WEIGHTS))
    assert torch.equal(next(again.parameters()), next(networks.build("tf_efficientnet_lite0").parameters()))


def test_a_program_that_does_not_reproduce_its_source_is_refused(written: Path, tmp_path: Path) -> None:
    (tmp_path / PROGRAM).write_bytes((written / PROGRAM).read_bytes())
    with np.load(written / GOLDEN) as golden:
        np.savez(tmp_path / GOLDEN, **{**golden, "probabilities": golden["probabilities"] + 0.01})
    with pytest.raises(BundleError, match="differs from its source"):
        export.check(tmp_path)
