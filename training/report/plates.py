"""Which plots a study shows: of every kind one for each data set, side by side on the same axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.report import plots
from training.report.pyramid import has_sexes, pyramid
from training.report.trials import key, names, shown
from training.results import Study

_AIR = 1.05
_MOST = 20
_LEAKY = (
    " The open circle is the error under a random split, where pictures of one individual stand on both sides: what "
    "lies between circle and point comes of knowing individuals, not of seeing age."
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawing of one data set."""

    of: str
    svg: str


@dataclass(frozen=True, slots=True)
class Plate:
    """Panels of one kind under one caption."""

    title: str
    caption: str
    panels: tuple[Panel, ...]


def comparison(study: Study) -> Plate:
    """Every network on every data set."""
    called = names(study)
    guesses = {data.name: trial.figures["median_guess_mae_years"].value for data, trial in shown(study)}
    errors = [trial.figures["mae_years"] for trial in study.trials]
    top = _AIR * max([*guesses.values(), *(e.value if e.high is None else e.high for e in errors)])
    panels = []
    for place, (data, guess) in enumerate(guesses.items()):
        contests = [
            plots.Contest(called[key(trial)], trial.figures["mae_years"], trial.random_split_mae_years)
            for trial in study.on(data)[:_MOST]
        ]
        panels.append(Panel(data, plots.comparison(f"compared{place}", contests, guess, top)))
    caption = "Mean absolute error per image with its 95% interval over individuals (blue)."
    if any(trial.random_split_mae_years is not None for trial in study.trials):
        caption += _LEAKY
    if any(len(study.on(data)) > _MOST for data in guesses):
        caption += f" The best {_MOST} are drawn; all stand in the table."
    return Plate("Error of every network", caption, tuple(panels))


def plates(study: Study) -> tuple[Plate, ...]:
    """What is shown of one trial of each data set."""
    return tuple(kind(study) for kind in (_estimates, _errors, _pit, _coverage, _pyramid))


def _estimates(study: Study) -> Plate:
    of = list(shown(study))
    top = _AIR * max(float(max(t.judged.ages_years.max(), t.judged.estimates_years.max())) for _, t in of)
    return Plate(
        "Estimated against true age",
        "A point is a picture; thin lines join the pictures of one individual, dashed is the truth, orange the "
        "straight line through the estimates.",
        tuple(
            Panel(data.name, plots.estimate_by_age(f"estimates{place}", trial.judged, top))
            for place, (data, trial) in enumerate(of)
        ),
    )


def _errors(study: Study) -> Plate:
    of = list(shown(study))
    top = _AIR * max(float(t.judged.ages_years.max()) for _, t in of)
    reach = _AIR * max(float(np.abs(t.judged.estimates_years - t.judged.ages_years).max()) for _, t in of)
    return Plate(
        "Error by age",
        "Above the dashed line too old, below it too young. Orange: median and middle 80% of age classes of equally "
        "many faces.",
        tuple(
            Panel(data.name, plots.error_by_age(f"errors{place}", trial.judged, top, reach))
            for place, (data, trial) in enumerate(of)
        ),
    )


def _pit(study: Study) -> Plate:
    shares = {data.name: plots.pit_shares(trial.judged, study.protocol.seed) for data, trial in shown(study)}
    top = _AIR * max(s.value if s.high is None else s.high for bins in shares.values() for s in bins)
    return Plate(
        "Reliability of the distributions",
        "Where in its estimated distribution the true age stood (PIT), with 95% intervals over individuals. Calibrated "
        "is flat at the dashed line; a hump says too cautious, a bowl too certain, a slope too old or too young.",
        tuple(Panel(data, plots.pit(f"pit{place}", bins, top)) for place, (data, bins) in enumerate(shares.items())),
    )


def _coverage(study: Study) -> Plate:
    return Plate(
        "Reliability of the intervals",
        "How often an interval held the true age against how often it was to. Blue: the conformal intervals, with 95% "
        "intervals over individuals; green: central intervals of the network's own distribution.",
        tuple(
            Panel(data.name, plots.coverage(f"coverage{place}", trial.judged, trial.figures))
            for place, (data, trial) in enumerate(shown(study))
        ),
    )


def _pyramid(study: Study) -> Plate:
    of = [data for data, _ in shown(study)]
    caption = (
        "Faces of females and of males; those without a sex are left out."
        if any(has_sexes(data.known) for data in of)
        else "An individual counts once in each age class in which it was pictured."
    )
    return Plate(
        "Age pyramid of the training set",
        caption,
        tuple(Panel(data.name, pyramid(f"pyramid{place}", data.known)) for place, data in enumerate(of)),
    )
