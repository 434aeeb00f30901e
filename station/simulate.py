"""A simulated reserve with known truth, for `station demo` and for tests: animals, portraits of them, a season.

Every animal has looks of its own; age works on them as it does in the wild: fast in the first years, ever slower
after, so that old ages are harder to tell.  The faces are drawn from soft ellipses by their signed distance; no
photograph is needed.  The same seed gives the same bytes.  Nothing measured here says how well real ages are told.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator

from station.domain import Floats, Pixels
from station.pictures import save_jpeg

Sex = Literal["female", "male"]
Kind = Literal["good", "truncated", "empty", "text", "copy", "clock"]
Colour = tuple[float, float, float]

ZONE = timezone(timedelta(hours=8))
_MODEL = "Simulated trail camera"
_DAYS_PER_YEAR = 365.25
_NAMES = (
    "Bao", "Lian", "Mei", "Xing", "Tao", "Yun", "Hua", "Feng", "Jing", "Long", "Qiao", "Ling", "Shan", "Zhu",
    "Ping", "An", "Le", "Xue", "Hai", "Ming", "Ya", "Chun", "Rui", "Song", "Dan", "Fu", "Gui", "He", "Jia",
    "Kai", "Lu", "Nan", "Peng", "Qing", "Shu", "Tian", "Wei", "Xi", "Yi", "Zhen",
)  # fmt: skip
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
class Animal:
    """One simulated giant panda."""

    name: str
    sex: Sex
    born_on: date
    looks: Looks

    def age_years(self, on: date) -> float:
        """Its true age in years; negative before its birth."""
        return (on - self.born_on).days / _DAYS_PER_YEAR


@dataclass(frozen=True, slots=True)
class Reserve:
    """The animals alive on a day, in no order of age."""

    today: date
    animals: tuple[Animal, ...]


def reserve(seed: int, animals: int, today: date, *, youngest_years: float = 0.3, oldest_years: float = 28) -> Reserve:
    """A reserve of up to 1600 animals, of ages from youngest to oldest, a little denser when young."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, 1, animals) ** 1.25
    ages = rng.permutation(youngest_years + (oldest_years - youngest_years) * steps)
    names = rng.permutation(_names(animals))
    days = [round(float(years) * _DAYS_PER_YEAR) for years in ages]
    born = [today - timedelta(days=count) for count in days]
    return Reserve(today, tuple(_animal(str(name), day, rng) for name, day in zip(names, born, strict=True)))


def _names(count: int) -> list[str]:
    """Distinct names: short ones first, then pairs of them (`Baolian`), 1600 in all."""
    pairs = [first + second.lower() for first in _NAMES for second in _NAMES if first != second]
    return [*_NAMES, *pairs][:count]


def _animal(name: str, born_on: date, rng: Generator) -> Animal:
    sex: Sex = "female" if rng.random() < 0.5 else "male"
    traits = rng.normal(size=8).clip(-2, 2).tolist()
    traits[0] += 0.4 if sex == "male" else -0.4
    marks = tuple(
        Mark(float(x), float(y), float(angle), float(start))
        for x, y, angle, start in rng.uniform((-0.55, -0.5, -1.5, 4), (0.55, 0.5, 1.5, 24), (4, 4))
    )
    looks = Looks(float(np.exp(0.25 * rng.normal())), marks, *traits)
    return Animal(name, sex, born_on, looks)


# --- portraits ------------------------------------------------------------------------------------------------


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


def portrait(animal: Animal, on: date, rng: Generator, *, night: bool, size_px: int = 256) -> Pixels:
    """Its face on a day, uint8 `size_px` x `size_px` x 3; `night` is infrared with flash.

    The draws from `rng` do not depend on animal or day: the same state gives the same pose, light and noise.
    """
    looks = animal.looks
    aged = _aged(animal.age_years(on) * looks.ageing)
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


# --- pictures of a life, and of a season ----------------------------------------------------------------------


