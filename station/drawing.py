"""Faces of simulated giant pandas, drawn from soft ellipses by their signed distance; no photograph is needed.

Age works on a face as it does in the wild: fast in the first years, ever slower after, so that old ages are
harder to tell.  The same generator state gives the same pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from station.domain import Floats, Pixels

Colour = tuple[float, float, float]

_WHITE: Colour = (0.96, 0.95, 0.92)
_AGED: Colour = (0.76, 0.68, 0.51)
_BLACK: Colour = (0.065, 0.06, 0.065)
_RUSTY: Colour = (0.33, 0.26, 0.20)
_Window = tuple[slice, slice]
_WHOLE: _Window = (slice(None), slice(None))
_LUMA = np.array([0.30, 0.59, 0.11], np.float32)


@dataclass(frozen=True, slots=True)
class Mark:
    """A scar on the face, in face units (half a head is about 1); it shows from `from_years` on."""

    x: float
    y: float
    angle: float
    from_years: float


@dataclass(frozen=True, slots=True)
class Looks:
    """What tells an animal from others at any age; numbers after `marks` are about 0, deviation 1."""

    ageing: float
    """How old it looks for its age: a factor near 1, the bias that all its pictures share."""
    marks: tuple[Mark, ...]
    width: float
    patch_tilt: float
    patch_size: float
    patch_length: float
    ear_gap: float
    ear_size: float
    muzzle: float
    tint: float


@dataclass(frozen=True, slots=True)
class _Aged:
    """How age shows: two curves that rise from 0 at birth towards 1, ever slower."""

    years: float
    grown: float
    """The build: half way at 3 years."""
    worn: float
    """The coat and the eyes: half way at 12 years."""


def _aged(years: float) -> _Aged:
    years = max(0.0, years)
    return _Aged(years, float(1 - 2 ** (-years / 3)), float(1 - 2 ** (-years / 12)))


@dataclass(frozen=True, slots=True, eq=False)
class _Canvas:
    """A picture being painted in face units: x right, y down, the eyes about 0.4 from the middle."""

    pixels: Floats
    """3 x H x W, 0 to 1, painted in place."""
    x: Floats
    """H x W, the face's x at each pixel, turned with the head."""
    y: Floats
    to_pixels: Floats
    """2 x 3: from (x, y, 1) to pixel column and row."""

    def distance(self, x: float, y: float, rx: float, ry: float, angle: float = 0, at: _Window = _WHOLE) -> Floats:
        """Signed distance to an ellipse, negative inside, to first order (f / |grad f|), in face units."""
        dx, dy = self.x[at] - x, self.y[at] - y
        cos, sin = math.cos(angle), math.sin(angle)
        p, q = (cos * dx + sin * dy) / rx, (cos * dy - sin * dx) / ry
        radius = np.sqrt(p * p + q * q) + 1e-6
        slope = np.sqrt((p / rx) ** 2 + (q / ry) ** 2) + 1e-6
        return np.asarray(radius * (radius - 1) / slope, np.float32)

    def window(self, x: float, y: float, reach: float) -> _Window:
        """The rows and columns within `reach` of a point, and a little more: a turned head moves its middle."""
        (a, b, left), (c, d, top) = self.to_pixels.tolist()
        pixels = (reach + 0.16) * math.hypot(a, c)
        return _span(c * x + d * y + top, pixels, self.x.shape[0]), _span(a * x + b * y + left, pixels, self.x.shape[1])

    def fill(
        self,
        distance: Floats,
        colour: Colour | Floats,
        soft: float,
        opacity: float = 1.0,
        at: _Window = _WHOLE,
    ) -> None:
        """Paints where `distance` is negative, over an edge `soft` wide; `colour` is one or one a pixel."""
        alpha = np.clip(0.5 - distance / soft, 0, 1) * np.float32(opacity)
        part = self.pixels[:, *at]
        part += alpha * (_planes(colour) - part)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        *,
        angle: float = 0,
        soft: float = 0.03,
        opacity: float = 1.0,
    ) -> None:
        """Paints one ellipse, touching only the pixels about it."""
        window = self.window(x, y, max(rx, ry) + soft)
        self.fill(self.distance(x, y, rx, ry, angle, window), colour, soft, opacity, window)


def _planes(colour: Colour | Floats) -> Floats:
    """A colour as 3 x 1 x 1; one a pixel, 3 x H x W, stays."""
    return colour if isinstance(colour, np.ndarray) else np.array(colour, np.float32).reshape(3, 1, 1)


