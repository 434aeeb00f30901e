"""The plots of a study, each a function from faces and what was said of them to a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from station.bundles import Figure
from training import metrics
from training.folds import Indices, Numbers
from training.judged import LEVELS, Judged
from training.report.canvas import BLUE, GREEN, MANY, MUTED, ORANGE, RULE, drawing

_LEAST_FOR_CLASSES = 30


@dataclass(frozen=True, slots=True)
class Contest:
    """One line of the comparison of networks."""

    name: str
    mae_years: Figure
    random_split_mae_years: Figure | None


def comparison(name: str, contests: Sequence[Contest], guess_years: float, top_years: float) -> str:
    """Errors with intervals, the least on top, beside guessing and beside a split that leaks."""
    height = 0.75 + 0.38 * len(contests)
    with drawing(name, "mean absolute error of each network, with its interval", height) as drawn:
        axes = drawn.axes
        for place, contest in enumerate(contests):
            _contest(axes, -place, contest)
        axes.axvline(guess_years, color=MUTED, lw=0.9, ls=(0, (4, 3)))
        axes.text(guess_years, 0.85, "median guess ", ha="right", va="bottom", color=MUTED)
        axes.set(xlim=(0, top_years), ylim=(-len(contests) + 0.45, 1.25))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("mean absolute error, years")
    return drawn.svg


def _contest(axes: Axes, height: float, contest: Contest) -> None:
    mae, leaky = contest.mae_years, contest.random_split_mae_years
    axes.axhline(height, color=RULE, lw=0.6, zorder=0)
    if mae.low is not None and mae.high is not None:
        axes.plot([mae.low, mae.high], [height, height], color=BLUE, lw=2.2)
    axes.plot(mae.value, height, "o", color=BLUE, ms=5.5)
    if leaky is not None:
        axes.plot(leaky.value, height, "o", mfc="white", mec=ORANGE, mew=1.2, ms=5)
    axes.text(0, height + 0.17, contest.name, ha="left", va="bottom")


def estimate_by_age(name: str, judged: Judged, top_years: float) -> str:
    """Predicted against true age, the points of an individual joined."""
    with drawing(name, "estimated against true age; lines join the pictures of one individual", 3.8) as drawn:
        axes, ages, told = drawn.axes, judged.ages_years, judged.estimates_years
        axes.plot([0, top_years], [0, top_years], color=MUTED, lw=0.9, ls=(0, (4, 3)))
        for rows in _by_individual(judged):
            axes.plot(
                ages[rows], told[rows], color=BLUE, lw=0.6, alpha=_ink(0.28, len(ages)), rasterized=len(ages) > MANY
            )
        _points(axes, ages, told)
        if np.ptp(ages) > 0:
            slope, start = np.polyfit(ages, told, 1)
            ends = np.array([ages.min(), ages.max()])
            axes.plot(ends, slope * ends + start, color=ORANGE, lw=1.8)
        axes.set(xlim=(0, top_years), ylim=(0, top_years), aspect="equal")
        axes.set(xlabel="true age, years", ylabel="estimated age, years")
    return drawn.svg


def _by_individual(judged: Judged) -> list[Indices]:
    """The rows of each individual, youngest first."""
    order = np.lexsort((judged.estimates_years, judged.ages_years, judged.individuals))
    _, starts = np.unique(judged.individuals[order], return_index=True)
    return [np.asarray(rows, np.intp) for rows in np.split(order, starts[1:])]


def _points(axes: Axes, x: Numbers, y: Numbers) -> None:
    axes.plot(x, y, "o", ms=3, mew=0, color=BLUE, alpha=_ink(0.55, len(x)), rasterized=len(x) > MANY)


def _ink(most: float, points: int) -> float:
    """The more points, the fainter each: where all are dark nothing is seen."""
    return most * min(1.0, max(0.12, 1000 / points))


def error_by_age(name: str, judged: Judged, top_years: float, reach_years: float) -> str:
    """Estimate minus truth against age, with the median and the middle 80% of each age class."""
    errors = judged.estimates_years - judged.ages_years  # drawn to `reach_years`, either way
    with drawing(name, "error by age: estimate minus true age, median and middle 80% of age classes", 3.3) as drawn:
        axes = drawn.axes
        _points(axes, judged.ages_years, errors)
        axes.axhline(0, color=MUTED, lw=0.9, ls=(0, (4, 3)))
        if len(errors) >= _LEAST_FOR_CLASSES:
            middle, low, median, high = _age_classes(judged.ages_years, errors)
            axes.fill_between(middle, low, high, color=ORANGE, alpha=0.16, lw=0)
            axes.plot(middle, np.column_stack([low, high]), color=ORANGE, lw=0.8)
            axes.plot(middle, median, "-o", color=ORANGE, lw=1.8, ms=4)
        axes.set(xlim=(0, top_years), ylim=(-reach_years, reach_years))
        axes.set(xlabel="true age, years", ylabel="estimate minus truth, years")
    return drawn.svg


def _age_classes(ages: Numbers, errors: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Middle age, 10%, 50% and 90% of the error in classes of about equally many faces."""
    count = min(12, len(ages) // 15)
    edges = np.unique(np.quantile(ages, np.linspace(0, 1, count + 1)))
    owner = np.searchsorted(edges[1:-1], ages, side="right")
    rows = []
    for k in np.unique(owner):
        inside = owner == k
        rows.append([ages[inside].mean(), *np.quantile(errors[inside], [0.1, 0.5, 0.9])])
    middle, low, median, high = np.array(rows).T
    return middle, low, median, high


def pit_shares(judged: Judged, seed: int, bins: int = 10) -> tuple[Figure, ...]:
    """The share of the faces in each tenth of the PIT."""
    place = np.minimum((judged.pit * bins).astype(int), bins - 1)
    return tuple(metrics.per_image((place == k).astype(np.float64), judged.individuals, seed) for k in range(bins))


def pit(name: str, shares: Sequence[Figure], top: float) -> str:
    """Where in its distribution the true age stood: flat is calibrated, a hump too wide, a bowl too narrow."""
    bins = len(shares)
    with drawing(name, "histogram of the probability integral transform, with intervals", 3.3) as drawn:
        axes = drawn.axes
        middle = (np.arange(bins) + 0.5) / bins
        values = np.array([share.value for share in shares])
        axes.bar(middle, 100 * values, 0.9 / bins, color=BLUE, alpha=0.35, lw=0)
        for x, share in zip(middle, shares, strict=True):
            if share.low is not None and share.high is not None:
                axes.plot([x, x], [100 * share.low, 100 * share.high], color=BLUE, lw=1.4)
        axes.axhline(100 / bins, color=MUTED, lw=0.9, ls=(0, (4, 3)))
        axes.set(xlim=(0, 1), ylim=(0, 100 * top), ylabel="% of the faces")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("share of the estimated distribution below the true age")
    return drawn.svg


def coverage(name: str, judged: Judged, figures: Mapping[str, Figure]) -> str:
    """How often an interval held the true age against how often it was to; the model's own distribution beside it."""
    with drawing(name, "observed against nominal coverage of the intervals", 3.8) as drawn:
        axes = drawn.axes
        axes.plot([0, 100], [0, 100], color=MUTED, lw=0.9, ls=(0, (4, 3)))
        nominal = np.linspace(0, 1, 101)
        own = [(np.abs(judged.pit - 0.5) <= level / 2).mean() for level in nominal]
        axes.plot(100 * nominal, 100 * np.array(own), color=GREEN, lw=1.6)
        for level in LEVELS:
            held = figures.get(f"coverage_{100 * level:.0f}")
            if held is None:
                continue
            if held.low is not None and held.high is not None:
                axes.plot([100 * level] * 2, [100 * held.low, 100 * held.high], color=BLUE, lw=2.2)
            axes.plot(100 * level, 100 * held.value, "o", color=BLUE, ms=5.5)
        axes.set(xlim=(0, 101), ylim=(0, 101), aspect="equal")
        axes.set(xlabel="nominal coverage, %", ylabel="observed coverage, %")
    return drawn.svg
