"""The age census: which animals were seen in the window up to a day, how old they are, and how sure all that is.

Pure: what the ledger says comes as `Animal`s and `Effort`s (`station.population` reads them), and the same input and
seed give the same census.  An animal is *counted* when it was seen in the window and nobody knows that it died.  The
counts are of animals seen; how many were never seen nobody can tell from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from station import changes, headcount
from station.animals import Animal, Sightings
from station.birth import DAYS_PER_YEAR, BirthDate
from station.changes import Before, Left, Transition
from station.confusion import Confusion, Corrected, correct
from station.domain import StationError
from station.effort import Effort
from station.headcount import SEXES, Doubt, Listed, Range
from station.species import Species
from station.standing import Standing, standing

SHOWN = 60
"""Of so many animals, those seen last, the days of sighting and the course of the birth date are told."""
WINDOW_DAYS = 365


class CensusError(StationError):
    """There can be no census, or it cannot be written."""


@dataclass(frozen=True, slots=True)
class StageRange:
    """A life stage: from the age of `from_years` to that of `to_years`."""

    name: str
    from_years: float
    to_years: float | None


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many animals of a life stage were seen, in all and by sex (`f`, `m`, `unknown`)."""

    stage: str
    animals: Range
    by_sex: Mapping[str, Range]


@dataclass(frozen=True, slots=True)
class CameraEffort:
    """One camera in the window; trap nights and what they brought."""

    camera: str
    name: str
    nights: int
    silent_days: int
    images: int
    detections: int
    per_100_nights: float | None
    """Detections per 100 trap nights; None: no night is known."""
    individuals: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the census is made of, beside the animals."""

    station: str = "station"
    zone: str = "UTC"
    models: Mapping[str, int] = field(default_factory=dict)
    """How many of the estimates used each version made."""
    model: str | None = None
    """The version in service."""
    ages_by: str = "how it errs is taken from its card alone"
    """Where its errors are known from."""
    known_until: str | None = None
    """The newest thing in the ledger that the census could know."""
    as_known_then: bool = False
    unusable: Mapping[str, int] = field(default_factory=dict)
    """Faces and pictures of the window that tell of no animal, by reason."""
    newest: str | None = None
    """The day of the newest picture of all."""


@dataclass(frozen=True, slots=True)
class Census:
    """All that the page and the tables show."""

    on: str
    window_days: int
    first_day: str
    since: str | None
    """The day of the census before."""
    species: str
    stages: tuple[StageRange, ...]
    ledger: Ledger
    total: Range
    counts: tuple[StageCount, ...]
    by_sex: Mapping[str, Range]
    histogram: Corrected
    individuals: tuple[Standing, ...]
    """Counted, the one seen last first."""
    transitions: tuple[Transition, ...]
    left: tuple[Left, ...]
    effort: tuple[CameraEffort, ...]
    model_before: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the day, the window, and what is known of model and species."""

    on: date
    species: Species
    window_days: int = WINDOW_DAYS
    prior: Mapping[str, float] = field(default_factory=dict)
    """The share of each life stage in the prior of the birth dates; empty: as long as each lasts."""
    starts: tuple[tuple[float, ...], ...] = ()
    """Where the life stages but the first begin, were the model's answers otherwise; empty: they are as learnt."""
    confusion: Confusion | None = None
    doubt: Doubt = field(default_factory=Doubt)
    seed: int = 1
    draws: int = headcount.DRAWS

    @property
    def first_day(self) -> date:
        """Of the window."""
        return self.on - timedelta(days=self.window_days - 1)


