"""A simulated reserve with known truth, for `station demo` and for tests: animals, portraits of them, a season.

Every animal has looks of its own; age works on them as it does in the wild: fast in the first years, ever slower
after, so that old ages are harder to tell.  The faces are drawn from soft ellipses by their signed distance; no
photograph is needed.  The same seed gives the same bytes.  Nothing measured here says how well real ages are told.
Whole populations without pictures, in numbers alone, are in `station.seasons`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator

from station.domain import Pixels
from station.drawing import Looks, Mark, face
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


def portrait(animal: Animal, on: date, rng: Generator, *, night: bool, size_px: int = 256) -> Pixels:
    """Its face on a day, uint8 `size_px` x `size_px` x 3; `night` is infrared with flash."""
    return face(animal.looks, animal.age_years(on), rng, night=night, size_px=size_px)


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
                (folder / picture).write_bytes(photograph(animal, moment, rng, size_px))
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


def photograph(
    animal: Animal,
    moment: datetime,
    rng: Generator,
    size_px: int,
    *,
    offset: bool = True,
    clock: datetime | None = None,
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
    data = photograph(animal, moment, rng, size_px, offset=offset, clock=clock)
    if kind == "truncated":
        data = data[: len(data) // 3]
    elif kind == "empty":
        data = b""
    elif kind == "text":
        data = b"Battery low. Please replace the batteries and format the card.\r\n"
    shown: Kind = "good" if kind == "copy" else kind
    age_years = animal.age_years(moment.date())
    return Shot(release.camera, animal.name, moment, _file_name(number), data, age_years, shown)
