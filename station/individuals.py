"""Who a face shows, by its likeness to the faces of the individuals that are known.  Pure rules.

An individual's *similarity* to a face is the mean of the cosines with those of its faces that are most like it.  From
similarities follow log odds (calibrated on individuals that the embedding was not fitted on: `training.openset`), from
these the probability of each individual and of none; the more are known, the more it takes to be one of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.bundles import Identity
from station.domain import Observed, Outcome, Verdict

BEST, BEST_SHARE = 3, 3
"""Of an individual's faces the best three are asked, of few the best third: one alone may be a chance likeness, all are
from too many sides."""
NEWCOMERS = 0.2
"""The probability, before anything is seen, that a face is of nobody known."""
VETO_SDS = 3.0
VETO_YEARS = 1.0
"""An individual is refused where the birth that its age tells is so many standard deviations, and a year, away."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """One individual and how similar a face is to it."""

    individual: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be said of a face."""

    verdict: Verdict
    best: Likeness | None
    runner_up: Likeness | None
    probability: float
    """Of the verdict `known` or `new`; of `unsure`, that of the likeliest individual."""


@dataclass(frozen=True, slots=True)
class Birth:
    """When an animal was born, as far as one estimate of its age or a few of one animal tell: years since 1970."""

    year: float
    sd_years: float


def similarity(cosines: npt.NDArray[np.floating]) -> float:
    """Of a face to an individual, by its cosines with that individual's faces."""
    asked = min(BEST, -(-len(cosines) // BEST_SHARE))
    return float(np.sort(cosines)[-asked:].mean())


def decide(likenesses: Sequence[Likeness], known: int, identity: Identity) -> Decision:
    """The verdict on a face, from the likeliest of the `known` individuals; those left out count as unlike."""
    ranked = sorted(likenesses, key=lambda one: (-one.similarity, one.individual))
    best, runner_up = [*ranked, None, None][:2]
    if best is None:
        return Decision(Verdict.NEW, None, None, 1.0)
    likeliest, nobody = _probabilities([one.similarity for one in ranked], known, identity)
    if likeliest >= identity.known_at:
        return Decision(Verdict.KNOWN, best, runner_up, likeliest)
    if nobody >= identity.new_at:
        return Decision(Verdict.NEW, best, runner_up, nobody)
    return Decision(Verdict.UNSURE, best, runner_up, likeliest)


def _probabilities(similarities: Sequence[float], known: int, identity: Identity) -> tuple[float, float]:
    """That it is the first of these, and that it is nobody known."""
    share = math.log((1 - NEWCOMERS) / known)
    logs = [share + identity.slope * one + identity.intercept for one in similarities]
    top = max(math.log(NEWCOMERS), *logs)
    weights = [math.exp(log - top) for log in logs]
    nobody = math.exp(math.log(NEWCOMERS) - top)
    whole = sum(weights) + nobody
    return weights[0] / whole, nobody / whole


def alike(cosine: float, identity: Identity) -> bool:
    """Whether two faces of one burst are rather of one animal than of two."""
    return identity.slope * cosine + identity.intercept > 0


def contradicts(face: Birth, individual: Birth) -> bool:
    """Whether ages make it all but impossible that they are one animal: an adult is not last year's cub."""
    apart = abs(face.year - individual.year)
    return apart > VETO_YEARS + VETO_SDS * math.hypot(face.sd_years, individual.sd_years)


def combined(births: Sequence[Birth]) -> Birth:
    """Of one animal: the median, as unsure as a single estimate, for its errors are shared."""
    years, sds = zip(*((birth.year, birth.sd_years) for birth in births), strict=True)
    return Birth(float(np.median(years)), float(np.median(sds)))


def assigned(likenesses: Mapping[int, Sequence[Likeness]], known: int, identity: Identity) -> dict[int, Decision]:
    """A decision for each face of one picture: two faces are two animals.

    The face that is surest of its individual gets it; the others choose among the rest.
    """
    found: dict[int, Decision] = {}
    taken: set[str] = set()
    waiting = dict(likenesses)
    while waiting:
        decisions = {
            face: decide([one for one in its if one.individual not in taken], known, identity)
            for face, its in waiting.items()
        }
        face = max(decisions, key=lambda face: (_named(decisions[face]), decisions[face].probability, -face))
        found[face] = decisions[face]
        best = decisions[face].best
        if best and _named(decisions[face]):
            taken.add(best.individual)
        del waiting[face]
    return found


def _named(decision: Decision) -> bool:
    return decision.verdict is Verdict.KNOWN


def provisional(species: str, digest: str, taken: Collection[str]) -> str:
    """The name of a new animal, such as `giant-panda-7f3a`: from the content of its first face, so the same again.

    `digest`: hexadecimal, of the picture and the number of the face in it.
    """
    kind = re.sub(r"[^a-z0-9]+", "-", species.lower()).strip("-") or "animal"
    names = (f"{kind}-{digest[:length]}" for length in range(4, len(digest) + 1))
    return next(name for name in names if name not in taken)


def recognise(outcome: Outcome) -> Outcome:
    """By people's word alone: the path's individual, if the frame shows one face; of two faces it names neither."""
    if isinstance(outcome, Observed) and (said := said_of(outcome)):
        named = replace(outcome.observations[0], individual=said)
        return replace(outcome, observations=(named,))
    return outcome


def said_of(outcome: Observed) -> str | None:
    """Whom the path or topic names."""
    return outcome.frame.individual if len(outcome.observations) == 1 and not outcome.unusable else None
