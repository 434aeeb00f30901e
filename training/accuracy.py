"""The errors of networks as a study found them, read from its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.bundles import Figure
from training.plan import StudyError

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of the networks of a study: `mae_years` by data set, then by network, that of its best loss."""

    mae_years: Mapping[str, Mapping[str, Figure]]
    input_px: int | None

    @property
    def networks(self) -> tuple[str, ...]:
        """All that have an error, each once."""
        return tuple(dict.fromkeys(name for errors in self.mae_years.values() for name in errors))


def of_study(folder: Path) -> Accuracy:
    """What `training study --out folder` wrote.  Raises `StudyError`."""
    file = folder / RESULTS
    try:
        whole = json.loads(file.read_text())
        return Accuracy(_errors(whole), whole["protocol"]["input_px"])
    except OSError as error:
        raise StudyError(
            f"{file} cannot be read: {error.strerror}; name the folder of a study that has ended"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{file} is not what a study writes ({error!r}): make it anew with --resume") from error


def _errors(whole: Mapping[str, Any]) -> dict[str, dict[str, Figure]]:
    errors: dict[str, dict[str, Figure]] = {data["name"]: {} for data in whole["data"]}
    for trial in whole["trials"]:
        figure = Figure(**trial["figures"]["mae_years"])
        known = errors[trial["data"]].setdefault(trial["network"], figure)
        if figure.value < known.value:
            errors[trial["data"]][trial["network"]] = figure
    return {data: found for data, found in errors.items() if found}
