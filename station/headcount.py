"""How many animals of each life stage and sex were seen, and how sure that is.  Pure rules, numpy.

Three doubts are drawn together, many times over:

*age*: each animal's birth date is known only as probabilities.  The life stages of the others say something about
its own (a reserve of adults makes one more adult likelier than the flat prior of the birth date does), so the shares
of the life stages are drawn with them: p(stage of animal) ~ p(readings | stage) * share, shares ~ Dirichlet(1 + counts)
(a Gibbs sampler; Gelman et al. 2013, Bayesian Data Analysis, ch. 22).  Without it the errors of single animals would
not cancel but add up: every doubtful one leans to the same side.

*the model*: how it answers at an age was learnt from few animals, and where that is off it is off for all alike.

*identity*: an animal that no person confirmed may be a *splinter*, more pictures of another one on the list, which
counts nothing, or a *lump* of two animals, which counts two.  How often that is so is itself known from few cases
only, and alike for all: it is drawn once for the whole list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DRAWS = 1000
SEXES = ("f", "m", "")
"""The last: unknown."""
_BURN_IN = 20
_TAIL = 0.05
_LEAST = 1e-9
_MOST_SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class Range:
    """A number of animals with its 90% interval."""

    likely: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known of the animals that only the machine tells apart, as counts of cases."""

    cases: float = 20.0
    """How many judged cases the confidence in one animal's identity rests on."""
    splinters: float = 0.5
    """Of those that were not one animal of their own: more pictures of another."""
    lumps: float = 0.5
    """And two animals under one name."""


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """N animals on the list."""

    stages: Numbers
    """M x N x K: the probability of each life stage by the animal's own readings alone, in each of M cases of how the
    model may err."""
    prior: Numbers
    """K: the share of each life stage in the prior those probabilities were made with."""
    sex: Integers
    """N: place in `SEXES`."""
    confidence: Numbers
    """N: the probability that all its pictures show one animal, which is nobody else's."""
    events: Integers
    """N: independent sightings; one alone cannot be a lump."""


def headcount(listed: Listed, doubt: Doubt, rng: np.random.Generator, draws: int = DRAWS) -> Integers:
    """How many there are in each of `draws` worlds that fit what was seen: draws x K x 3, by life stage and sex."""
    models, animals, stages = listed.stages.shape
    found = np.zeros((draws, stages, len(SEXES)), np.int64)
    if not animals:
        return found
    count = _identities(listed, doubt, rng, draws)
    for part, chances in zip(np.array_split(np.arange(draws), models), listed.stages, strict=True):
        _walk(chances / np.maximum(listed.prior, _LEAST), count[part], listed.sex, rng, found[part[0] : part[-1] + 1])
    return found


def _walk(
    likelihood: Numbers, count: npt.NDArray[np.int8], sex: Integers, rng: np.random.Generator, found: Integers
) -> None:
    """Fills `found` (draws x K x 3); `count` (draws x N) is how many stand behind each animal."""
    stages = likelihood.shape[1]
    shares = _start(likelihood)
    for number in range(-_BURN_IN, len(count)):
        counts = count[max(number, 0)]
        place = _choice(likelihood * shares, rng)
        alive = counts > 0
        shares = rng.dirichlet(1.0 + np.bincount(place[alive], minlength=stages))
        if number < 0:
            continue
        np.add.at(found[number], (place[alive], sex[alive]), 1)
        seconds = rng.choice(stages, size=int((counts == 2).sum()), p=shares)
        found[number, :, -1] += np.bincount(seconds, minlength=stages)


def _start(likelihood: Numbers) -> Numbers:
    own = likelihood / np.maximum(likelihood.sum(axis=1, keepdims=True), _LEAST)
    return np.asarray(own.mean(axis=0) + 1e-3, np.float64)


def _choice(weights: Numbers, rng: np.random.Generator) -> Integers:
    """One column a row, by weight."""
    reached = np.cumsum(weights, axis=1)
    drawn = rng.random(len(weights)) * reached[:, -1]
    return np.asarray(np.minimum((reached <= drawn[:, None]).sum(axis=1), weights.shape[1] - 1), np.int64)


def _identities(listed: Listed, doubt: Doubt, rng: np.random.Generator, draws: int) -> npt.NDArray[np.int8]:
    """How many animals stand behind each one on the list, 0, 1 or 2: draws x N; never nobody behind all."""
    c = np.clip(listed.confidence, _LEAST, 1 - _LEAST)
    spread = np.minimum(1 / np.sqrt(doubt.cases * c * (1 - c)), _MOST_SPREAD)
    shift = np.log(c / (1 - c)) + rng.standard_normal((draws, 1)) * spread
    whole = rng.random((draws, len(c))) < np.where(listed.confidence >= 1, 1.0, 1 / (1 + np.exp(-shift)))
    share = rng.beta(doubt.splinters, doubt.lumps, (draws, 1))
    splinter = rng.random((draws, len(c))) < np.where(listed.events < 2, 1.0, share)
    count = np.where(whole, 1, np.where(splinter, 0, 2)).astype(np.int8)
    nobody = np.flatnonzero(count.sum(axis=1) == 0)
    count[nobody, int(np.argmax(listed.confidence))] = 1  # a splinter is another's on the list
    return count


def summed(found: Integers) -> Range:
    """Of draws of a number."""
    low, high = interval(found)
    return _held(_whole(found), low, high)


def table(found: Integers) -> list[list[Range]]:
    """Of draws x K x M: the likely numbers are rounded so that they add up to the likely total."""
    mean = found.mean(axis=0)
    rows = _rounded(mean.sum(axis=1), _whole(found))
    likely = [_rounded(cells, total) for cells, total in zip(mean, rows, strict=True)]
    return [[_held(int(n), *interval(found[:, i, j])) for j, n in enumerate(cells)] for i, cells in enumerate(likely)]


def _whole(found: Integers) -> int:
    """The mean of what draws have in all, as a whole number."""
    return round(int(found.sum()) / len(found))


def _held(likely: int, low: int, high: int) -> Range:
    return Range(likely, min(low, likely), max(high, likely))


def _rounded(values: Numbers, total: int) -> list[int]:
    """Integers near the values that add up to the total (largest remainders)."""
    whole = np.floor(values + _LEAST).astype(int)
    order = np.argsort(-(values - whole), kind="stable")
    for place in order[: max(0, total - int(whole.sum()))]:
        whole[place] += 1
    return [int(n) for n in whole]


def interval(found: Integers) -> tuple[int, int]:
    """The central 90% of draws of a number, with half of each end's own probability counted to the tail (mid-p).

    Whole numbers cannot be cut at 5%: without the half, intervals would hold more than they say.
    """
    share = np.bincount(found) / len(found)
    below = np.cumsum(share) - share / 2
    inside = np.flatnonzero((below >= _TAIL) & (below <= 1 - _TAIL) & (share > 0))
    if not len(inside):
        return (int(np.argmax(share)),) * 2
    return int(inside[0]), int(inside[-1])