def census(
    animals: Sequence[Animal],
    efforts: Sequence[Effort],
    ledger: Ledger,
    asked: Question,
    before: Before | None = None,
    absent: Mapping[str, str] | None = None,
) -> Census:
    """The census of a day; `absent`: why individuals that are not among the animals are not."""
    seen = [(animal, inside) for animal in animals if len(inside := _inside(animal, asked))]
    counted = sorted((s for s in seen if not _dead(s[0], asked.on)), key=lambda s: (-int(s[1].at_s[-1]), s[0].id))
    since = before.on if before else asked.on - timedelta(days=1)
    worked = {effort.camera: effort.worked for effort in efforts}
    standings = tuple(
        standing(animal, inside, asked.on, since, asked.species, worked, shown=place < SHOWN)
        for place, (animal, inside) in enumerate(counted)
    )
    visitors = Counter(camera for standing in standings for camera in standing.cameras)
    rng = np.random.default_rng(asked.seed)
    found = headcount.headcount(_listed(counted, asked), asked.doubt, rng, asked.draws)
    now = {
        s.id: changes.Was(s.label, s.stage, date.fromisoformat(s.born), s.images, s.word, s.models) for s in standings
    }
    gone = dict(absent or {}) | {a.id: f"died on {a.died_on}" for a, _ in seen if a.id not in now}
    return Census(
        on=asked.on.isoformat(),
        window_days=asked.window_days,
        first_day=asked.first_day.isoformat(),
        since=before.on.isoformat() if before else None,
        species=asked.species.name,
        stages=tuple(stages(asked.species)),
        ledger=ledger,
        total=headcount.summed(found.sum(axis=(1, 2))),
        counts=_counts(found, asked.species),
        by_sex=_by_sex(found),
        histogram=correct(_told(counted, asked), asked.confusion, rng),
        individuals=standings,
        transitions=changes.transitions(before, now, asked.species, asked.on, ledger.model) if before else (),
        left=changes.left(before, now, gone) if before else (),
        effort=tuple(_effort(effort, visitors[effort.camera]) for effort in efforts),
        model_before=before.model if before else None,
        seed=asked.seed,
    )


def _as_it_is(one: Standing) -> changes.Was:
    return changes.Was(one.label, one.stage, date.fromisoformat(one.born), one.images, one.word, one.models)


def stages(species: Species) -> Iterator[StageRange]:
    """Youngest first."""
    ends = [stage.from_years for stage in species.life_stages[1:]]
    for stage, end in zip(species.life_stages, [*ends, None], strict=True):
        yield StageRange(stage.name, stage.from_years, end)


def _inside(animal: Animal, asked: Question) -> Sightings:
    return animal.sightings.between(asked.first_day.toordinal(), asked.on.toordinal())


def _dead(animal: Animal, on: date) -> bool:
    return animal.died_on is not None and animal.died_on <= on


_Seen = Sequence[tuple[Animal, Sightings]]


def _listed(counted: _Seen, asked: Question) -> Listed:
    names = [stage.name for stage in asked.species.life_stages]
    starts = asked.starts or (tuple(stage.from_years for stage in asked.species.life_stages[1:]),)
    chances = [_chances(animal.birth, asked.on, starts) for animal, _ in counted]
    prior = asked.prior or _lasting(asked.species)
    return Listed(
        np.array(chances, float).reshape(-1, len(starts), len(names)).swapaxes(0, 1),
        np.array([prior[name] for name in names]),
        np.array([SEXES.index(animal.sex) for animal, _ in counted], np.int64),
        np.array([animal.confidence for animal, _ in counted], float),
        np.array([len(np.unique(inside.event)) for _, inside in counted], np.int64),
    )


def _chances(birth: BirthDate, on: date, starts: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """The probability of each life stage, were they to begin there: M x K."""
    born_by = birth.born_by(np.floor(on.toordinal() - np.array(starts, float) * DAYS_PER_YEAR))
    edges = np.pad(born_by, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return np.maximum(0.0, -np.diff(edges, axis=1))


def _lasting(species: Species) -> dict[str, float]:
    return {
        stage.name: ((stage.to_years or species.longevity_years) - stage.from_years) / species.longevity_years
        for stage in stages(species)
    }


def _counts(found: headcount.Integers, species: Species) -> tuple[StageCount, ...]:
    cells = headcount.table(found)
    rows = headcount.table(found.sum(axis=2, keepdims=True))
    return tuple(
        StageCount(stage.name, row[0], dict(zip(("f", "m", "unknown"), by_sex, strict=True)))
        for stage, row, by_sex in zip(species.life_stages, rows, cells, strict=True)
    )


def _by_sex(found: headcount.Integers) -> dict[str, Range]:
    """Adds up as the cells do."""
    cells = headcount.table(found)
    totals = {}
    for place, sex in enumerate(("f", "m", "unknown")):
        one = headcount.summed(found[:, :, place].sum(axis=1))
        likely = sum(row[place].likely for row in cells)
        totals[sex] = Range(likely, min(one.low, likely), max(one.high, likely))
    return totals


def _told(counted: _Seen, asked: Question) -> list[int]:
    told = [animal.told_stage for animal, _ in counted]
    return [told.count(stage.name) for stage in asked.species.life_stages]


def _effort(effort: Effort, individuals: int) -> CameraEffort:
    rate = round(100 * effort.detections / effort.nights, 1) if effort.nights else None
    return CameraEffort(
        effort.camera, effort.name, effort.nights, effort.silent_days, effort.images, effort.detections, rate,
        individuals,
    )  # fmt: skip
