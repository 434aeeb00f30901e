"""What a person reads when a model has been fitted, studied or measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from station import species
from station.bundles import Card, Figure
from training.audit import Audit
from training.calibrate import LEAST_ANIMALS
from training.findings import findings
from training.fit import Made
from training.identity import MadeIdentity
from training.study import Studied

_ROWS = (
    ("mae_years", "error per image, years"),
    ("mae_by_individual_years", "error per individual, years"),
    ("median_guess_mae_years", "of the median guess, years"),
    ("bias_years", "bias, years"),
    ("slope", "slope of estimate on age"),
    ("cs1", "within 1 year"),
    ("cs2", "within 2 years"),
    ("cs5", "within 5 years"),
    ("stage_accuracy", "right life stage"),
    ("coverage_90", "coverage of 90% intervals"),
    ("width_90_years", "their width, years"),
)
_DOUBTFUL = 5.0
"""A temperature at which little is left of what a picture says."""


def summary(made: Made, bundle: Path) -> str:
    """The model's errors on animals it had not seen, beside guessing, and what to do next."""
    return "\n".join(_lines(made, bundle)) + "\n"


def _lines(made: Made, bundle: Path) -> Iterator[str]:
    card = made.card
    used = sum(data.faces for data in card.training) - made.left_out
    without = f" ({made.left_out} pictures could not be used or stood there before)" if made.left_out else ""
    yield f"model      {card.version}"
    yield f"fitted on  {used} faces of {len(card.individuals)} individuals{without}"
    yield ""
    yield "mean absolute error in years, on animals the model had not seen (95% interval over individuals)"
    yield f"                  {'per image':<24}per individual"
    yield _row("this model", card.metrics, "mae_years", "mae_by_individual_years")
    yield _row("median guess", card.metrics, "median_guess_mae_years", "median_guess_mae_by_individual_years")
    if card.temperature > _DOUBTFUL:
        yield "  the faces told this model next to nothing about age: its estimates stay near the mean of its training"
    yield ""
    yield _coverage(card, made.calibrated_on)
    yield ""
    yield f"bundle     {bundle}"
    if species.find(card.species) is None:
        yield f"           there is no species file for {card.species!r}: its estimates will carry no life stage"
    yield f"next       station scan FOLDER --camera NAME --model {bundle} --db station.db"


_RETRIEVAL = (
    ("rank1", "nearest face is the same animal's"),
    ("rank1_other_clip", "the same, its own clip left out"),
    ("rank5", "one of the five nearest is"),
    ("map", "mean average precision"),
    ("auc", "AUC of same against different"),
)
_OPEN_SET = (
    ("known_named", "known animals given their name"),
    ("known_misnamed", "known animals given another's"),
    ("known_called_new", "known animals called new"),
    ("new_not_named", "new animals called new or unsure"),
    ("new_called_new", "new animals called new"),
)


def identity_summary(made: MadeIdentity, bundle: Path) -> str:
    """How well individuals are told apart, beside frozen features, and what to do next."""
    return "\n".join(_of_identity(made, bundle)) + "\n"


def _of_identity(made: MadeIdentity, bundle: Path) -> Iterator[str]:
    part = made.identity
    yield f"model      {made.card.version}"
    yield f"fitted on  {made.faces} faces of {len(part.individuals)} individuals; embedding of {part.size} numbers"
    yield ""
    yield "on individuals it had not seen, five repeats (95% interval over individuals)"
    yield f"{'':<36}{'this embedding':<24}{'frozen features':<24}gain"
    for name, words in _RETRIEVAL:
        columns = (part.metrics[name], made.frozen[name], made.gains[name])
        yield f"  {words:<34}" + "".join(f"{_share(figure):<24}" for figure in columns).rstrip()
    yield ""
    yield "known, new or unsure, on the same"
    for name, words in _OPEN_SET:
        yield f"  {words:<34}{_share(part.metrics[name])}"
    yield ""
    yield f"bundle     {bundle}"
    yield f"next       station scan FOLDER --camera NAME --model {bundle} --db station.db"


def _share(figure: Figure) -> str:
    interval = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{interval}"


def study_summary(studied: Studied, out: Path) -> str:
    """The table of networks, what was found, and where the report lies."""
    return "\n".join(_of_study(studied, out)) + "\n"


def _of_study(studied: Studied, out: Path) -> Iterator[str]:
    study = studied.study
    for data in study.data:
        yield f"{data.name}: {len(data.known.ages_years)} faces of {len(set(data.known.individuals))} individuals"
        yield f"  {'network':<24}{'loss':<16}{'error per image, years':<26}per individual"
        for trial in study.on(data.name):
            mae, macro = trial.figures["mae_years"], trial.figures["mae_by_individual_years"]
            yield f"  {trial.network:<24}{trial.loss:<16}{_figure(mae):<26}{_figure(macro)}"
        yield ""
    for sentence in findings(study):
        yield from textwrap.wrap(sentence, 110, initial_indent="- ", subsequent_indent="  ")
    yield ""
    if studied.missing:
        yield f"not done   {studied.missing} fittings, for want of time: go on with --resume"
    if study.trials:
        yield f"report     {out / 'report.html'}"
    if studied.bundle:
        yield f"bundle     {studied.bundle}"


def audit_summary(audit: Audit) -> str:
    """All figures, and what they are worth."""
    return "\n".join(_of_audit(audit)) + "\n"


def _of_audit(audit: Audit) -> Iterator[str]:
    animals = len(set(audit.judged.individuals))
    yield f"model      {audit.card.version}"
    yield f"faces      {len(audit.judged.ages_years)} of {animals} individuals ({audit.left_out} left out)"
    if audit.known:
        yield f"           {len(audit.known)} of these individuals were in its training: the figures flatter it"
    if audit.card.median_age_years is None:
        yield "           the bundle does not know its median age: the guess is the median of these faces"
    yield ""
    for name, says in _ROWS:
        if name in audit.figures:
            yield f"  {says:<30}{_figure(audit.figures[name])}"


def _row(name: str, metrics: dict[str, Figure], *columns: str) -> str:
    return f"  {name:<16}" + "".join(f"{_figure(metrics[column]):<24}" for column in columns).rstrip()


def _figure(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f} (one individual)"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _coverage(card: Card, calibrated_on: int) -> str:
    if card.interval_quantile is None:
        return (
            f"90% interval: unknown: it takes {LEAST_ANIMALS} individuals to calibrate on that the model was not fitted"
            f" on, and there were {calibrated_on}"
        )
    width = f"90% interval: {card.interval_quantile:.2f} standard deviations to each side"
    covered = card.metrics.get("interval_coverage")
    if covered is None:
        return f"{width}; its coverage is unknown: too few individuals to calibrate on some and test on others"
    low_high = "" if covered.low is None else f" ({covered.low:.0%} to {covered.high:.0%})"
    return (
        f"{width}; cross-conformal: by the scores of the other animals it held the true age of {covered.value:.0%}"
        f"{low_high} of an animal's pictures, which is a measurement and no guarantee"
    )
