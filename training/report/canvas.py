"""Drawings that stand inside a page: one look for all, and the same bytes every time.

Letters are drawn as outlines, so that a page needs no font; colours are those of Okabe and Ito (2008), which people
with any colour vision tell apart.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

MUTED, RULE = "#666666", "#dddddd"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
WIDTH_IN = 4.0
"""384 pixels on a page: letters of 9 points come out as large as those of the tables."""
MANY = 4000
"""From here on, points are a picture inside the drawing: a page need not hold a hundred thousand circles."""

_LOOK = Path(__file__).with_name("look.mplstyle")
_NO_DATE = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(slots=True)
class Drawing:
    """Axes to draw on, side by side; afterwards `svg` is what to put into a page."""

    sides: tuple[Axes, ...]
    svg: str = field(default="")

    @property
    def axes(self) -> Axes:
        """The first, where there is one."""
        return self.sides[0]


@contextmanager
def drawing(
    name: str, says: str, height_in: float = 3.3, sides: int = 1, width_in: float = WIDTH_IN
) -> Iterator[Drawing]:
    """`name` is unique within a page; `says` is read aloud in the drawing's stead."""
    with style.context([_LOOK, {"svg.hashsalt": name}], after_reset=True):
        sheet = Sheet(figsize=(width_in, height_in), layout="constrained")
        drawn = Drawing(tuple(sheet.subplots(1, sides, squeeze=False)[0]))
        yield drawn
        file = io.StringIO()
        sheet.savefig(file, format="svg", metadata=_NO_DATE)
        drawn.svg = _inline(file.getvalue(), name, says)


def _inline(document: str, name: str, says: str) -> str:
    """The element alone, its ids unique in the page, numbers as fine as an eye can see."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]+"', _rounded, svg)
    svg = re.sub(r">\s+<", "><", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(says)}" ', 1)


def _rounded(attribute: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", attribute[0])
