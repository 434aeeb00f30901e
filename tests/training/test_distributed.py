"""Two processes on the CPU, as `torchrun` starts them, beside one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from station.bundles import GOLDEN, PROGRAM, read_card
from tests.bare import ROOT
from tests.training.drawn import SIZE_PX, drawn_manifest

OPTIONS = ["--epochs", "2", "--batch", "6", "--augmentation", "none", "--input-px", str(SIZE_PX), "--device", "cpu"]


def fitted(start: list[str], manifest: Path, out: Path) -> Path:
    command = [sys.executable, "-m", *start, "fit", str(manifest), "--out", str(out), *OPTIONS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of one process, and of two."""
    folder = tmp_path_factory.mktemp("crews")
    manifest = drawn_manifest(folder, animals=6, pictures=3)
    two = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training"]
    return fitted(["training"], manifest, folder / "one"), fitted(two, manifest, folder / "two")


def test_two_processes_train_what_one_does(bundles: tuple[Path, Path]) -> None:
    one, two = (torch.export.load(bundle / PROGRAM).module() for bundle in bundles)
    with np.load(bundles[0] / GOLDEN) as golden, torch.inference_mode():
        faces = torch.from_numpy(golden["inputs"])
        years = torch.tensor(read_card(bundles[0]).bins_years)
        differences = (one(faces)[0] - two(faces)[0]) @ years
    assert differences.abs().max() < 0.05


def test_only_one_of_them_writes(bundles: tuple[Path, Path]) -> None:
    one, two = (read_card(bundle) for bundle in bundles)
    assert one.individuals == two.individuals
    assert one.metrics["mae_years"].value == pytest.approx(two.metrics["mae_years"].value, abs=0.05)
    assert sorted(file.name for file in bundles[0].iterdir()) == sorted(file.name for file in bundles[1].iterdir())
