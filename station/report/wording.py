"""How the report writes numbers, days and lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from station.headcount import Range

NOTHING = "–"


def day(iso: str) -> str:
    """`30 June 2026`."""
    on = date.fromisoformat(iso)
    return f"{on.day} {on:%B %Y}"


def short_day(iso: str) -> str:
    """`30 Jun 2026`."""
    on = date.fromisoformat(iso)
    return f"{on.day} {on:%b %Y}"


def day_and_month(iso: str) -> str:
    """`30 Jun`."""
    on = date.fromisoformat(iso)
    return f"{on.day} {on:%b}"


def span(low: float, high: float, decimals: int = 0) -> str:
    """`4–7`."""
    return f"{low:.{decimals}f}–{high:.{decimals}f}"


def counted(of: Range) -> str:
    """`5 (4–7)`; where nothing is in doubt, `5`."""
    return f"{of.likely}" if of.low == of.high else f"{of.likely} ({of.low}–{of.high})"


def number(value: float) -> str:
    """Whole."""
    return f"{value:.0f}"


def rate(of: float | None) -> str:
    """Of 100 nights."""
    if of is None:
        return NOTHING
    return f"{of:.1f}" if of < 100 else f"{of:,.0f}"


def moment(iso: str) -> str:
    """`30 June 2026, 18:02 UTC`."""
    at = datetime.fromisoformat(iso)
    return f"{at.day} {at:%B %Y, %H:%M} {at.tzname() or ''}".strip()


def years(age: float) -> str:
    """Young ages to the month or so, old ones to the half year."""
    return f"{age:.1f}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 face`, `7 faces`, `12,000 faces`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(items: Sequence[str], most: int = 12) -> str:
    """`Bao, Mei and Xin`; of many the first, and how many more."""
    shown = list(items[:most])
    if len(items) > most:
        return f"{', '.join(shown)} and {len(items) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
