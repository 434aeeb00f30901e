"""Known, new or unsure: how the decision of `station.individuals` is calibrated, and how well it does.

Every face of a trial is asked about twice: with its individual among the known (its own clip left out), where the
right answer is its name, and without it, where the right answer is that it is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from station.bundles import Figure, Identity
from station.domain import Verdict
from station.individuals import Likeness, decide, similarity
from training.calibrate import animal_weights
from training.draws import Draws
from training.folds import Names, Numbers
from training.retrieval import Trial

NAMED_WRONGLY = 0.1
"""At the calibrated threshold: the share of new animals that are given a known one's name."""
CALLED_NEW = 0.05
"""The share of known animals that are called new, and get a second name."""
_LOWEST, _HIGHEST = 0.5, 0.9999
_STEPS, _LONGEST = 100, 5.0
_RIDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Question:
    """A face, whose it is, and how similar it is to each individual of the trial."""

    individual: str
    likenesses: tuple[Likeness, ...]

    def without_its_own(self) -> tuple[Likeness, ...]:
        """As if its individual were not known."""
        return tuple(one for one in self.likenesses if one.individual != self.individual)


def questions(trial: Trial) -> Iterator[Question]:
    """Of each face that its individual has others beside, of other clips."""
    cosines = trial.cosines()
    for face, individual in enumerate(trial.individuals):
        others = trial.clip != trial.clip[face]
        likenesses = tuple(
            Likeness(str(name), similarity(cosines[face, others & (trial.individuals == name)]))
            for name in np.unique(trial.individuals[others])
        )
        if any(one.individual == individual for one in likenesses):
            yield Question(str(individual), likenesses)


def calibrated(trials: Sequence[Trial], identity: Identity) -> Identity:
    """With the log odds and the thresholds that trials of individuals the embedding was not fitted on ask for."""
    asked = [question for trial in trials for question in questions(trial)]
    similarities = np.array([one.similarity for q in asked for one in q.likenesses])
    own = np.array([one.individual == q.individual for q in asked for one in q.likenesses])
    names = np.array([q.individual for q in asked for _ in q.likenesses])
    slope, intercept = _log_odds(similarities, own, names)
    plain = replace(identity, slope=slope, intercept=intercept, known_at=2.0, new_at=2.0)
    known_at = _quantile([_named(question, plain) for question in asked], 1 - NAMED_WRONGLY)
    new_at = _quantile([_nobody(question, plain) for question in asked], 1 - CALLED_NEW)
    return replace(plain, known_at=known_at, new_at=new_at)


def _quantile(probabilities: Sequence[float], share: float) -> float:
    return float(np.clip(np.quantile(probabilities, share), _LOWEST, _HIGHEST))


def _named(question: Question, identity: Identity) -> float:
    """The probability given to somebody known, where its own individual is not."""
    rest = question.without_its_own()
    return decide(rest, max(len(rest), 1), identity).probability if rest else 0.0


def _nobody(question: Question, identity: Identity) -> float:
    """The probability that it is nobody known, where its own individual is."""
    never_known = replace(identity, new_at=0.0)
    return decide(question.likenesses, len(question.likenesses), never_known).probability


def _log_odds(similarities: Numbers, own: Names, names: Names) -> tuple[float, float]:
    """Slope and intercept of the log odds, by logistic regression (Brummer and du Preez 2006, sec. 5).

    Both kinds of pairs weigh alike, and in each every individual.
    """
    weights = np.zeros(len(own))
    for kind in (True, False):
        weights[own == kind] = animal_weights(names[own == kind])
        weights[own == kind] /= max(weights[own == kind].sum(), 1e-12)
    inputs = np.stack([similarities, np.ones_like(similarities)], axis=1)
    beta = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(inputs @ beta, -50, 50)))
        gradient = inputs.T @ (weights * (own - p)) - _RIDGE * beta * (1, 0)
        curvature = (inputs * (weights * p * (1 - p))[:, None]).T @ inputs + np.diag([_RIDGE, 1e-9])
        beta = beta + np.clip(np.linalg.solve(curvature, gradient), -_LONGEST, _LONGEST)
    return float(max(beta[0], 0.0)), float(beta[1])


def figures(trials: Sequence[Trial], identities: Sequence[Identity], seed: int = 0) -> dict[str, Figure]:
    """The shares of answers, each trial by its own embedding's thresholds."""
    rows: list[tuple[bool, ...]] = []
    names: list[str] = []
    for trial, identity in zip(trials, identities, strict=True):
        for question in questions(trial):
            rows.append(_answers(question, identity))
            names.append(question.individual)
    draws = Draws(np.array(names), seed)
    columns = np.array(rows, np.float64).reshape(len(rows), len(_NAMES)).T
    return {name: draws.per_image(column) for name, column in zip(_NAMES, columns, strict=True)}


_NAMES = ("known_named", "known_misnamed", "known_called_new", "new_called_new", "new_not_named")


def _answers(question: Question, identity: Identity) -> tuple[bool, ...]:
    rest = question.without_its_own()
    known = decide(question.likenesses, len(question.likenesses), identity)
    new = decide(rest, max(len(rest), 1), identity)
    named = known.verdict is Verdict.KNOWN and known.best is not None
    right = named and known.best is not None and known.best.individual == question.individual
    return (
        right,
        named and not right,
        known.verdict is Verdict.NEW,
        new.verdict is Verdict.NEW,
        new.verdict is not Verdict.KNOWN,
    )
