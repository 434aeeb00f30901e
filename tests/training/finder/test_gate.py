"""The species gate: a panda's face passes, another animal's does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from station.bundles import GOLDEN
from station.domain import WHOLE, Pixels
from station.finder_card import GATE
from station.pictures import Picture, save_jpeg
from tests.conftest import DATA
from training.finder import export, gate
from training.finder.gate import Asking, GateProgram

NOTHING = np.empty((0, 3, 1, 1), np.uint8)


@pytest.fixture(scope="module")
def pandas() -> tuple[GateProgram, int]:
    made = gate.gate_for("giant_panda")
    assert made is not None
    return made


def faces(folder: str, count: int, side: int) -> Pixels:
    """Of the shared pictures; the test is skipped where they are missing."""
    files = sorted((DATA / folder / "images").glob("*"))
    if not files:
        pytest.skip(f"{DATA / folder} is missing")
    some = files[:: len(files) // count][:count]
    return np.concatenate([Picture(file.read_bytes()).crops([WHOLE], side) for file in some])


def test_pandas_pass_and_chimpanzees_do_not(pandas: tuple[GateProgram, int]) -> None:
    program, side = pandas
    least = gate.least_of(np.ones(1, np.float32))
    assert gate.sureness(program, faces("panda_faces", 6, side)).min() >= least
    assert gate.sureness(program, faces("chimpanzees", 6, side)).max() < least


def test_a_species_that_imagenet_does_not_know_has_no_gate() -> None:
    assert gate.gate_for("snow_vole") is None


@pytest.mark.parametrize(("known", "least"), [(0.9, 0.1), (0.05, 0.05)])
def test_the_limit_lets_known_faces_pass_and_asks_little_of_others(known: float, least: float) -> None:
    assert gate.least_of(np.full(50, known, np.float32)) == pytest.approx(least)


def test_the_gate_travels_as_a_program_for_any_number_of_faces(pandas: tuple[GateProgram, int], tmp_path: Path) -> None:
    program, side = pandas
    crops = np.zeros((2, 3, side, side), np.uint8)
    np.savez(tmp_path / GOLDEN, inputs=crops)
    export.write_gate(tmp_path, program, crops)
    again = torch.export.load(tmp_path / GATE).module()
    assert again(torch.zeros(5, 3, side, side, dtype=torch.uint8)).shape == (5,)
    with np.load(tmp_path / GOLDEN) as golden:
        assert set(golden.files) == {"inputs", "gate_inputs", "gate"}


def test_of_found_boxes_those_of_another_species_are_left_out(pandas: tuple[GateProgram, int]) -> None:
    grey = Picture(save_jpeg(np.full((64, 64, 3), 127, np.uint8)))
    boxes, scores = np.array([[0.1, 0.1, 0.5, 0.5]], np.float32), np.array([0.9], np.float32)
    kept, _ = Asking(*pandas, 0.1, NOTHING).left(grey, boxes, scores)
    assert len(kept) == 0
    kept, sure = Asking(*pandas, 0.0, NOTHING).left(grey, boxes, scores)
    assert sure.tolist() == pytest.approx([0.9])
