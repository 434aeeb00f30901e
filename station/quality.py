"""How good a picture of a face is, by its crop: large, sharp and well lit enough to tell an age by.  Pure numpy.

Each measure is the better the higher it is; a bundle's card gives limits for them by these names:

*size_px*: the longer side of the face's box, in pixels of the full picture;
*sharpness*: how much of the contrast lies in fine detail (the variance of the Laplacian by that of the grey values;
after Pech-Pacheco et al. 2000), on the face brought to one size, so that enlarged faces count as blurred;
*light*: how bright the brightest part is, 0 to 1; *unclipped*: the share of pixels that are not plain white.

Pose is not measured: by how alike their two halves are, half of the faces in profile could be found only together
with a quarter of the frontal ones (61 heads of pandas).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from station.domain import Flaw, Floats, Pixels

MEASURED_PX = 96
"""The side that a face is brought to before its detail is measured."""
LIMITS: Mapping[str, float] = {"size_px": 24.0, "sharpness": 0.006, "light": 0.15, "unclipped": 0.6}
"""The station's own, where a bundle gives none."""
GOOD: Mapping[str, float] = {"size_px": 96.0, "sharpness": 0.06, "light": 0.6, "unclipped": 0.95}
"""From here on nothing is missing."""
_FLAWS = {
    "size_px": Flaw.TOO_SMALL, "light": Flaw.TOO_DARK, "unclipped": Flaw.OVEREXPOSED, "sharpness": Flaw.BLURRED,
}  # fmt: skip
_WHITE, _BRIGHTEST = 250.0, 98
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one face."""

    size_px: float
    sharpness: float
    light: float
    unclipped: float

    @property
    def score(self) -> float:
        """0 to 1: of the measure that is worst."""
        return min(min(1.0, max(0.0, float(getattr(self, name)) / good)) for name, good in GOOD.items())

    def flaw(self, limits: Mapping[str, float]) -> Flaw | None:
        """The first reason why it cannot be used; `limits` go before the station's own."""
        for name, flaw in _FLAWS.items():
            if getattr(self, name) < limits.get(name, LIMITS[name]):
                return flaw
        return None


def measured(crop: Pixels, face_px: float, margin: float) -> Quality:
    """Of a square crop, uint8 3 x S x S, with a face of `face_px` pixels and this margin around it."""
    grey = _inside(np.tensordot(_LUMA, crop.astype(np.float32), 1), margin)
    small = _resized(grey, MEASURED_PX)
    detail = small[1:-1, :-2] + small[1:-1, 2:] + small[:-2, 1:-1] + small[2:, 1:-1] - 4 * small[1:-1, 1:-1]
    contrast = float(small.var())
    return Quality(
        size_px=face_px,
        sharpness=float(detail.var()) / contrast if contrast > 1.0 else 0.0,
        light=float(np.percentile(grey, _BRIGHTEST)) / 255,
        unclipped=1.0 - float((grey >= _WHITE).mean()),
    )


def _inside(grey: Floats, margin: float) -> Floats:
    """The face without what is around it."""
    side = grey.shape[0]
    edge = round(side * margin / (1 + 2 * margin))
    return grey[edge : side - edge, edge : side - edge]


def _resized(grey: Floats, side_px: int) -> Floats:
    """By area where it is larger, linearly where it is smaller."""
    return np.asarray(_along(_along(grey, side_px).T, side_px).T, np.float32)


def _along(rows: Floats, count: int) -> Floats:
    """The rows as so many, each the mean of those that it stands for."""
    edges = np.linspace(0, len(rows), count + 1)
    summed = np.concatenate([np.zeros((1, rows.shape[1]), np.float32), np.cumsum(rows, axis=0, dtype=np.float64)])
    at = np.minimum(edges.astype(int), len(rows) - 1)
    upto = summed[at] + (edges - at)[:, None] * (summed[at + 1] - summed[at])
    return np.asarray(np.diff(upto, axis=0) / np.diff(edges)[:, None], np.float32)
