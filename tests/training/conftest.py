"""What the tests of the training share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On shared cores, threads of small sums wait for each other."""
    torch.set_num_threads(1)