def _span(middle: float, reach: float, limit: int) -> slice:
    return slice(max(0, int(middle - reach)), min(limit, max(0, int(middle + reach) + 2)))


def face(looks: Looks, age_years: float, rng: Generator, *, night: bool, size_px: int) -> Pixels:
    """The face at an age, uint8 `size_px` x `size_px` x 3; `night` is infrared with flash.

    The draws from `rng` do not depend on looks or age: the same state gives the same pose, light and noise.
    """
    aged = _aged(age_years * looks.ageing)
    canvas = _posed(_forest(rng, size_px), rng)
    fur = _fur(canvas, rng)
    _paint_body(canvas, aged)
    _paint_ears(canvas, aged, looks)
    _paint_head(canvas, aged, looks, fur)
    for side in (-1, 1):
        _paint_eye(canvas, aged, looks, side, night)
    _paint_muzzle(canvas, aged, looks)
    _paint_marks(canvas, aged, looks)
    _paint_leaf(canvas, rng)
    return _developed(canvas.pixels, rng, night)


def _between(young: float, old: float, share: float) -> float:
    return young + (old - young) * share


def _mix(young: Colour, old: Colour, share: float) -> Colour:
    red, green, blue = (_between(a, b, share) for a, b in zip(young, old, strict=True))
    return red, green, blue


def _smoothing(outputs: int, inputs: int, sigma: float) -> Floats:
    """`outputs` x `inputs`: a Gaussian interpolation of a line, `sigma` in input steps."""
    spots = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    weights = np.exp(-0.5 * ((spots[:, None] - np.arange(inputs)) / sigma) ** 2)
    weights[weights < 1e-5] = 0  # denormal numbers are slow to multiply
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _smoothed(image: Floats, size_px: int, sigma: float) -> Floats:
    """3 x N x N to 3 x `size_px` x `size_px`, blurred by `sigma` in steps of the input."""
    matrix = _smoothing(size_px, image.shape[-1], sigma)
    return matrix @ (image.reshape(-1, image.shape[-1]) @ matrix.T).reshape(3, image.shape[1], size_px)


def _forest(rng: Generator, size_px: int) -> Floats:
    """Bamboo out of focus: soft stalks over mottled green, lighter above."""
    steps = 64
    y, x = np.mgrid[0:steps, 0:steps].astype(np.float32) / steps
    mottle = _smoothed(rng.standard_normal((3, 10, 10), np.float32), steps, 0.6)
    ground = _planes((0.20, 0.31, 0.15)) * (1.45 - 0.8 * y) + 0.07 * mottle.mean(0) + 0.02 * mottle
    for left, tilt, width, glow in rng.uniform((0, -0.25, 0.015, -0.1), (1, 0.25, 0.05, 0.25), (7, 4)).tolist():
        across = (x - left - tilt * (y - 0.5)) / width
        joint = 0.75 + 0.25 * np.abs(np.sin(9 * y + 20 * left))
        stalk = 0.75 * np.exp(-(across**4)) * joint
        ground = ground + stalk * (_planes((0.40, 0.50, 0.22)) + glow - ground)
    return _smoothed(np.clip(ground, 0.02, 1).astype(np.float32), size_px, float(rng.uniform(0.7, 2.2)))


