"""A challenger in the shadow of the model in service: both look at the newest faces, and nobody hears of it.

No truth is known of these faces, so nothing here moves the gate: it shows a person which animals a promotion would make
older or younger.  It is done in spare time, a few faces at a time, and gives way to live pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from station.ages import Ages
from station.domain import Floats, Pixels
from station.pictures import BadPicture
from station.species import LifeStage
from training import crops
from training.manifest import PixelBox
from training.stages import stages_at

_AT_ONCE = 8


class NoTime(Exception):
    """Live pictures came for so long that there was no time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A face to look at."""

    individual: str
    path: Path
    box: PixelBox | None


@dataclass(frozen=True, slots=True)
class Apart:
    """How far the two lie apart on one animal."""

    individual: str
    faces: int
    champion_years: float
    """The mean of its estimates."""
    challenger_years: float
    other_stage: int
    """Faces that would be of another life stage."""

    @property
    def difference_years(self) -> float:
        """Above 0: the challenger makes it older."""
        return self.challenger_years - self.champion_years


@dataclass(frozen=True, slots=True)
class Shadow:
    """What was found, the animals that lie furthest apart first."""

    faces: int
    animals: tuple[Apart, ...]
    left_out: int
    """Faces whose picture could not be read, or for which live pictures left no time."""


def shadow(
    champion: Ages, challenger: Ages, shown: Iterable[Shown], stages: tuple[LifeStage, ...],
    give_way: Callable[[], object],
) -> Shadow:  # fmt: skip
    """Both on the same faces."""
    wanted = list(shown)
    said = list(_said(champion, challenger, wanted, give_way))
    if not said:
        return Shadow(0, (), len(wanted))
    names = np.array([name for name, _, _ in said])
    ages = np.array([[old, new] for _, old, new in said])
    stage = np.stack([stages_at(stages, ages[:, column]) for column in range(2)], axis=1)
    animals = [_of_one(str(name), ages[names == name], stage[names == name]) for name in np.unique(names)]
    animals.sort(key=lambda one: -abs(one.difference_years))
    return Shadow(len(said), tuple(animals), len(wanted) - len(said))


def _of_one(name: str, ages: np.typing.NDArray[np.float64], stage: np.typing.NDArray[np.str_]) -> Apart:
    old, new = ages.mean(axis=0).tolist()
    return Apart(name, len(ages), old, new, int((stage[:, 0] != stage[:, 1]).sum()))


def _said(
    champion: Ages, challenger: Ages, wanted: Sequence[Shown], give_way: Callable[[], object]
) -> Iterator[tuple[str, float, float]]:
    """Individual, and both estimates."""
    for begin in range(0, len(wanted), _AT_ONCE):
        try:
            give_way()
        except NoTime:
            return
        cut = [(one, _cut(one, champion)) for one in wanted[begin : begin + _AT_ONCE]]
        there = [(one, pixels) for one, pixels in cut if pixels is not None]
        if not there:
            continue
        pixels = np.stack([pixels for _, pixels in there])
        old, new = (_ages(ages, ages.run(pixels)[0]) for ages in (champion, challenger))
        yield from zip((one.individual for one, _ in there), old, new, strict=True)


def _ages(ages: Ages, probabilities: Floats) -> list[float]:
    return [ages.estimate(one).age_years for one in probabilities]


def _cut(one: Shown, champion: Ages) -> Pixels | None:
    card = champion.card
    try:
        return crops.cut_out(one.path.read_bytes(), one.box, card.input_px, card.crop_margin)
    except (OSError, BadPicture):
        return None
