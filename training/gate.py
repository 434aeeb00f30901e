"""The gate: whether a challenger may take the place of the model in service, the champion.  Pure rules.

*Who may judge whom.*  Nobody may judge a model that was fitted on it.  So two kinds of animals are heard here:

1. The **holdout**: animals that no retraining is ever fitted on, on pictures taken later than anything that either
   model was fitted on.  They judge the two programs themselves, as they are served.
2. The **folds**: animals that the challenger was fitted on and the champion was not.  The champion is judged itself;
   in the challenger's place stand its siblings, fitted by the same recipe on the folds without that animal.

Both are one set of people, drawn together (paired bootstrap over individuals), and each weighs the same however many
pictures it has.  Animals that the champion was fitted on are heard by nobody.  The holdout's animals stay the same
from one retraining to the next, with new pictures: a model is chosen again and again by the same few, which flatters
it a little in the long run; figures to publish want animals that no gate has heard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from station.bundles import Figure
from training.draws import Draws
from training.folds import Names, Numbers
from training.judged import LEVELS, Judged
from training.paired import paired_by_individual

_NINETY = LEVELS.index(0.9)
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is asked of a challenger.  Shares are of 1."""

    certain: float = 0.95
    """How surely it must not be worse."""
    tolerated: float = 0.05
    """Worse is more than this share of the champion's error above it; 0: at all, which leaves `better` no meaning."""
    better: float = 0.8
    """How surely it must be better."""
    stage_margin: float = 0.15
    """By what share of the champion's error in a life stage it may be worse there."""
    stage_margins_years: Mapping[str, float] = field(default_factory=dict)
    """The same in years, for stages by name."""
    coverage: tuple[float, float] = (0.85, 0.95)
    """How many true ages its 90% intervals must hold, at least and at most."""
    speed: float = 0.8
    """Of the champion's pictures a second, in the form that is served on this device."""
    least_judges: int = 9
    """Animals in the holdout."""


@dataclass(frozen=True, slots=True, eq=False)
class Bout:
    """The same faces judged by both, in the same order."""

    champion: Judged
    challenger: Judged


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that the gate looks at."""

    holdout: Bout
    folds: Bout | None
    """None: the challenger was fitted on no animal that is new to the champion."""
    out_of_fold: Judged | None
    """What the challenger's siblings said of all its animals, for its intervals alone."""
    champion_per_s: float
    """Pictures a second."""
    challenger_per_s: float
    fault: str = ""
    """What the reloaded challenger does otherwise than its golden outputs say; empty: nothing."""
    forgets_individuals: str = ""
    """Why it can no longer tell individuals apart as the champion does; empty: it can, or neither does."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is asked, and what was found."""

    name: str
    held: bool
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All rules, in their order."""

    rules: tuple[Rule, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger may be promoted."""
        return all(rule.held for rule in self.rules)

    @property
    def broken(self) -> tuple[Rule, ...]:
        """What held it back."""
        return tuple(rule for rule in self.rules if not rule.held)


def judge(evidence: Evidence, asked: Thresholds, seed: int = 0) -> Verdict:
    """The verdict.  Raises `ValueError` where the two did not judge the same faces."""
    return Verdict(tuple(_rules(evidence, asked, seed)))


def _rules(evidence: Evidence, asked: Thresholds, seed: int) -> Iterator[Rule]:
    everybody = _everybody(evidence)
    yield Rule("golden outputs", not evidence.fault, evidence.fault or "reproduced after the program was loaded again")
    forgets = evidence.forgets_individuals
    yield Rule("individuals", not forgets, forgets or "told apart as before")
    yield _judges(evidence, asked)
    yield from _error(everybody, asked, seed)
    yield _holdout(evidence.holdout, seed)
    yield from _stages(everybody, asked, seed)
    yield _coverage(evidence, asked, seed)
    yield _speed(evidence, asked)


def _everybody(evidence: Evidence) -> Bout:
    if evidence.folds is None:
        return evidence.holdout
    one, other = evidence.holdout, evidence.folds
    return Bout(together(one.champion, other.champion), together(one.challenger, other.challenger))


def together(one: Judged, other: Judged) -> Judged:
    """The faces of both.  Raises `ValueError` where an individual stands in both, or their life stages differ."""
    if one.stage_names != other.stage_names:
        raise ValueError("judgements by different life stages cannot stand together")
    if both := set(one.individuals.tolist()) & set(other.individuals.tolist()):
        raise ValueError(f"{min(both)} would judge twice")
    columns = [name for name in Judged.__dataclass_fields__ if name != "stage_names"]
    joined = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in columns}
    return Judged(**joined, stage_names=one.stage_names)


def _judges(evidence: Evidence, asked: Thresholds) -> Rule:
    animals = len(np.unique(evidence.holdout.champion.individuals))
    said = f"the holdout has {_count(animals, 'animal')}; at least {asked.least_judges} are wanted"
    return Rule("judges", animals >= max(2, asked.least_judges), said)


