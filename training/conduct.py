"""How a model's estimates behave, in words, by rules: drawn to the middle, too sure, wrong by individual."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from station.bundles import Figure
from training import metrics
from training.judged import LEVELS, Judged
from training.limits import FEW, STAGE_LEAST
from training.spreads import spread_figures
from training.words import count, listed, percent, plain, years

SLOPE_MATTERS = 0.1
"""A slope nearer to 1 misses at most one year in ten."""
COVERAGE_MATTERS = 0.03
"""An interval that holds 87% to 93% where it says 90% is as good as its word."""
POOR = 0.5
"""An individual of whose pictures fewer lie inside the 90% interval is named."""
ENOUGH_PICTURES = 4
"""With fewer pictures of an individual, half of them outside is nothing remarkable."""
MANY = 10
"""For so many pictures of one individual it is told how far their mean is off."""


def drawn_to_the_middle(judged: Judged, figures: Mapping[str, Figure], seed: int) -> Iterator[str]:
    """By the slope of the estimate on the age."""
    slope = figures.get("slope")
    if slope is None or slope.low is None or slope.high is None:
        return
    if slope.low <= 0:
        yield f"The estimates do not follow age (slope {plain(slope)}; 1 would be right, 0 is guessing)."
    elif slope.high < 1 and slope.value < 1 - SLOPE_MATTERS:
        yield (
            f"The estimates are drawn to the middle: of ten years between two animals the network sees "
            f"{10 * slope.value:.1f} (slope {plain(slope)}).{_ends(judged, seed)}"
        )
    elif slope.low > 1 and slope.value > 1 + SLOPE_MATTERS:
        yield f"The estimates exaggerate differences of age (slope {plain(slope)}; 1 would be right)."
    elif abs(slope.value - 1) <= SLOPE_MATTERS:
        yield f"The estimates follow age without being drawn much to the middle (slope {plain(slope)}; 1 is right)."
    else:
        yield f"Whether the estimates are drawn to the middle cannot be told (slope {plain(slope)}; 1 would be right)."


def _ends(judged: Judged, seed: int) -> str:
    """The bias of the youngest and the oldest life stage, where it is what a pull to the middle makes of them.

    Said only of stages with individuals enough to speak of them.
    """
    stages = list(metrics.by_stage(judged, seed).items())
    (young, of_young), (old, of_old) = stages[0], stages[-1]
    if min(of_young["individuals"].value, of_old["individuals"].value) < STAGE_LEAST:
        return ""
    if of_young["bias_years"].value <= 0 or of_old["bias_years"].value >= 0:
        return ""
    return (
        f" On average the stage {young} is made too old by {years(of_young['bias_years'])}, the stage {old} too young "
        f"by {years(of_old['bias_years'], -1)}."
    )


def as_sure_as_it_says(judged: Judged, figures: Mapping[str, Figure]) -> Iterator[str]:
    """By the coverage of the intervals, and by who stays outside them."""
    found = {level: figures[key] for level in LEVELS if (key := f"coverage_{round(100 * level)}") in figures}
    if not found:
        return
    said = listed([f"{percent(figure)} at {level:.0%}" for level, figure in found.items()])
    widths = listed([f"{figures[f'width_{round(100 * level)}_years'].value:.1f}" for level in found])
    yield (
        f"The intervals held the true age of this share of the pictures of unseen individuals: {said}. "
        f"{_verdict(judged, found)} Their mean width in years is {widths}."
    )
    yield from _outside(judged)


def _verdict(judged: Judged, found: Mapping[float, Figure]) -> str:
    animals = len(np.unique(judged.individuals))
    if animals < FEW:
        return f"With {count(animals, 'individual')} that is no test of them."
    off = {level: figure for level, figure in found.items() if abs(figure.value - level) >= COVERAGE_MATTERS}
    doubts = {
        "too narrow": [level for level, figure in off.items() if figure.high is not None and figure.high < level],
        "wider than need be": [level for level, figure in off.items() if figure.low is not None and figure.low > level],
    }
    told = [f"{word} at {listed([f'{level:.0%}' for level in levels])}" for word, levels in doubts.items() if levels]
    return f"They are {listed(told) or 'as sure as they say'}."


def _outside(judged: Judged) -> Iterator[str]:
    many = [one for one in metrics.by_individual(judged) if one.faces >= ENOUGH_PICTURES]
    held = [(one.name, one.coverage[LEVELS.index(0.9)]) for one in many]
    poor = [f"{name} ({share:.0%})" for name, share in held if share is not None and share < POOR]
    if poor:
        yield (
            f"Errors come by individual: of {listed(poor, most=5)} fewer than half of the pictures lie inside the 90% "
            f"interval ({len(poor)} of the {count(len(many), 'individual')} with {ENOUGH_PICTURES} pictures or more)."
        )


def repeated_pictures(judged: Judged, seed: int) -> Iterator[str]:
    """By what an individual's pictures share."""
    found = spread_figures(judged.errors_years, judged.individuals, seed)
    if found is None:
        return
    tau, sigma = found.tau_years.value, found.sigma_years.value
    one, many = math.hypot(tau, sigma), math.hypot(tau, sigma / math.sqrt(MANY))
    yield (
        f"Pictures of one individual share an error of {years(found.tau_years)}, and each has its own of "
        f"{years(found.sigma_years)}: the mean of {MANY} pictures is off by {many:.1f} years where one picture is off "
        f"by {one:.1f} (standard deviations)."
    )
