"""The softmax age head on frozen features: a convex problem with one answer, approached in 60 steps of L-BFGS.

Loss: cross-entropy with soft age labels, averaged over faces, plus `strength` times the squared weights.  The
weights act on standardised features; the standardisation is folded into the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from training import folds
from training.calibrate import Unseen, joined, moments, temperature
from training.folds import Indices, Names, Numbers
from training.labels import Bins
from training.losses import Decode, as_they_are

STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003)
"""Falling: each fit starts where the one before ended, closer than from nothing."""
_USUAL = 0.01
_INNER_FOLDS = 3
_STEPS = 60
TICKS = _INNER_FOLDS + 1
"""How many pieces of work one `fit` tells of."""


class Tick(Protocol):
    """What is told that one piece of work is done."""

    def __call__(self, n: float | None = ..., /) -> object:
        """`n` pieces."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """`logits = decode(features @ weight.T + bias)`, over K age bins; weight W x E, bias W.

    `log_prior`, K: the logarithm of the shares of the ages among the faces it was fitted on.
    """

    weight: Tensor
    bias: Tensor
    log_prior: Tensor
    decode: Decode = as_they_are

    def says(self, features: Tensor, ages_years: Numbers, individuals: Names) -> Unseen:
        """Of faces it was not fitted on, features N x E."""
        logits = self.decode(features @ self.weight.T + self.bias).double().numpy()
        return Unseen(logits, np.tile(self.log_prior.double().numpy(), (len(logits), 1)), ages_years, individuals)


def log_prior(labels: Tensor) -> Tensor:
    """The logarithm of the mean, K, of soft labels N x K; ages that never occur get a millionth."""
    return labels.mean(dim=0).clamp(min=1e-6).log()


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """N labelled faces as features, N x E each."""

    fitted: Tensor
    """What the head is fitted on: the mean of a face and its mirror image."""
    served: Tensor
    """What it will be given in service: the face as it is."""
    ages_years: Numbers
    individuals: Names

    def take(self, rows: Indices) -> Examples:
        """Some of them."""
        chosen = torch.from_numpy(rows)
        return Examples(self.fitted[chosen], self.served[chosen], self.ages_years[rows], self.individuals[rows])


def fit(examples: Examples, bins: Bins, seed: int, tick: Tick) -> tuple[Head, float]:
    """The head, and the strength that an inner subject-exclusive cross-validation chose for it."""
    with _one_thread():
        strength = _chosen_strength(examples, bins, seed, tick)
        *_, head = _path(examples, bins, [s for s in STRENGTHS if s >= strength])
    tick(1)
    return head, strength


@contextmanager
def _one_thread() -> Iterator[None]:
    """The steps are small: more threads gained a fifth on a free machine and lost tenfold on a busy one (seen once)."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _chosen_strength(examples: Examples, bins: Bins, seed: int, tick: Tick) -> float:
    """The strength with the least absolute error on animals left out, calibrated as it will be in service."""
    if len(np.unique(examples.individuals)) < 2:
        tick(_INNER_FOLDS)
        return _USUAL
    said: list[list[Unseen]] = []
    splits = folds.subject_exclusive(examples.individuals, examples.ages_years, _INNER_FOLDS, seed)
    for split in splits:
        test = examples.take(split.test)
        heads = _path(examples.take(split.train), bins, STRENGTHS)
        said.append([head.says(test.served, test.ages_years, test.individuals) for head in heads])
        tick(1)
    tick(_INNER_FOLDS - len(splits))
    errors = [_calibrated_error(joined(parts), bins) for parts in zip(*said, strict=True)]
    return STRENGTHS[int(np.argmin(errors))]


def _calibrated_error(unseen: Unseen, bins: Bins) -> float:
    estimates, _ = moments(unseen, temperature(unseen, bins), bins)
    return float(np.abs(estimates - unseen.ages_years).mean())


def _path(examples: Examples, bins: Bins, strengths: Sequence[float]) -> Iterator[Head]:
    """The heads for falling strengths.

    The answer lies in the span of the faces, so it is sought in their principal axes: at most N unknowns a bin.
    """
    mean, sd = examples.fitted.mean(0), examples.fitted.std(0, correction=0) + 1e-3
    standard = (examples.fitted - mean) / sd
    _, size, axes = torch.linalg.svd(standard, full_matrices=False)
    axes = axes[size > 1e-4 * size[0].clamp(min=1e-12)].T
    labels = torch.from_numpy(bins.labels(examples.ages_years))
    weight = torch.zeros(axes.shape[1], labels.shape[1])
    prior = bias = log_prior(labels)
    for strength in strengths:
        weight, bias = _descend(standard @ axes, labels, strength, weight, bias)
        unfolded = (axes @ weight).T / sd
        yield Head(unfolded, bias - unfolded @ mean, prior)


def _descend(inputs: Tensor, labels: Tensor, strength: float, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Full-batch L-BFGS from `weight` and `bias`; inputs N x R, labels N x K, weight R x K, bias K."""
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    descent = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> float:
        descent.zero_grad()
        log_p = torch.log_softmax(inputs @ weight + bias, dim=1)
        value = -(labels * log_p).sum(dim=1).mean() + strength * weight.square().sum()
        torch.autograd.backward(value)
        return float(value.detach())

    descent.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
