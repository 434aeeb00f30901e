"""What figures are called, what they mean, and how their numbers are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from station.bundles import Figure

NOTHING = "–"


class Unit(Enum):
    """How a number is written."""

    YEARS = "years"
    SIGNED_YEARS = "years, with a sign"
    SHARE = "a share, as per cent"
    NUMBER = "a number"


@dataclass(frozen=True, slots=True)
class Wording:
    """One figure in words."""

    label: str
    meaning: str
    unit: Unit
    family: str = ""
    """The meaning that it shares with its like, where several stand side by side."""


_WITHIN = "share of images with an error of at most so many years"
WORDS: Mapping[str, Wording] = {
    "mae_years": Wording("MAE", "mean absolute error per image, in years", Unit.YEARS),
    "mae_by_individual_years": Wording(
        "macro MAE", "mean over individuals of each one's mean absolute error, in years", Unit.YEARS
    ),
    "median_guess_mae_years": Wording(
        "median guess", "MAE of saying the median age of the faces fitted on, whatever the picture", Unit.YEARS
    ),
    "median_guess_mae_by_individual_years": Wording(
        "median guess, macro", "macro MAE of saying the median age of the faces fitted on", Unit.YEARS
    ),
    "random_split_mae_years": Wording(
        "random split",
        "MAE where pictures of one individual may stand on both sides of the split: it flatters, and is not to be "
        "believed; the gap to MAE is what the network gains by knowing the individual",
        Unit.YEARS,
    ),
    "difference_years": Wording("difference", "MAE minus that of the best, in years", Unit.SIGNED_YEARS),
    "cs1": Wording("CS@1", "share of images with an error of at most 1 year", Unit.SHARE, _WITHIN),
    "cs2": Wording("CS@2", "share of images with an error of at most 2 years", Unit.SHARE, _WITHIN),
    "cs5": Wording("CS@5", "share of images with an error of at most 5 years", Unit.SHARE, _WITHIN),
    "bias_years": Wording("bias", "mean of estimate minus true age, in years", Unit.SIGNED_YEARS),
    "slope": Wording(
        "slope", "years the estimate rises for a year of true age; below 1: drawn to the mean", Unit.NUMBER
    ),
    "stage_accuracy": Wording("stage", "share of images whose estimate falls into the true life stage", Unit.SHARE),
    "nll": Wording("NLL", "minus the logarithm of the probability of the true age's bin, in nats", Unit.NUMBER),
    "pit_error": Wording("PIT error", "how far the PIT is from uniform: 0 is calibrated, 0.5 the worst", Unit.NUMBER),
    "interval_coverage": Wording(
        "macro 90%", "mean over individuals of how often the 90% interval held the true age", Unit.SHARE
    ),
}
_COVERAGE = re.compile(r"coverage_(\d+)(_by_individual)?$")
_WIDTH = re.compile(r"width_(\d+)_years$")


def wording(name: str) -> Wording:
    """The words for a figure; a name nobody has put into words is shown as it stands."""
    if name in WORDS:
        return WORDS[name]
    if covered := _COVERAGE.match(name):
        macro = covered[2] is not None
        label = f"macro {covered[1]}%" if macro else f"{covered[1]}% held"
        often = "mean over individuals of how often" if macro else "how often"
        meaning = f"{often} the {covered[1]}% interval held the true age"
        return Wording(label, meaning, Unit.SHARE, f"{often} an interval of that level held the true age")
    if width := _WIDTH.match(name):
        label, meaning = f"{width[1]}% width", f"mean width of the {width[1]}% interval, in years"
        return Wording(label, meaning, Unit.YEARS, "mean width of an interval of that level, in years")
    label = name.removesuffix("_years").replace("_", " ")
    return Wording(label, label, Unit.YEARS if name.endswith("_years") else Unit.NUMBER)


def number(value: float, unit: Unit) -> str:
    """A value with as many decimals as it deserves, and a true minus sign."""
    written = {
        Unit.YEARS: f"{value:z.2f}",
        Unit.SIGNED_YEARS: f"{value:+z.2f}",
        Unit.SHARE: f"{100 * value:z.0f}%",
        Unit.NUMBER: f"{value:z.2f}",
    }[unit]
    return written.replace("-", "−")


def interval(figure: Figure, unit: Unit) -> str:
    """The 95% interval, or nothing where one individual tells nothing of others."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = number(figure.low, unit), number(figure.high, unit)
    if unit is Unit.SHARE:
        low = low.removesuffix("%")
    return f"{low} to {high}" if unit is Unit.SIGNED_YEARS or "−" in low else f"{low}–{high}"


def in_words(name: str, figure: Figure) -> str:
    """As it stands in a sentence: `4.52 (4.10 to 5.03)`."""
    unit = wording(name).unit
    if figure.low is None or figure.high is None:
        return number(figure.value, unit)
    return f"{number(figure.value, unit)} ({number(figure.low, unit)} to {number(figure.high, unit)})"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 face`, `7 faces`, `12,000 faces`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def spelled(number: int, singular: str, plural: str | None = None) -> str:
    """`seven networks`: small numbers in letters."""
    written = _SMALL[number] if number < len(_SMALL) else f"{number:,}"
    return f"{written} {singular if number == 1 else plural or singular + 's'}"