def _posed(pixels: Floats, rng: Generator) -> _Canvas:
    """The canvas of a head that is turned, nods, leans, and is not quite in the middle."""
    size = pixels.shape[-1]
    lean, turn, nod = (
        rng.normal(size=3).clip(-2, 2) * (0.10, 0.09, 0.06)
    ).tolist()  # radians, and shares of half a head
    unit = 0.405 * size * float(np.exp(0.07 * rng.normal()))
    column, row = (size * (0.5 + rng.normal(size=2).clip(-2, 2) * 0.025)).tolist()
    cos, sin = unit * math.cos(lean), unit * math.sin(lean)
    to_pixels = np.array([[cos, -sin, column], [sin, cos, row]], np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    x = (cos * (columns - column) + sin * (rows - row)) / unit**2
    y = (cos * (rows - row) - sin * (columns - column)) / unit**2
    bulge = np.clip(1 - x * x - y * y, 0, 1)  # the middle of a round head moves most
    return _Canvas(pixels, x - turn * bulge, y - nod * bulge, to_pixels)


def _fur(canvas: _Canvas, rng: Generator) -> Floats:
    """H x W, about -1 to 1: strands that run outwards from the nose."""
    strands, rings = 360, 20
    table = rng.normal(size=(strands, rings)).astype(np.float32)
    table = (table + np.roll(table, 1, 1) + np.roll(table, 1, 0)) / np.sqrt(np.float32(3))
    turn = np.arctan2(canvas.y - 0.25, canvas.x) / (2 * np.pi) + 0.5
    radius = np.hypot(canvas.y - 0.25, canvas.x)
    bend = turn * strands + 3 * np.sin(9 * radius)
    rows, columns = bend.astype(np.int32) % strands, np.minimum(radius * 11, rings - 1).astype(np.int32)
    strand: Floats = np.tanh(table[rows, columns])
    return strand


def _paint_body(canvas: _Canvas, aged: _Aged) -> None:
    colour = _mix(_BLACK, _RUSTY, 0.6 * aged.worn)
    canvas.ellipse(0, 1.2, _between(0.8, 1.1, aged.grown), 0.62, colour, soft=0.12)


def _paint_ears(canvas: _Canvas, aged: _Aged, looks: Looks) -> None:
    size = _between(0.29, 0.215, aged.grown) * (1 + 0.09 * looks.ear_size)
    gap, top = 0.60 + 0.05 * looks.ear_gap, _between(-0.60, -0.66, aged.grown)
    black = _mix(_BLACK, _RUSTY, 0.7 * aged.worn)
    inner = _mix(black, (0.45, 0.38, 0.36), 0.35)
    for side in (-1, 1):
        canvas.ellipse(side * gap, top, size, size * 1.04, black, soft=0.07)
        canvas.ellipse(side * gap * 0.98, top + 0.04, size * 0.55, size * 0.6, inner, soft=0.12)


def _paint_head(canvas: _Canvas, aged: _Aged, looks: Looks, fur: Floats) -> None:
    """Round and short in cubs; longer, with heavy cheeks, in the old; the coat yellows and greys."""
    width = _between(0.76, 0.80, aged.grown) * (1 + 0.04 * looks.width)
    height = _between(0.70, 0.75, aged.grown) + 0.04 * aged.worn
    cheek = _between(0.40, 0.56, aged.grown) + 0.05 * aged.worn
    skull = canvas.distance(0, -0.08, width, height)
    jowls = canvas.distance(0, _between(0.22, 0.30, aged.grown), width * 1.05, cheek)
    near = np.clip(0.5 + (jowls - skull) / 0.4, 0, 1)  # smooth union (Quilez 2013)
    outline = jowls + near * (skull - jowls) - 0.2 * near * (1 - near)
    outline = outline + _between(0.055, 0.025, aged.grown) * fur
    coat = _planes(_mix(_WHITE, _AGED, 0.9 * aged.worn)) * (1 + (1 + looks.tint) * _planes((0.006, -0.006, -0.045)))
    shade = 1 - 0.16 * np.clip(canvas.y + 0.1, -0.5, 1) - 0.10 * np.clip(1 + outline / 0.25, 0, 1)
    strand = 1 + (0.025 + 0.06 * aged.worn) * fur
    canvas.fill(outline, shade * strand * coat, 0.05)


def _paint_eye(canvas: _Canvas, aged: _Aged, looks: Looks, side: int, night: bool) -> None:
    """The patch and the eye in it: large and low in cubs; rusty, with heavy lids and bags, in the old."""
    x, y = side * _between(0.34, 0.36, aged.grown), _between(0.06, -0.06, aged.grown)
    size = _between(0.245, 0.185, aged.grown) * (1 + 0.09 * looks.patch_size)
    tilt = -side * (0.62 + 0.20 * looks.patch_tilt)
    long = size * (1.32 + 0.11 * looks.patch_length)
    patch = _mix(_BLACK, _RUSTY, aged.worn)
    canvas.ellipse(x + side * 0.02, y + 0.04, size, long, patch, angle=tilt, soft=0.06)
    canvas.ellipse(
        x,
        y + 0.13,
        size * 0.7,
        0.035,
        _mix(patch, _AGED, 0.5),
        angle=side * 0.3,
        soft=0.06,
        opacity=0.7 * aged.worn,
    )
    eye = _between(0.108, 0.066, aged.grown)
    canvas.ellipse(x, y, eye, eye, _mix((0.24, 0.13, 0.07), (0.36, 0.31, 0.27), aged.worn), soft=0.02)
    pupil = (0.93, 0.95, 0.90) if night else (0.015, 0.012, 0.015)  # at night the eyes shine
    canvas.ellipse(x, y, eye * 0.68, eye * 0.68, pupil, soft=0.02)
    canvas.ellipse(x - 0.3 * eye, y - 0.35 * eye, eye * 0.28, eye * 0.28, (1, 1, 1), soft=0.015)
    lid = eye * _between(1.75, 1.15, aged.worn)
    canvas.ellipse(x, y - lid, eye * 1.1, eye * 0.8, patch, angle=side * 0.4 * aged.worn, soft=0.02)


def _paint_muzzle(canvas: _Canvas, aged: _Aged, looks: Looks) -> None:
    """Small in cubs; broad and long later, and stained in the old; the nose goes from pink-black to grey."""
    size = _between(0.66, 1.12, aged.grown) * (1 + 0.06 * looks.muzzle)
    y = _between(0.34, 0.38, aged.grown)
    fur = _mix(_mix(_WHITE, (1, 1, 1), 0.5), (0.66, 0.57, 0.44), 0.9 * aged.worn)
    canvas.ellipse(0, y + 0.05 * size, 0.36 * size, 0.29 * size, _mix(fur, _BLACK, 0.25), soft=0.14, opacity=0.5)
    canvas.ellipse(0, y + 0.02, 0.34 * size, 0.26 * size, fur, soft=0.12)
    nose = _mix((0.10, 0.075, 0.08), (0.25, 0.22, 0.21), aged.worn)
    canvas.ellipse(0, y - 0.10 * size, 0.135 * size, 0.078 * size, nose, soft=0.025)
    canvas.ellipse(0, y - 0.055 * size, 0.075 * size, 0.065 * size, nose, soft=0.025)
    canvas.ellipse(-0.03 * size, y - 0.135 * size, 0.06 * size, 0.02 * size, (0.75, 0.75, 0.78), soft=0.03, opacity=0.6)
    canvas.ellipse(0, y + 0.05 * size, 0.010, 0.07 * size, nose, soft=0.02)
    for side in (-1, 1):
        x, corner = side * 0.085 * size, y + 0.085 * size
        window = canvas.window(x, corner, 0.12 * size)
        line = np.abs(canvas.distance(x, corner - 0.01 * size, 0.088 * size, 0.06 * size, at=window)) - 0.010
        canvas.fill(line + np.clip((corner - canvas.y[window]) * 20, 0, 1), nose, 0.02, 0.9, at=window)


def _paint_marks(canvas: _Canvas, aged: _Aged, looks: Looks) -> None:
    """Scars, each coming in over the years after its fight."""
    for mark in looks.marks:
        seen = float(np.clip((aged.years - mark.from_years) / 3, 0, 1))
        canvas.ellipse(
            mark.x, mark.y, 0.10, 0.011, (0.45, 0.30, 0.26), angle=mark.angle, soft=0.03, opacity=0.75 * seen
        )


def _paint_leaf(canvas: _Canvas, rng: Generator) -> None:
    """Now and then a bamboo leaf before the lens."""
    x, y, angle, chance = rng.uniform((-1.1, -1.1, -1.5, 0), (1.1, 1.1, 1.5, 1))
    opacity = 0.85 if chance < 0.25 else 0.0
    canvas.ellipse(x, y, 0.5, 0.055, (0.30, 0.46, 0.16), angle=angle, soft=0.09, opacity=opacity)


def _developed(scene: Floats, rng: Generator, night: bool) -> Pixels:
    """The scene as the camera keeps it: light, blur and noise; infrared is grey, bright in the middle, noisier."""
    size = scene.shape[-1]
    gain, warmth, slope, blur, noise = rng.uniform(
        (0.72, -0.05, -0.25, 0.3, 0.01), (1.08, 0.08, 0.25, 1.8, 0.04)
    ).tolist()
    grain = noise * rng.standard_normal(scene.shape, np.float32)
    scene = _smoothed(scene, size, blur * size / 256)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    if night:
        flash = np.exp(-1.1 * (line[:, None] ** 2 + line**2)) * (gain * 1.15)
        grey = np.tensordot(_LUMA, scene, 1) ** 0.9 * flash + 0.03 + 2.2 * grain[0]
        scene = np.stack([grey] * 3)
    else:
        light = gain * (1 + slope * line) * _planes((1 + warmth, 1, 1 - warmth))
        scene = scene * light + grain
    return np.ascontiguousarray((np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