def _error(bout: Bout, asked: Thresholds, seed: int) -> Iterator[Rule]:
    found = paired_by_individual(bout.challenger, bout.champion, seed)
    was, now = macro_mae(bout.champion), macro_mae(bout.challenger)
    margin = asked.tolerated * was
    sure, better = found.share_below(margin), found.share_below(0.0)
    animals = _count(len(np.unique(bout.champion.individuals)), "animal")
    errors = f"error by individual {now:.2f} years, the champion's {was:.2f}, on {animals} ({_signed(found.years)})"
    yield Rule(
        "not worse", sure >= asked.certain,
        f"{errors}: {_sure(sure)} not worse by more than {margin:.2f} years; {asked.certain:.0%} are wanted",
    )  # fmt: skip
    yield Rule("better", better >= asked.better, f"{_sure(better)} better; {asked.better:.0%} are wanted")


def _holdout(bout: Bout, seed: int) -> Rule:
    """The two programs themselves, on the newest pictures: folds must not outvote them."""
    found = paired_by_individual(bout.challenger, bout.champion, seed).years
    worse = found.low is not None and found.low > 0
    said = f"on the holdout alone {macro_mae(bout.challenger):.2f} years, the champion's {macro_mae(bout.champion):.2f}"
    return Rule("holdout", not worse, f"{said} ({_signed(found)}); it must not be surely worse there")


def _stages(bout: Bout, asked: Thresholds, seed: int) -> Iterator[Rule]:
    for stage in bout.champion.stage_names:
        rows = np.flatnonzero(bout.champion.stages == stage)
        if not len(rows):
            yield Rule(f"stage {stage}", True, "nobody of this stage could judge")
            continue
        champion, challenger = bout.champion.take(rows), bout.challenger.take(rows)
        was, now = macro_mae(champion), macro_mae(challenger)
        margin = asked.stage_margins_years.get(stage, asked.stage_margin * was)
        animals = _count(len(np.unique(champion.individuals)), "animal")
        found = _signed(paired_by_individual(challenger, champion, seed).years)
        said = f"{now:.2f} years, the champion's {was:.2f}, on {animals} ({found}); by {margin:.2f} it may be worse"
        yield Rule(f"stage {stage}", now - was <= margin, said)


def _coverage(evidence: Evidence, asked: Thresholds, seed: int) -> Rule:
    """On all animals the intervals must hold what they say; the holdout, which is few, must not speak against it."""
    low, high = asked.coverage
    holdout = _held(evidence.holdout.challenger)
    siblings = _held(evidence.out_of_fold) if evidence.out_of_fold is not None else None
    if holdout is None:
        return Rule("coverage", False, "its 90% interval is unknown: too few animals to calibrate it on")
    alone = _share(*holdout)
    values, names = holdout if siblings is None else tuple(np.concatenate(pair) for pair in zip(holdout, siblings))  # noqa: B905
    whole = Draws(names, seed).per_individual(values)
    against = alone.high < low or alone.low > high
    said = (
        f"its 90% intervals hold {whole.value:.0%} of the true ages ({low:.0%} to {high:.0%} are wanted), "
        f"on the holdout alone {alone.value:.0%} (95% {alone.low:.0%} to {alone.high:.0%})"
    )
    return Rule("coverage", low <= whole.value <= high and not against, said)


def _held(judged: Judged) -> tuple[Numbers, Names] | None:
    """1 where the 90% interval holds the true age, and whose face it is; None where some interval is unknown."""
    inside = judged.inside(_NINETY)
    return None if inside is None else (inside, judged.individuals)


@dataclass(frozen=True, slots=True)
class _Share:
    """With its 95% interval."""

    value: float
    low: float
    high: float


def _share(inside: Numbers, names: Names) -> _Share:
    """The mean over individuals, as if each were one trial (Wilson 1927).

    Draws will not do here: where all few are inside, every draw is, and 100% would look certain.
    """
    _, owner, counts = np.unique(names, return_inverse=True, return_counts=True)
    animals = len(counts)
    held = float((np.bincount(owner, inside) / counts).mean())
    of_z = _Z**2 / animals
    middle, half = held + of_z / 2, math.sqrt(of_z * (held * (1 - held) + of_z / 4))
    return _Share(held, (middle - half) / (1 + of_z), (middle + half) / (1 + of_z))


def _speed(evidence: Evidence, asked: Thresholds) -> Rule:
    share = evidence.challenger_per_s / evidence.champion_per_s
    said = (
        f"{evidence.challenger_per_s:.0f} pictures/s, the champion's {evidence.champion_per_s:.0f}: "
        f"{share:.2f} of it; {asked.speed:g} is wanted"
    )
    return Rule("speed", share >= asked.speed, said)


def macro_mae(judged: Judged) -> float:
    """The mean over individuals of each one's mean absolute error, in years."""
    _, owner, counts = np.unique(judged.individuals, return_inverse=True, return_counts=True)
    return float((np.bincount(owner, np.abs(judged.errors_years)) / counts).mean())


def _signed(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:+.2f}"
    return f"{figure.value:+.2f}, 95% {figure.low:+.2f} to {figure.high:+.2f}"


def _sure(share: float) -> str:
    return f"{share:.0%} sure to be"


def _count(number: int, of: str) -> str:
    return f"{number} {of}{'s'[: number != 1]}"
