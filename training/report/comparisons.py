"""The tables that set networks side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from station.bundles import Figure
from training.judged import LEVELS
from training.report.measures import Measures
from training.report.tables import Cell, Line, Table, cell
from training.report.trials import Key, is_chosen, key, names
from training.report.wording import NOTHING, Unit, Wording, wording
from training.results import DataSet, Speed, Study, Trial

HEADLINE = ("mae_years", "mae_by_individual_years")
NEARNESS = ("cs1", "cs2", "cs5", "bias_years", "slope", "stage_accuracy")
_PERCENT = tuple(f"{100 * level:.0f}" for level in LEVELS)
INTERVALS = (*(f"coverage_{p}" for p in _PERCENT), *(f"width_{p}_years" for p in _PERCENT))
"""Shown even where they are unknown: that they are is worth knowing."""
_GUESSES = ("median_guess_mae_years", "median_guess_mae_by_individual_years")
_TWICE = ("interval_coverage", "coverage_80_by_individual", "coverage_95_by_individual")
"""Left to the files: the first is another's, the others tell what their neighbours tell."""
_HIGHER_IS_BETTER = ("cs1", "cs2", "cs5", "stage_accuracy")
_LOWER_IS_BETTER = (*HEADLINE, "nll")
_COST = (
    Wording("parameters", "of the network in the form it is served in, without its head, in millions", Unit.NUMBER),
    Wording("GMAC", "multiply-adds for one picture, in thousand millions", Unit.NUMBER),
    Wording("images/s", "of the network alone: median, and the slowest and fastest run", Unit.NUMBER),
)


def main(study: Study) -> Table:
    """Networks by data sets; the order is that of the first data set."""
    columns = (*HEADLINE, "random_split_mae_years")
    best = {data.name: _best(study.on(data.name), columns) for data in study.data}
    called, tried = names(study), _tried(study)
    lines = []
    for k in _ranked(study):
        here = [tried.get((data.name, k)) for data in study.data]
        cells = [c for data, t in zip(study.data, here, strict=True) for c in _headline(t, columns, best[data.name])]
        some = next(trial for trial in here if trial is not None)
        chosen = study.chosen is not None and key(study.chosen) == k
        lines.append(Line(called[k], (*cells, *_cost(some)), chosen))
    guesses = [one for data in study.data for one in _guesses(study.on(data.name))]
    lines.append(Line("guessing the median", (*guesses, *[Cell("")] * len(_COST)), aside=True))
    heads = tuple(wording(name) for _ in study.data for name in columns) + _COST
    groups = (*((data.name, len(columns)) for data in study.data), ("cost", len(_COST)))
    return Table("network", heads, tuple(lines), groups)


def _ranked(study: Study) -> list[Key]:
    return list(dict.fromkeys(key(trial) for data in study.data for trial in study.on(data.name)))


def _tried(study: Study) -> dict[tuple[str, Key], Trial]:
    return {(trial.data, key(trial)): trial for trial in study.trials}


def _headline(trial: Trial | None, columns: Sequence[str], best: dict[str, float]) -> list[Cell]:
    if trial is None:
        return [Cell(NOTHING)] * len(columns)
    figures: dict[str, Figure | None] = {**trial.figures, "random_split_mae_years": trial.random_split_mae_years}
    return [cell(name, figures.get(name), best.get(name)) for name in columns]


def _guesses(trials: Sequence[Trial]) -> list[Cell]:
    told = trials[0].figures if trials else {}
    return [*(cell(name, told[name]) if name in told else Cell("") for name in _GUESSES), Cell("")]


def _cost(trial: Trial) -> tuple[Cell, ...]:
    size = trial.size
    return Cell(f"{size.parameters / 1e6:.1f} M"), Cell(f"{size.macs / 1e9:.2f}"), _speed(trial.speed)


def _speed(speed: Speed | None) -> Cell:
    if speed is None:
        return Cell(NOTHING)
    decimals = 0 if speed.images_per_s >= 10 else 1
    median, slowest, fastest = (f"{v:,.{decimals}f}" for v in (speed.images_per_s, speed.slowest, speed.fastest))
    return Cell(median, f"{slowest}–{fastest}")


def _best(trials: Iterable[Trial], columns: Sequence[str]) -> dict[str, float]:
    """The best value of each column in which one end is plainly better."""
    found: dict[str, float] = {}
    for name in columns:
        values = [t.figures[name].value for t in trials if name in t.figures]
        if name in _HIGHER_IS_BETTER and values:
            found[name] = max(values)
        if name in _LOWER_IS_BETTER and values:
            found[name] = min(values)
    return found


_AHEAD = Wording("best ahead", "the share of the draws of individuals in which the best errs less", Unit.SHARE)


def paired(study: Study, measures: Measures) -> Table:
    """Networks by data sets: the error minus that of the data set's best, on the same draws of individuals."""
    called, tried = names(study), _tried(study)
    lines = []
    for k in _ranked(study):
        cells = (_beside(study, data, tried.get((data.name, k)), measures) for data in study.data)
        lines.append(Line(called[k], tuple(chain.from_iterable(cells))))
    heads = (wording("difference_years"), _AHEAD) * len(study.data)
    groups = tuple((data.name, 2) for data in study.data)
    return Table("network", heads, tuple(lines), groups if len(groups) > 1 else ())


def _beside(study: Study, data: DataSet, trial: Trial | None, measures: Measures) -> tuple[Cell, Cell]:
    if trial is None:
        return Cell(NOTHING), Cell(NOTHING)
    best = study.on(data.name)[0]
    if trial is best:
        return Cell("best"), Cell("")
    found = measures.paired(best.judged, trial.judged, study.protocol.seed)
    return cell("difference_years", _turned(found.difference_years)), Cell(f"{100 * found.better:.1f}%")


def _turned(figure: Figure) -> Figure:
    """The difference the other way round."""
    low, high = figure.low, figure.high
    return Figure(-figure.value, None if high is None else -high, None if low is None else -low)


def near(study: Study, data: str) -> Table:
    """How near the estimates come, a line a trial."""
    there = {name for trial in study.on(data) for name in trial.figures}
    return _detail(study, data, [name for name in NEARNESS if name in there])


def sure(study: Study, data: str) -> Table:
    """How sure they are, and every figure that stands in no other table."""
    elsewhere = {*HEADLINE, *NEARNESS, *_GUESSES, *_TWICE}
    found = dict.fromkeys(name for trial in study.on(data) for name in trial.figures if name not in elsewhere)
    distribution = [name for name in ("nll", "pit_error") if name in found]
    others = [name for name in found if name not in (*distribution, *INTERVALS)]
    return _detail(study, data, [*distribution, *INTERVALS, *others])


def _detail(study: Study, data: str, columns: Sequence[str]) -> Table:
    trials, called = study.on(data), names(study)
    best = _best(trials, columns)
    lines = tuple(
        Line(called[key(t)], tuple(cell(n, t.figures.get(n), best.get(n)) for n in columns), is_chosen(study, t))
        for t in trials
    )
    return Table("network", tuple(wording(name) for name in columns), lines)
