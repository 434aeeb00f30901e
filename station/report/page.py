"""The page of a census: one file that needs nothing else, the same bytes for the same census.

Names come from people and folders: the template escapes all text, and only drawings made here pass as markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from station.census import Census
from station.report import sentences, wording
from station.report.pyramid import ages, pyramid
from station.report.timelines import timelines


def page(of: Census, portraits: Mapping[str, str]) -> str:
    """As HTML; `portraits`: by individual, an address that holds the picture."""
    room = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    room.globals |= {"word": wording, "say": sentences}
    faces = [(one, portraits[one.id]) for one in of.individuals if one.id in portraits]
    return room.get_template("census.html").render(
        of=of,
        faces=faces,
        pyramid=pyramid(of),
        ages={stage.name: ages(stage) for stage in of.stages},
        lines=timelines(of),
        tiles=_tiles(of),
        most_nights=max((one.nights for one in of.effort), default=0) or 1,
    )


def _tiles(of: Census) -> list[tuple[str, str, str]]:
    """The figures to read first: number, bracket, what it is."""
    nights = sum(one.nights for one in of.effort)
    detections = sum(one.detections for one in of.effort)
    doubt = "" if of.total.low == of.total.high else f"{of.total.low}–{of.total.high}"
    overdue = sum(one.overdue_since is not None for one in of.individuals)
    return [
        (str(of.total.likely), doubt, f"seen in {of.window_days} days"),
        (str(sum(one.seen_tonight for one in of.individuals)), "", "seen that day"),
        (str(sum(one.new for one in of.individuals)), "", "new"),
        (str(overdue), "", "overdue"),
        (f"{nights:,}", "", "trap nights"),
        (wording.rate(100 * detections / nights if nights else None), "", "faces per 100 nights"),
    ]
