"""A table of the page: figures as cells of text."""

from __future__ import annotations

from dataclasses import dataclass

from station.bundles import Figure
from training.report.wording import NOTHING, Wording, interval, number, wording


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and, smaller, its interval or what else belongs to it."""

    text: str
    beside: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table."""

    name: str
    cells: tuple[Cell, ...]
    chosen: bool = False
    aside: bool = False
    """Not one of the things compared, but what they are compared with."""


@dataclass(frozen=True, slots=True)
class Table:
    """`groups`: a label and the number of columns under it, where columns belong together."""

    of: str
    heads: tuple[Wording, ...]
    lines: tuple[Line, ...]
    groups: tuple[tuple[str, int], ...] = ()

    @property
    def meanings(self) -> tuple[tuple[str, str], ...]:
        """What the heads mean: labels, and the meaning they share."""
        labels: dict[str, dict[str, None]] = {}
        for head in self.heads:
            if head.meaning:
                labels.setdefault(head.family or head.meaning, {})[head.label] = None
        return tuple((", ".join(of), meaning) for meaning, of in labels.items())


def cell(name: str, figure: Figure | None, best: float | None = None) -> Cell:
    """A figure with its interval; `best`: the value that is printed bold."""
    if figure is None:
        return Cell(NOTHING)
    unit = wording(name).unit
    return Cell(number(figure.value, unit), interval(figure, unit), figure.value == best)
