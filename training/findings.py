"""What a study shows, in words for people who know animals better than statistics: rules over its figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training.conduct import as_sure_as_it_says, drawn_to_the_middle, repeated_pictures
from training.limits import FEW, doubtful_ages, limits, one_age_each
from training.paired import beside_guessing, paired
from training.results import DataSet, Study, Trial
from training.words import count, listed, years

MATTERS = 0.1
"""A tenth of the error: a smaller change would not alter what anyone does with an estimate."""
SURE = 0.025
"""How often draws may speak against a difference, to each side, for all comparisons together (Bonferroni)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """Of one data set: `best` is what the bundle is made of, or else the network with the least error."""

    data: DataSet
    best: Trial
    trials: tuple[Trial, ...]
    seed: int

    def name(self, trial: Trial) -> str:
        """The network, with what else tells it from the others."""
        more = []
        if len({t.loss for t in self.trials}) > 1:
            more.append(trial.loss)
        if len({t.weights for t in self.trials}) > 1:
            more.append(f"weights {trial.weights}")
        return f"{trial.network} ({', '.join(more)})" if more else trial.network


def findings(study: Study) -> tuple[str, ...]:
    """Each a sentence or two, what matters most first; where there are several data sets, with the name of its own."""
    said = list(_unfinished(study))
    for data in study.data:
        prefix = f"{data.name}: " if len(study.data) > 1 else ""
        said += [prefix + text for text in _of_data(study, data)]
    return tuple(said)


def _unfinished(study: Study) -> Iterator[str]:
    if len(study.trials) < study.planned:
        yield (
            f"The study is not finished: {len(study.trials)} of {count(study.planned, 'fit')} are complete, and what "
            "follows rests on these."
        )


def _of_data(study: Study, data: DataSet) -> Iterator[str]:
    """What casts doubt stands right after what it casts doubt on."""
    trials = study.on(data.name)
    if not trials:
        yield "Nothing has been fitted yet."
        return
    chosen = study.chosen if study.chosen is not None and study.chosen.data == data.name else trials[0]
    seed, judged, figures = study.protocol.seed, chosen.judged, chosen.figures
    evidence = _Evidence(data, chosen, trials, seed)
    yield from _learnt(evidence)
    yield from limits(judged)
    yield from doubtful_ages(data.known)
    yield from _leaks(evidence)
    yield from drawn_to_the_middle(judged, figures, seed)
    yield from as_sure_as_it_says(judged, figures)
    yield from repeated_pictures(judged, seed)
    yield from _told_apart(evidence)
    yield from _twins(evidence)


def _learnt(e: _Evidence) -> Iterator[str]:
    figures, beside = e.best.figures, beside_guessing(e.best.judged, e.seed)
    guess = figures["median_guess_mae_years"]
    yield (
        f"On individuals it had not seen, {e.name(e.best)} errs by {years(figures['mae_years'])} on average; guessing "
        f"the median age errs by {years(guess)}. In brackets: 95% intervals over individuals."
    )
    gain, gained = years(beside.difference_years, -1), -beside.difference_years.value
    animals = len(np.unique(e.best.judged.individuals))
    if not beside.certain:
        yield f"What the network gains over guessing, {gain}, may be chance: nothing was shown to be learnt."
    elif gained < 0:
        yield f"The network is worse than guessing by {years(beside.difference_years)}: it must not be used."
    elif animals < FEW:
        yield (
            f"On these {count(animals, 'individual')} the network is better than guessing by {gain}. That is a hint "
            f"and no proof: it takes some {FEW} individuals to be sure of others."
        )
    elif gained < MATTERS * guess.value:
        yield f"The network is better than guessing by {gain}: it has learnt something about age, but very little."
    else:
        yield f"The network is better than guessing by {gain}: it has learnt something about age, beyond chance."


def _leaks(e: _Evidence) -> Iterator[str]:
    honest, leaky = e.best.same_faces_mae_years or e.best.figures["mae_years"], e.best.random_split_mae_years
    if leaky is None:
        return
    gap = honest.value - leaky.value
    if gap < MATTERS * honest.value:
        yield (
            f"Identity leaks little or not at all: with pictures of one individual on both sides of the split the same "
            f"network errs by {years(leaky)}, on the same faces of unseen individuals by {years(honest)}."
        )
        return
    yield (
        f"Identity leaks: with pictures of one individual on both sides of the split the same network seems to err by "
        f"only {years(leaky)}, on the same faces of unseen individuals by {years(honest)}. The {gap:.2f} years between "
        f"({gap / honest.value:.0%}) come of recognising individuals, not of seeing age; for animals it has never met "
        "only the larger figure holds."
    )
    if one_age_each(e.best.judged.ages_years, e.best.judged.individuals):
        yield "Nearly every individual has a single age here, so to recognise it is to know its age."


def _told_apart(e: _Evidence) -> Iterator[str]:
    others = [trial for trial in e.trials if trial is not e.best]
    if not others:
        return
    sets: dict[str, list[str]] = {"surely worse": [], "surely better": [], "not to be told apart from it": []}
    worse, better, alike = sets.values()
    sure = SURE / len(others)
    for trial in others:
        beside = paired(e.best.judged, trial.judged, e.seed)
        found = worse if beside.better >= 1 - sure else better if beside.better <= sure else alike
        found.append(f"{e.name(trial)} ({-beside.difference_years.value:+.2f} years)")
    told = "; ".join(f"{word}: {listed(names)}" for word, names in sets.items() if names)
    yield f"Beside {e.name(e.best)}, on the same draws of individuals, are {told}."
    if not better:
        yield (
            f"{e.name(e.best)} was chosen among {len(e.trials)} by the very figures it is quoted with: on new "
            "individuals it will do a little less well."
        )


def _twins(e: _Evidence) -> Iterator[str]:
    if not e.data.twins:
        return
    known, nearest = e.data.known, min(e.data.twins, key=lambda twin: twin.distance_bits)
    one, other = (f"{known.rows[row].path.name} of {known.individuals[row]}" for row in (nearest.one, nearest.other))
    yield (
        f"{count(len(e.data.twins), 'pair')} of pictures that look the same stand in different folds, such as {one} "
        f"and {other}: see whether one individual has two names.{_without_twins(e)}"
    )


def _without_twins(e: _Evidence) -> str:
    """The error without them, where the faces were judged in the order in which they are known."""
    judged, involved = e.best.judged, sorted({row for twin in e.data.twins for row in (twin.one, twin.other)})
    errors = np.abs(judged.errors_years)
    if not np.array_equal(judged.individuals, e.data.known.individuals) or len(involved) == len(errors):
        return ""
    rest = np.delete(errors, involved).mean()
    leant = ": the figures lean on them" if abs(rest - errors.mean()) >= MATTERS * errors.mean() else ""
    return f" Without them the error is {rest:.2f} years{leant}."
