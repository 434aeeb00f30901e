"""What is said of a study beyond the figures its trials carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from station.bundles import Figure
from training.judged import Judged

Figures = Mapping[str, Figure]


class OfIndividual(Protocol):
    """How one individual fared."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def faces(self) -> int: ...  # noqa: D102
    @property
    def mae_years(self) -> float: ...  # noqa: D102
    @property
    def bias_years(self) -> float: ...  # noqa: D102
    @property
    def coverage(self) -> tuple[float | None, ...]:
        """The share of its pictures inside the interval, at each of `LEVELS`; None: unknown."""


class Paired(Protocol):
    """Two judgements of the same faces on the same draws of individuals."""

    @property
    def difference_years(self) -> Figure:
        """Of the mean absolute errors, the first less the second."""

    @property
    def better(self) -> float:
        """The share of the draws in which the first errs less."""


@dataclass(frozen=True, slots=True)
class Measures:
    """The sentences of `training.findings`, and the functions of `training.metrics` and `paired` a report calls."""

    findings: tuple[str, ...]
    by_stage: Callable[[Judged, int], Mapping[str, Figures]]
    by_individual: Callable[[Judged], Sequence[OfIndividual]]
    paired: Callable[[Judged, Judged, int], Paired]
