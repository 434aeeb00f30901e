"""Images a second against error: what a faster network costs in years."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from station.bundles import Figure
from training.protocol import Row
from training.report.canvas import BLUE, MUTED, ORANGE, RULE, drawing
from training.report.speeds import Speeds

_COLOURS = {"float32": MUTED, "bf16": BLUE, "fp16": ORANGE}
_WIDTH_IN = 5.5
Spot = tuple[Row, Figure]


def plot(found: Speeds) -> str:
    """An SVG file; a side for each data set of the study, and where there is no study, speeds alone."""
    main = [row for row in found.rows if row.main]
    known = found.known.mae_years if found.known else {}
    sides = {
        data: [(row, errors[row.network]) for row in main if row.network in errors] for data, errors in known.items()
    }
    sides = {data: spots for data, spots in sides.items() if spots}
    return _against(sides) if sides else _alone(main)


def _against(sides: dict[str, list[Spot]]) -> str:
    says = "images a second of each network alone against its mean absolute error"
    with drawing("qps", says, 4.2, len(sides), _WIDTH_IN * len(sides)) as drawn:
        for axes, (data, spots) in zip(drawn.sides, sides.items(), strict=True):
            for row, error in spots:
                _spot(axes, row, error)
            _names(axes, spots)
            _legend(axes, [row for row, _ in spots])
            axes.set(ylabel="mean absolute error, years", title=data)
            _rates(axes)
    return drawn.svg


def _spot(axes: Axes, row: Row, error: Figure) -> None:
    colour = _COLOURS[row.precision]
    if error.low is not None and error.high is not None:
        axes.plot([row.alone.images_per_s] * 2, [error.low, error.high], color=RULE, lw=1.2, zorder=0)
    axes.plot([row.alone.slowest, row.alone.fastest], [error.value] * 2, color=colour, lw=1.2)
    axes.plot(row.alone.images_per_s, error.value, "o", color=colour, ms=5)


def _names(axes: Axes, spots: Sequence[Spot]) -> None:
    """Each network once, at its fastest."""
    fastest = {row.network: (row, error) for row, error in sorted(spots, key=lambda spot: spot[0].alone.images_per_s)}
    for name, (row, error) in fastest.items():
        axes.annotate(
            name, (row.alone.fastest, error.value), xytext=(5, 3), textcoords="offset points", annotation_clip=False
        )


def _alone(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(row.network for row in rows))
    with drawing("qps", "images a second of each network alone", 1.1 + 0.38 * len(names), width_in=_WIDTH_IN) as drawn:
        axes = drawn.axes
        for row in rows:
            height, colour = -names.index(row.network), _COLOURS[row.precision]
            axes.plot([row.alone.slowest, row.alone.fastest], [height] * 2, color=colour, lw=2)
            axes.plot(row.alone.images_per_s, height, "o", color=colour, ms=5)
        _legend(axes, rows)
        axes.set_yticks([-place for place in range(len(names))], names)
        axes.set_title("no study was named: there are no errors to draw against", color=MUTED)
        _rates(axes)
    return drawn.svg


def _rates(axes: Axes) -> None:
    axes.set(xscale="log", xlabel="images/s, the network alone")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:,g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _legend(axes: Axes, rows: Sequence[Row]) -> None:
    for precision in dict.fromkeys(row.precision for row in rows):
        axes.plot([], [], "o", color=_COLOURS[precision], ms=5, label=precision)
    axes.legend(frameon=False, loc="best")
