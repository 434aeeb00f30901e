from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from training import losses
from training.labels import Bins
from training.losses import LOSSES, Loss, LossError, Scale, conditional

BINS = Bins.for_ages(np.array([0.0, 20.0]))
SCALE = Scale.of(BINS, torch.device("cpu"))
AGES = torch.tensor([0.0, 3.2, 11.0, 20.0])


def fitted(loss: Loss, ages: Tensor) -> Tensor:
    """Outputs that a free choice of outputs ends at, B x W."""
    outputs = torch.zeros(len(ages), len(BINS.years) - loss.outputs_less, requires_grad=True)
    descent = torch.optim.Adam([outputs], lr=0.3)
    for _ in range(150):
        descent.zero_grad()
        loss.each(outputs, ages, SCALE).sum().backward()  # type: ignore[no-untyped-call]
        descent.step()
    return outputs.detach()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_leads_to_the_true_age(name: str) -> None:
    loss = LOSSES[name]
    logits = loss.decode(fitted(loss, AGES))
    assert logits.shape == (len(AGES), len(BINS.years))
    assert SCALE.mean(logits).numpy() == pytest.approx(AGES.numpy(), abs=0.6)


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_a_face_does_not_depend_on_the_others(name: str) -> None:
    loss = LOSSES[name]
    outputs = torch.randn(4, len(BINS.years) - loss.outputs_less, generator=torch.Generator().manual_seed(1))
    together = loss.each(outputs, AGES, SCALE)
    alone = torch.cat([loss.each(outputs[k : k + 1], AGES[k : k + 1], SCALE) for k in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_conditional_outputs_become_probabilities() -> None:
    outputs = torch.randn(50, 6, generator=torch.Generator().manual_seed(2)) * 8
    p = conditional(outputs).exp()
    assert torch.allclose(p.sum(dim=1), torch.ones(50), atol=1e-5)
    older = torch.sigmoid(outputs)
    assert torch.allclose(p[:, 2], older[:, 0] * older[:, 1] * (1 - older[:, 2]), atol=1e-5)


def test_the_mean_variance_loss_is_that_of_the_paper_where_sigma_is_two_years() -> None:
    scale = Scale(torch.arange(5.0), sigma_years=2.0)
    logits, age = torch.tensor([[0.0, 1.0, 2.0, 0.5, 0.0]]), torch.tensor([3.0])
    p = logits.softmax(dim=1)[0]
    mean = float(p @ scale.years)
    variance = float(p @ (scale.years - mean) ** 2)
    expected = -float(p[3].log()) + 0.2 * 0.5 * (mean - 3) ** 2 + 0.05 * variance
    assert LOSSES["mean-variance"].each(logits, age, scale).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["mean-variance", "dldl", "dldl-v2", "sord"])
def test_years_are_counted_by_the_species_own_span(name: str) -> None:
    outputs = torch.randn(1, 21, generator=torch.Generator().manual_seed(3))
    long_lived, short_lived = Scale(torch.arange(21.0), 2.0), Scale(torch.arange(21.0) / 4, 0.5)
    loss = LOSSES[name]
    one = loss.each(outputs, torch.tensor([8.0]), long_lived)
    assert torch.allclose(one, loss.each(outputs, torch.tensor([2.0]), short_lived), atol=1e-5)


def test_an_unknown_loss_is_refused_with_those_there_are() -> None:
    with pytest.raises(LossError, match=r"no loss called 'l2'.*dldl-v2"):
        losses.find("l2")
