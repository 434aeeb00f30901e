"""The age pyramid of the faces a network was fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from training.faces import Faces
from training.folds import Indices, Numbers
from training.report.canvas import BLUE, drawing

_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
_STEPS_YEARS = (0.25, 0.5, 1, 2, 5, 10, 20)
_MOST_CLASSES = 16


def sexes(known: Faces) -> list[str]:
    """`female`, `male` or empty for each face, from the manifest's column `sex`."""
    return [_SEXES.get(row.extra.get("sex", "").strip().lower(), "") for row in known.rows]


def has_sexes(known: Faces) -> bool:
    """Whether the manifest tells the sex of any face."""
    return any(sexes(known))


def pyramid(name: str, known: Faces) -> str:
    """Females against males where the manifest tells the sexes, else individuals against faces."""
    step = _step(float(known.ages_years.max()))
    place = np.floor(known.ages_years / step).astype(np.intp)
    sides = _by_sex(place, known) if has_sexes(known) else _by_count(place, known)
    with drawing(name, f"age pyramid: {' against '.join(sides)}", 1.0 + 0.18 * (place.max() + 1), len(sides)) as drawn:
        for axes, (label, (counts, most)) in zip(drawn.sides, sides.items(), strict=True):
            axes.barh((np.arange(len(counts)) + 0.5) * step, counts, 0.86 * step, color=BLUE, alpha=0.75, lw=0)
            axes.set(xlim=(0, 1.05 * most), ylim=(0, len(counts) * step), xlabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, steps=[1, 2, 5, 10]))
        left, right = drawn.sides
        left.invert_xaxis()
        left.spines["left"].set_visible(False)
        left.set_yticks([])
        right.text(0, 1.03, "age, years", transform=right.transAxes, ha="right", va="bottom")
    return drawn.svg


_Sides = dict[str, tuple[Numbers, float]]
"""By label, left then right: the count in each age class and the most that the axis shows."""


def _by_sex(place: Indices, known: Faces) -> _Sides:
    sex = np.array(sexes(known))
    counts = {f"{which}s, faces": _faces(place, sex == which) for which in ("female", "male")}
    most = float(max(count.max() for count in counts.values()))
    return {label: (count, most) for label, count in counts.items()}


def _by_count(place: Indices, known: Faces) -> _Sides:
    faces = _faces(place, np.ones(len(place), np.bool_))
    _, owner = np.unique(known.individuals, return_inverse=True)
    once = np.unique(np.column_stack([owner, place]), axis=0)[:, 1]
    individuals = np.bincount(once, minlength=len(faces)).astype(np.float64)
    return {"individuals": (individuals, float(individuals.max())), "faces": (faces, float(faces.max()))}


def _faces(place: Indices, rows: npt.NDArray[np.bool_]) -> Numbers:
    return np.bincount(place[rows], minlength=int(place.max()) + 1).astype(np.float64)


def _step(oldest_years: float) -> float:
    return next((s for s in _STEPS_YEARS if oldest_years / s < _MOST_CLASSES), _STEPS_YEARS[-1])
