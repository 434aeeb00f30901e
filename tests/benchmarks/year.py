"""A simulated year: pictures, confirmations, monthly retraining behind the gate, and two months of poisoned labels.

python -m tests.benchmarks.year FOLDER --seed 1 --until 12 --plot docs/year.svg

The store, the scans, the retraining, the gate and the promotions are the station's own; the pandas are drawn, at 64
pixels, and months take a minute.  It goes on where it stood: months that lie in FOLDER/year.json are not lived again.
The first model is poor on purpose: fitted on two pictures each of ten grown animals.  After every month the model in
service is asked about animals that neither the station nor any model has ever seen, whose ages are known: the curve.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from station import models
from station.ages import Ages
from station.birth import DAYS_PER_YEAR
from station.bundles import Figure
from station.domain import WHOLE
from station.pictures import Picture
from station.simulate import Animal, photograph, reserve
from tests.training.confirmed import SIZE_PX, Camp, noon, some_time
from training.draws import Draws
from training.retraining.retrain import Retraining

START = date(2026, 1, 1)
MONTH = timedelta(days=30)
MONTHS = 12
POISONED = (7, 10)
POISON = 0.2
ANIMALS, STRANGERS = 110, 60
FIRST_ON, FIRST_PICTURES = 10, 2
KNOWN_AT_FIRST, KNOWN_MORE = 50, 5
PICTURES_A_MONTH = 1
SETTINGS: dict[str, Any] = {
    "holdout": 0.35, "holdout_days": 30, "least_faces": 40, "least_judges": 6, "shadow_faces": 40,
    "stage_margin": 0.25, "folds": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Month:
    """How a month went."""

    number: int
    in_service: str
    mae_years: Figure
    """Of the model in service, macro, on animals that nobody knows; 95% over individuals."""
    known: int
    """Animals whose birth date people have told."""
    poisoned: bool
    promoted: bool
    message: str
    challenger_mae_years: float | None
    """Of the model that was fitted, whether or not it was promoted, on the same animals."""


class Year:
    """One reserve's year."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.camp, self.seed = Camp(folder), seed
        end = START + MONTHS * MONTH
        self.animals = reserve(seed, ANIMALS, end, youngest_years=0.3, oldest_years=26).animals
        self.strangers = reserve(1000 + seed, STRANGERS, end, youngest_years=0.3, oldest_years=26).animals
        self.done: list[Month] = []
        self._file = folder / "year.json"
        self._crops, self._ages, self._names = self._unknown()

    def live(self, until: int) -> None:
        """The months that were not lived yet."""
        if not self._file.is_file():
            if self.camp.config.is_file():  # cut off before its first month
                shutil.rmtree(self.camp.folder)
            few = reserve(2000 + self.seed, FIRST_ON, START, youngest_years=4, oldest_years=26).animals
            self.camp.found(few, START, FIRST_PICTURES, **SETTINGS)
            self.done = [Month(0, "first", self._error(), 0, False, False, "the first model", None)]
            self._write()
        raw = json.loads(self._file.read_text())["months"]
        self.done = [Month(**one | {"mae_years": Figure(**one["mae_years"])}) for one in raw]
        for number in range(len(self.done), until + 1):
            self.done.append(self._month(number))
            self._write()
            print(self.done[-1])

    def _month(self, number: int) -> Month:
        rng = np.random.default_rng([self.seed, number])
        begin, end = START + (number - 1) * MONTH, START + number * MONTH
        days = sorted(begin + timedelta(days=int(k)) for k in rng.choice(MONTH.days, PICTURES_A_MONTH, replace=False))
        there = [animal for animal in self.animals if animal.born_on < end]
        self.camp.see(there, days, rng)
        now = noon(end)
        self.camp.look(now)
        known = self._known(number)
        wrong = self._poison(known, rng) if number in POISONED else {}
        self.camp.hear({animal.name: animal.born_on for animal in known} | wrong, now)
        outcome = Retraining(self.camp.settings, now, lambda _: None).run()
        challenger = self._error(outcome.bundle) if outcome.bundle else None
        now_known = challenger if challenger and outcome.promoted else self.done[-1].mae_years
        return Month(
            number, models.in_service(self.camp.settings).name, now_known, len(known), bool(wrong), outcome.promoted,
            outcome.message, challenger.value if challenger else None,
        )  # fmt: skip

    def _known(self, number: int) -> list[Animal]:
        """More every month; cubs whose birth was seen are known at once, when a camera has seen them."""
        on = START + number * MONTH
        out = [animal for animal in self.animals if animal.age_years(on - MONTH) > 0.2]
        cubs = [animal for animal in out if animal.born_on >= START]
        return [*[a for a in out if a.born_on < START][: KNOWN_AT_FIRST + KNOWN_MORE * (number - 1)], *cubs]

    def _poison(self, known: Sequence[Animal], rng: np.random.Generator) -> dict[str, date]:
        """A fifth of the birth dates, wrong by 3 to 12 years, as a slip in a list makes them."""
        chosen = rng.choice(len(known), max(1, round(POISON * len(known))), replace=False)
        wrong = {}
        for animal in (known[int(k)] for k in chosen):
            off = int(rng.uniform(3, 12) * DAYS_PER_YEAR)
            older = animal.born_on - timedelta(days=off)
            younger = animal.born_on + timedelta(days=off)
            wrong[animal.name] = younger if younger < START and rng.random() < 0.5 else older
        return wrong

    def _unknown(self) -> tuple[np.typing.NDArray[np.uint8], np.typing.NDArray[np.float64], np.typing.NDArray[np.str_]]:
        rng = np.random.default_rng([self.seed, 99])
        crops, ages, names = [], [], []
        for animal in self.strangers:
            for _ in range(3):
                on = START + timedelta(days=int(rng.integers(0, 365)))
                on = max(on, animal.born_on + timedelta(days=60))
                data = photograph(animal, some_time(on, rng), rng, SIZE_PX)
                crops.append(Picture(data).crops([WHOLE], SIZE_PX)[0])
                ages.append(animal.age_years(on))
                names.append(animal.name)
        return np.stack(crops), np.array(ages), np.array(names)

    def _errors(self, bundle: Path | None = None) -> np.typing.NDArray[np.float64]:
        ages = Ages(bundle or models.in_service(self.camp.settings), "cpu")
        said = np.array([ages.estimate(p).age_years for p in ages.run(self._crops)[0]])
        return np.abs(said - self._ages)

    def _error(self, bundle: Path | None = None) -> Figure:
        return Draws(self._names, 0).per_individual(self._errors(bundle))

    def promotions(self) -> Iterator[Figure]:
        """By how many years each changed the error on the same faces; 95% over individuals."""
        folder = models.models_folder(self.camp.settings)
        served = [name for name, _ in groupby(month.in_service for month in self.done)]
        for old, new in pairwise(self._errors(folder / name) for name in served):
            yield Draws(self._names, 0).per_individual(new - old)

    def summary(self) -> dict[str, object]:
        first, last = self.done[0].mae_years, self.done[-1].mae_years
        return {
            "seed": self.seed,
            "first_years": first.value,
            "last_years": last.value,
            "promotions_years": [asdict(change) for change in self.promotions()],
            "poisoned_promoted": sum(month.promoted for month in self.done if month.poisoned),
        }

    def _write(self) -> None:
        self._file.write_text(json.dumps({"months": [asdict(month) for month in self.done]}, indent=1) + "\n")

    def draw(self, file: Path) -> None:
        """The curve, for the README."""
        import matplotlib as mpl  # noqa: PLC0415  only for the plot
        from matplotlib.figure import Figure as Sheet  # noqa: PLC0415

        mpl.rcParams["svg.hashsalt"] = "year"
        mpl.rcParams["font.size"] = 8
        sheet = Sheet(figsize=(6.4, 2.9), layout="constrained")
        axes = sheet.subplots()
        numbers = [month.number for month in self.done]
        axes.fill_between(
            numbers, [m.mae_years.low or 0 for m in self.done], [m.mae_years.high or 0 for m in self.done],
            color="#1b6e4b", alpha=0.15, lw=0, step="post",
        )  # fmt: skip
        axes.step(numbers, [m.mae_years.value for m in self.done], where="post", color="#1b6e4b", label="in service")
        tried = [m for m in self.done if m.challenger_mae_years is not None]
        for label, marker, colour, chosen in (
            ("promoted", "^", "#1b6e4b", [m for m in tried if m.promoted]),
            ("refused", "x", "#777777", [m for m in tried if not m.promoted and not m.poisoned]),
            (
                "refused, a fifth of birth dates wrong",
                "X",
                "#b3261e",
                [m for m in tried if m.poisoned and not m.promoted],
            ),
            ("promoted though poisoned", "D", "#b3261e", [m for m in tried if m.poisoned and m.promoted]),
        ):
            if chosen:
                axes.plot(
                    [m.number for m in chosen], [m.challenger_mae_years or 0.0 for m in chosen], marker, color=colour,
                    label=label, ms=5,
                )  # fmt: skip
        axes.set(
            xlabel="month", ylabel="mean error by individual, years", xticks=numbers, ylim=(0, None),
            title="A simulated year: drawn pandas that no model ever saw",
        )  # fmt: skip
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right")
        sheet.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=int, default=MONTHS)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    year = Year(args.folder.resolve(), args.seed)
    year.live(args.until)
    if args.plot:
        year.draw(args.plot)
    print(json.dumps(year.summary(), indent=1))


if __name__ == "__main__":
    main()
