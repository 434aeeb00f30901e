"""What the page says in sentences of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from station import species
from training.report.trials import key, names, shown
from training.report.wording import count, in_words, spelled
from training.results import Study


def animal(name: str) -> str:
    """The species in words."""
    known = species.find(name)
    return known.name if known else name.replace("_", " ")


def title(study: Study) -> str:
    """Of the page and of the window."""
    return f"Age from the face: {animal(study.protocol.species)}"


def abstract(study: Study) -> str:
    """What was done."""
    networks = len({trial.network for trial in study.trials})
    losses = len({trial.loss for trial in study.trials})
    with_losses = f" with {spelled(losses, 'loss', 'losses')}" if losses > 1 else ""
    sets = [
        f"{data.name} ({count(len(data.fold), 'face')} of "
        f"{count(len(np.unique(data.known.individuals)), 'individual')})"
        for data in study.data
    ]
    on = "" if len(sets) == 1 else f"{spelled(len(sets), 'data set')}: "
    return (
        f"{spelled(networks, 'network').capitalize()} {'was' if networks == 1 else 'were'} fitted{with_losses} on "
        f"{on}{_listed(sets)}. In {spelled(study.protocol.folds, 'fold')}, the same for all, every face was judged by "
        "a network that had seen no picture of its individual: not in fitting, not in deciding when to stop, not in "
        "calibration."
    )


def made(study: Study) -> str:
    """When, and whether all is there."""
    at = datetime.fromisoformat(study.protocol.created_at)
    done = len(study.trials)
    missing = (
        "" if done >= study.planned else f" {done} of {study.planned} fits are complete; a dash marks what is missing."
    )
    return f"{at.day} {at:%B %Y, %H:%M} {at.tzname() or ''}".strip() + "." + missing


def grouped(findings: Sequence[str], data: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Findings by the data set they begin with the name of; those of none first."""
    groups: dict[str, list[str]] = {"": []}
    for finding in findings:
        of = next((name for name in data if finding.startswith(f"{name}: ")), "")
        text = finding.removeprefix(f"{of}: ") if of else finding
        groups.setdefault(of, []).append(text)
    return [(of, texts) for of, texts in groups.items() if texts]


def chosen(study: Study) -> str:
    """What the bundle is made of; empty where nothing was chosen."""
    if study.chosen is None:
        return ""
    name = names(study)[key(study.chosen)]
    error = in_words("mae_years", study.chosen.figures["mae_years"])
    on = f" on {study.chosen.data}" if len(study.data) > 1 else ""
    return f"Chosen for the bundle: {name}{on}, with a mean absolute error of {error} years."


def closer(study: Study) -> str:
    """Whose plots these are."""
    called = names(study)
    of = {data.name: called[key(trial)] for data, trial in shown(study)}
    if len(set(of.values())) == 1:
        whose = next(iter(of.values()))
    else:
        whose = _listed([f"{name} on {data}" for data, name in of.items()])
    return f"Shown is {whose}. Every estimate is of an individual that the network had not seen."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
