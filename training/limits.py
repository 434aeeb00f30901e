"""What cannot be concluded from few individuals, and which ages look wrong, in words, by rules."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.faces import Faces
from training.folds import Indices, Names, Numbers
from training.judged import LEVELS, Judged, least_animals
from training.words import count, listed

FEW = 20
"""Below it a 95% bootstrap interval of a mean error is clearly too narrow: for normal errors it holds the truth in 81%
of cases with 4 individuals, 86% with 7, 89% with 10, 92% with 20, 93% with 62 (1,500 simulations each)."""
STAGE_LEAST = least_animals(0.9)
"""Of a life stage with fewer individuals no 90% interval could be given for it alone, so nothing is said of it."""
ONE_AGE = 0.9
"""Where so much of the variance of age lies between individuals, knowing who it is means knowing its age."""
LONE_SHARE = 0.1
"""At most so many of an individual's pictures can be the odd ones out: a slip of the pen is rare."""
LONE_TIMES = 5.0
"""They lie at least so many times farther off than the others lie from one another (a year, where that is less): a
series of pictures over a life has gaps, but seldom one so much larger than all the rest of it."""


def limits(judged: Judged) -> Iterator[str]:
    """What these individuals are too few for."""
    animals = len(np.unique(judged.individuals))
    yield from _intervals(judged, animals)
    yield from _stages(judged)
    if animals < FEW:
        yield from _few(judged, animals)


def doubtful_ages(known: Faces) -> Iterator[str]:
    """Individuals whose pictures carry ages that are hard to believe of one animal; at least ten pictures are needed.

    A manifest may give ages without dates, so that an age may differ because time went by: what is looked for is a
    picture or two far from all the others.
    """
    for name in np.unique(known.individuals):
        rows = np.flatnonzero(known.individuals == name)
        rows = rows[np.argsort(known.ages_years[rows], kind="stable")]
        lone, others = _parted(known.ages_years[rows])
        if len(lone):
            files = listed([known.rows[row].path.name for row in rows[lone]], most=3)
            yield (
                f"The ages of {name} contradict each other, unless so many years lie between its pictures: "
                f"{len(others)} of {len(rows)} say {_span(known.ages_years[rows[others]])}, {len(lone)} "
                f"{'says' if len(lone) == 1 else 'say'} {_span(known.ages_years[rows[lone]])} ({files}). Correct them, "
                "or strike what is not sure."
            )


def one_age_each(ages_years: Numbers, individuals: Names) -> bool:
    """Whether nearly all differences of age are differences between individuals."""
    _, owner, counts = np.unique(individuals, return_inverse=True, return_counts=True)
    total = ((ages_years - ages_years.mean()) ** 2).sum()
    within = ((ages_years - (np.bincount(owner, ages_years) / counts)[owner]) ** 2).sum()
    return bool((counts > 1).any() and 1 - within / max(total, 1e-9) >= ONE_AGE)


def _intervals(judged: Judged, animals: int) -> Iterator[str]:
    unknown = [level for level in LEVELS if animals < least_animals(level)]
    if unknown:
        names = listed([f"{level:.0%} (it takes {least_animals(level)})" for level in unknown])
        yield (
            f"From {count(animals, 'individual')} no interval can be given at {names}: it stays unknown rather than "
            "invented."
        )
    untested = [level for k, level in enumerate(LEVELS) if level not in unknown and judged.inside(k) is None]
    if untested:
        yield (
            f"The interval at {listed([f'{level:.0%}' for level in untested])} can be given but not tested: where the "
            f"individuals of a fold are left out, too few of the {animals} stay to calibrate on."
        )


def _stages(judged: Judged) -> Iterator[str]:
    held = {stage: len(np.unique(judged.individuals[judged.stages == stage])) for stage in judged.stage_names}
    thin = [(stage, animals) for stage, animals in held.items() if animals < STAGE_LEAST]
    if thin:
        named = listed([f"{stage} ({animals or 'none'})" for stage, animals in thin])
        all_of_them = ", as all have" if len(thin) == len(held) else ""
        yield (
            f"Nothing can be said of a life stage by itself where it has fewer than {STAGE_LEAST} individuals"
            f"{all_of_them}: {named}."
        )


def _few(judged: Judged, animals: int) -> Iterator[str]:
    yield (
        f"{count(animals, 'individual')} can show that everything runs and how the network fared on these, not how it "
        "would fare on others of their kind."
    )
    if animals > 1:
        low, high = _without_one(judged)
        yield (
            f"Intervals over {animals} individuals are too narrow and unstable: those given as 95% hold less often, "
            f"and leaving out one individual moves the mean error to between {low:.2f} and {high:.2f} years."
        )
    if one_age_each(judged.ages_years, judged.individuals):
        yield (
            "Nearly every individual has a single age, so what looks like age may be what sets one individual apart: "
            "it takes more individuals, or the same ones over years, to tell the two from each other."
        )


def _without_one(judged: Judged) -> tuple[float, float]:
    """The least and the largest mean error when one individual is left out."""
    _, owner, counts = np.unique(judged.individuals, return_inverse=True, return_counts=True)
    sums = np.bincount(owner, np.abs(judged.errors_years))
    left = (sums.sum() - sums) / (counts.sum() - counts)
    return float(left.min()), float(left.max())


def _parted(rising: Numbers) -> tuple[Indices, Indices]:
    """Places of the lone ages and of the others among rising ages; no lone ones: all are others."""
    everywhere = np.arange(len(rising))
    if len(rising) < 2:
        return everywhere[:0], everywhere
    cut = int(np.argmax(np.diff(rising))) + 1
    lone, others = sorted((everywhere[:cut], everywhere[cut:]), key=len)
    gap = rising[cut] - rising[cut - 1]
    if len(lone) <= LONE_SHARE * len(rising) and gap >= LONE_TIMES * max(1.0, np.ptp(rising[others])):
        return lone, others
    return everywhere[:0], everywhere


def _span(ages_years: Numbers) -> str:
    low, high = (f"{round(float(age), 1):g}" for age in (ages_years.min(), ages_years.max()))
    return f"{low} years" if low == high else f"{low} to {high} years"
