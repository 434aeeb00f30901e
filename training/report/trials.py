"""How the trials of a study are told apart, and which of them a reader is shown closely."""

from __future__ import annotations

from collections.abc import Iterator

from training.results import DataSet, Study, Trial

Key = tuple[str, str, str]


def key(trial: Trial) -> Key:
    """What makes a trial the same on another data set."""
    return trial.network, trial.loss, trial.weights


def names(study: Study) -> dict[Key, str]:
    """What each trial is called: its network, and what else tells it from the others."""
    keys = list(dict.fromkeys(key(trial) for trial in study.trials))
    differ = [len({k[part] for k in keys}) > 1 for part in range(3)]
    return {k: " · ".join(part for i, part in enumerate(k) if i == 0 or differ[i]) for k in keys}


def is_chosen(study: Study, trial: Trial) -> bool:
    """Whether the bundle is made of this trial."""
    return study.chosen is not None and (study.chosen.data, key(study.chosen)) == (trial.data, key(trial))


def shown(study: Study) -> Iterator[tuple[DataSet, Trial]]:
    """Of each data set with a complete trial the chosen one, else the best."""
    for data in study.data:
        trials = study.on(data.name)
        if trials:
            yield data, next((trial for trial in trials if is_chosen(study, trial)), trials[0])
