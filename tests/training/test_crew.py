from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from training.crew import Crew, gathered


@given(st.integers(1, 5), st.integers(1, 23))
def test_shares_weigh_every_row_once_and_are_equally_long(size: int, count: int) -> None:
    rows = torch.arange(100, 100 + count)
    shares = [Crew(rank, size).share(rows) for rank in range(size)]
    assert len({len(part) for part, _ in shares}) == 1
    summed = torch.zeros(200)
    for part, weights in shares:
        summed.index_add_(0, part, weights / size)
    assert torch.allclose(summed[100 : 100 + count], torch.full((count,), 1 / count))
    assert torch.isclose(summed.sum(), torch.tensor(1.0))


def test_a_process_alone_is_a_crew_of_one() -> None:
    with gathered() as crew:
        assert crew.leads and crew.size == 1
        rows, weights = crew.share(torch.tensor([3, 1, 2]))
    assert rows.tolist() == [3, 1, 2]
    assert torch.allclose(weights.sum(), torch.tensor(1.0))
