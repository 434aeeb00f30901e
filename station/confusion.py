"""What a model's confusion of life stages does to a histogram, and how far it can be undone.  Pure rules.

A model that takes one subadult in three for an adult shows too many adults, however many animals there are.  From
animals that it was not fitted on (`out_of_fold.csv` of its bundle) it is known how often it takes which stage for
which: C[true, told].  The histogram that was told is C' times the true one, up to chance; solving for the true one
corrects it (Buonaccorsi 2010, Measurement Error, ch. 3).  Where few animals made C, or C mixes two stages so much
that solving blows chance up, it is refused, and the reason said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from station.learning import Calibration
from station.species import Species

Numbers = npt.NDArray[np.float64]

LEAST_ANIMALS = 8
"""Of each life stage, in the calibration: with fewer its row of C is chance."""
WORST_CONDITION = 5.0
"""By this factor at most a chance error of the histogram grows when it is corrected."""
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many calibration animals of each life stage (rows) were told as which (columns), youngest first."""

    stages: tuple[str, ...]
    animals: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A histogram as the model told it, and corrected with a 90% interval; or why it was not."""

    told: tuple[int, ...]
    corrected: tuple[float, ...] | None
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    refused: str | None


def confusion(known: Calibration, species: Species) -> Confusion:
    """An animal counts once in each life stage it was photographed in, by the mean of its estimates there."""
    stages = [stage.name for stage in species.life_stages]
    told: dict[tuple[str, str], list[float]] = {}
    for individual, age, estimate in zip(known.individuals, known.ages_years, known.estimates_years, strict=True):
        told.setdefault((str(individual), species.stage(age)), []).append(float(estimate))
    counts = np.zeros((len(stages), len(stages)))
    for (_, true), estimates in told.items():
        counts[stages.index(true), stages.index(species.stage(sum(estimates) / len(estimates)))] += 1
    return Confusion(tuple(stages), tuple(tuple(float(n) for n in row) for row in counts))


def correct(told: Sequence[int], known: Confusion | None, rng: np.random.Generator) -> Corrected:
    """The histogram `told` of K life stages, corrected where that can be done."""
    if reason := _refusal(told, known):
        return Corrected(tuple(told), None, None, None, reason)
    assert known is not None
    counts, histogram = np.array(known.animals), np.array(told, float)
    drawn = np.array([_solved(*_again(counts, histogram, rng)) for _ in range(_DRAWS)])
    low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
    best = _solved(_shares(counts), histogram)
    return Corrected(tuple(told), _tuple(best), _tuple(np.minimum(low, best)), _tuple(np.maximum(high, best)), None)


def _refusal(told: Sequence[int], known: Confusion | None) -> str | None:
    if not sum(told):
        return "no animal has an age of its own from pictures"
    if known is None or not any(any(row) for row in known.animals):
        return "it is not known what the model takes for what: its bundle has no out-of-fold estimates at hand"
    few = [(stage, int(sum(row))) for stage, row in zip(known.stages, known.animals, strict=True)]
    if few := [(stage, n) for stage, n in few if n < LEAST_ANIMALS]:
        listed = ", ".join(f"{n or 'no'} {'was' if n == 1 else 'were'} {stage}" for stage, n in few)
        return f"too few animals were kept to judge the model by: {listed}; {LEAST_ANIMALS} of each are wanted"
    condition = float(np.linalg.cond(_shares(np.array(known.animals))))
    if not condition <= WORST_CONDITION:
        one, other = _most_confused(known)
        return (
            f"the model takes {one} for {other} so often that the correction would blow chance up "
            f"{min(condition, 1e6):,.0f} times; {WORST_CONDITION:g} are allowed"
        )
    return None


def _most_confused(known: Confusion) -> tuple[str, str]:
    shares = _shares(np.array(known.animals))
    np.fill_diagonal(shares, 0)
    true, told = np.unravel_index(int(np.argmax(shares)), shares.shape)
    return known.stages[int(true)], known.stages[int(told)]


def _shares(counts: Numbers) -> Numbers:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9), np.float64)


def _again(counts: Numbers, told: Numbers, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """As it could have come out: other calibration animals, and other animals seen."""
    total = int(told.sum())
    seen = rng.multinomial(total, (told + 0.5) / (total + 0.5 * len(told))).astype(float)
    return np.array([rng.dirichlet(row + 0.5) for row in counts]), seen


def _solved(shares: Numbers, told: Numbers) -> Numbers:
    """The numbers, none below 0 and the same in all, that `shares` turns into `told` best."""
    heavy = 1e3  # the total is kept
    matrix = np.vstack([shares.T, np.full(len(told), heavy)])
    found, _ = nnls(matrix, np.append(told, heavy * told.sum()))
    return np.asarray(found, np.float64)


def _tuple(values: Numbers) -> tuple[float, ...]:
    return tuple(round(float(value), 2) for value in values)