def manifest(
    animals: Sequence[Animal], rng: Generator, folder: Path, per_animal: int, today: date, *, size_px: int = 256
) -> Path:
    """Writes `per_animal` pictures of each animal, spread over its life so far, and `manifest.csv` for training.

    Returns the manifest's path; the pictures lie in `images/` beside it.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("path", "individual", "born_on", "captured_at"))
        for animal in animals:
            for number, moment in enumerate(_life(animal, rng, per_animal, today), start=1):
                picture = f"images/{animal.name}_{number:03}.jpg"
                (folder / picture).write_bytes(_photograph(animal, moment, rng, size_px, offset=True))
                rows.writerow((picture, animal.name, animal.born_on.isoformat(), moment.isoformat()))
    return path


def _life(animal: Animal, rng: Generator, count: int, today: date) -> Iterator[datetime]:
    """Moments from its third month to the day before `today`, one in each equal part of its life."""
    days = (today - animal.born_on).days
    first = min(60, days // 2)
    for share in (np.arange(count) + rng.random(count)) / count:
        day = animal.born_on + timedelta(days=first + int(float(share) * (days - first)))
        yield _moment(day, rng)


def _moment(day: date, rng: Generator) -> datetime:
    """A time of that day when pandas are about: mostly around dawn and dusk."""
    hour = float(rng.normal(rng.choice((6.5, 17.0)), 2.8)) % 23.99  # a burst ends the same day
    return datetime.combine(day, time(), ZONE) + timedelta(seconds=int(hour * 3600))


def _photograph(
    animal: Animal, moment: datetime, rng: Generator, size_px: int, *, offset: bool, clock: datetime | None = None
) -> bytes:
    """A JPEG of the animal at a moment; its EXIF time is what the camera's `clock` shows, by default the truth."""
    night = not 6 <= moment.hour < 19
    pixels = portrait(animal, moment.date(), rng, night=night, size_px=size_px)
    taken = (clock or moment).strftime("%Y:%m:%d %H:%M:%S")
    return save_jpeg(pixels, taken, "+08:00" if offset else None, _MODEL)


@dataclass(frozen=True, slots=True)
class Shot:
    """One file of a simulated season, with the truth about it."""

    camera: str
    individual: str
    """Who stood before the camera, even where the file is broken."""
    captured_at: datetime
    """The true time; EXIF says the same but where `kind` is `clock`."""
    file_name: str
    data: bytes
    age_years: float
    """The true age."""
    kind: Kind
    """What is wrong with the file: it is cut short, empty, text, a copy of the file before, or its clock is wrong."""


@dataclass(frozen=True, slots=True)
class _Release:
    """The shutter goes: who, where, when."""

    captured_at: datetime
    camera: str
    animal: Animal


def season(
    animals: Sequence[Animal],
    cameras: Sequence[str],
    nights: int,
    rng: Generator,
    today: date,
    *,
    visits_per_night: float = 1.0,
    size_px: int = 256,
) -> Iterator[Shot]:
    """The files of the `nights` days before `today`, in order of true time: bursts, and one of each broken kind.

    `visits_per_night` is the mean for one camera.  The first camera writes OffsetTimeOriginal.
    """
    plan = sorted(
        (release for camera in cameras for release in _visits(animals, camera, nights, rng, today, visits_per_night)),
        key=lambda release: (release.captured_at, release.camera),
    )
    kinds: tuple[Kind, ...] = ("truncated", "empty", "text", "copy", "clock")
    broken = dict(zip(rng.permutation(len(plan)).tolist(), kinds, strict=False))
    files: Counter[str] = Counter()
    for index, release in enumerate(plan):
        kind = broken.get(index, "good")
        files[release.camera] += 1
        shot = _shot(release, files[release.camera], kind, rng, size_px, offset=release.camera == cameras[0])
        yield shot
        if kind == "copy":
            files[release.camera] += 1
            yield replace(shot, file_name=_file_name(files[release.camera]), kind="copy")


def _visits(
    animals: Sequence[Animal], camera: str, nights: int, rng: Generator, today: date, visits_per_night: float
) -> Iterator[_Release]:
    """Bursts of one to four pictures, seconds apart; each camera stands in the range of some animals."""
    share = rng.dirichlet(np.full(len(animals), 0.6))
    for _ in range(rng.poisson(nights * visits_per_night)):
        animal = animals[int(rng.choice(len(animals), p=share))]
        moment = _moment(today - timedelta(days=int(rng.integers(1, nights + 1))), rng)
        pauses = rng.integers(1, 4, size=int(rng.integers(1, 5))).cumsum().tolist()
        if animal.age_years(moment.date()) > 0.15:  # younger cubs stay in the den
            yield from (_Release(moment + timedelta(seconds=pause), camera, animal) for pause in pauses)


def _file_name(number: int) -> str:
    return f"IMG_{number:04}.JPG"


def _shot(release: _Release, number: int, kind: Kind, rng: Generator, size_px: int, *, offset: bool) -> Shot:
    """The file of one release; for `copy` it is the original, which is good."""
    moment, animal = release.captured_at, release.animal
    clock = None
    if kind == "clock":
        clock = moment.replace(year=moment.year + 3, day=1) if rng.random() < 0.5 else datetime(1999, 1, 1, tzinfo=ZONE)
    data = _photograph(animal, moment, rng, size_px, offset=offset, clock=clock)
    if kind == "truncated":
        data = data[: len(data) // 3]
    elif kind == "empty":
        data = b""
    elif kind == "text":
        data = b"Battery low. Please replace the batteries and format the card.\r\n"
    shown: Kind = "good" if kind == "copy" else kind
    age_years = animal.age_years(moment.date())
    return Shot(release.camera, animal.name, moment, _file_name(number), data, age_years, shown)
