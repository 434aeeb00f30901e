"""What figures cannot say, in words, by rules over the numbers: for the report and for the model's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from station.bundles import Figure
from training.faces import Faces
from training.judged import Judged
from training.limits import FEW, limits
from training.report.wording import in_words, spelled


def cautions(known: Faces, judged: Judged, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    """All of them, the gravest first.  Figures are named as by `training.metrics`; a missing one is not spoken of."""
    return (
        *_no_better_than_guessing(figures),
        *limits(judged),
        *_drawn_to_the_middle(figures),
        *scope(known, figures),
        *ALWAYS,
    )


ALWAYS = (
    "True ages are taken as the manifest gives them: a wrong age counts as an error of the model.",
    "Only these cameras, places and populations were looked at; with others the errors may be larger, and nothing here "
    "would show it.",
)


def scope(known: Faces, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    """Where the figures end, however good they are."""
    return (*_range(known), *_intervals(figures))


def doubt(judged: Judged, figures: Mapping[str, Figure]) -> str:
    """Why nothing should be done on the word of this model; empty where something speaks for it."""
    animals = len(np.unique(judged.individuals))
    if _guesses(figures):
        return "it is not shown to be better than guessing the median age"
    return f"it was tested on {spelled(animals, 'individual')}, too few to speak for others" * (animals < FEW)


def _guesses(figures: Mapping[str, Figure]) -> bool:
    """Whether the interval of the error reaches what guessing the median gives."""
    mae, guess = figures.get("mae_years"), figures.get("median_guess_mae_years")
    return mae is not None and guess is not None and (mae.value if mae.high is None else mae.high) >= guess.value


def _no_better_than_guessing(figures: Mapping[str, Figure]) -> Iterator[str]:
    if _guesses(figures):
        yield (
            "It is not shown to be better than guessing: on animals it had not seen its mean absolute error is "
            f"{in_words('mae_years', figures['mae_years'])} years; saying the median age of every face gives "
            f"{in_words('median_guess_mae_years', figures['median_guess_mae_years'])}."
        )


def _drawn_to_the_middle(figures: Mapping[str, Figure]) -> Iterator[str]:
    slope = figures.get("slope")
    if slope is not None and slope.high is not None and slope.high < 1:
        yield (
            f"Estimates are drawn to the middle: for a year of true age they rise by {in_words('slope', slope)} years, "
            "so the old are told too young and the young too old. A mean over many animals does not cancel that."
        )


def _range(known: Faces) -> Iterator[str]:
    ages = known.ages_years
    yield (
        f"The faces are {ages.min():.3g} to {ages.max():.3g} years old, and one in twenty is older than "
        f"{np.quantile(ages, 0.95):.3g}: of ages outside nothing is known, and the model will still name one within."
    )


def _intervals(figures: Mapping[str, Figure]) -> Iterator[str]:
    name = next((name for name in ("coverage_90", "interval_coverage") if name in figures), None)
    if name is None:
        yield "Whether the 90% interval holds what it says was not tested: it takes more individuals."
        return
    yield (
        f"The 90% interval held the true age in {in_words(name, figures[name])} of the cases. That is measured, not "
        "guaranteed, and over all: for one life stage or one animal it can be far off."
    )
