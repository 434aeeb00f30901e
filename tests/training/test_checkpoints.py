from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training import checkpoints
from training.checkpoints import CheckpointError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "deep" / "a.pt", {"epoch": 3, "weight": torch.ones(2)})
    state = checkpoints.read(tmp_path / "deep" / "a.pt")
    assert state is not None and state["epoch"] == 3 and torch.equal(state["weight"], torch.ones(2))
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.pt"]


def test_none_where_nothing_was_written(tmp_path: Path) -> None:
    assert checkpoints.read(tmp_path / "a.pt") is None


def test_a_damaged_checkpoint_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    checkpoints.write(file, {"weight": torch.ones(2000)})
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"a\.pt cannot be read.*delete it"):
        checkpoints.read(file)
