"""Figures and lists as they stand in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from station.bundles import Figure


def years(figure: Figure, sign: int = 1) -> str:
    """`4.52 years (4.10 to 5.00)`; with a sign of -1 the other way round."""
    value = f"{_two(sign * figure.value)} years"
    if figure.low is None or figure.high is None:
        return value
    low, high = sorted((sign * figure.low, sign * figure.high))
    return f"{value} ({_two(low)} to {_two(high)})"


def _two(value: float) -> str:
    """Two decimals, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"


def plain(figure: Figure) -> str:
    """`0.71 (0.65 to 0.77)`."""
    return years(figure).replace(" years", "")


def percent(figure: Figure) -> str:
    """`91% (87% to 94%)`."""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.0%}"
    return f"{figure.value:.0%} ({figure.low:.0%} to {figure.high:.0%})"


def count(number: int, noun: str) -> str:
    """`1 individual`, `7 individuals`."""
    return f"{number} {noun}{'s'[: number != 1]}"


def listed(items: Sequence[str], most: int = 12) -> str:
    """`a`, `a and b`, `a, b and c`; beyond `most`, how many more."""
    shown = [*items[:most], *([f"{len(items) - most} more"] if len(items) > most else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
