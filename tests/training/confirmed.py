"""A station whose people sort pictures by animal and know birth dates: real pictures, a real ledger, a real bundle.

The pandas are drawn, at 64 pixels; everything else is what runs in a reserve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from station import daemon, settings
from station.hearing import hearing
from station.simulate import ZONE, Animal, photograph
from training.bench import Source
from training.fit import Recipe, fit

SIZE_PX = 64
SOURCE = Source(input_px=SIZE_PX)
QUICK = Source("test_efficientnet", "none", SIZE_PX)
"""A network for tests: with random weights, but loaded and exported in a moment."""
BASE = "base/manifest.csv"
CONFIG = """\
[station]
id = "year"
timezone = "+08:00"
database = "station.db"
bundle = "models/current"
species = "giant_panda"

[line]
device = "cpu"
program = "exported"
batch_faces = 8

[cameras.ridge]
folder = "ridge"
pattern = "{{individual}}"

[retraining]
base = ["{base}"]
{more}
"""


@dataclass(frozen=True, slots=True)
class Camp:
    """The station's folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "station.toml"

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.config)

    def found(
        self, animals: Sequence[Animal], on: date, per_animal: int, source: Source = SOURCE, **retraining: object
    ) -> None:
        """The configuration, and a first bundle fitted on pictures of these animals."""
        lines = "\n".join(f"{key} = {_toml(value)}" for key, value in retraining.items())
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(CONFIG.format(base=BASE, more=lines), encoding="utf-8")
        (self.folder / "ridge").mkdir(exist_ok=True)
        base = labelled(animals, on, per_animal, self.folder / "base")
        recipe = Recipe("giant_panda", source, freeze=True, folds=3, device="cpu")
        fit([base], self.folder / "models" / "first", recipe, noon(on), lambda _: None)
        (self.folder / "models" / "current").symlink_to("first")

    def see(self, animals: Iterable[Animal], days: Sequence[date], rng: np.random.Generator) -> None:
        """A picture of each animal on each of these days, sorted by people into a folder of its name."""
        for animal in animals:
            for day in days:
                if animal.age_years(day) > 0.15:
                    moment = some_time(day, rng)
                    file = self.folder / "ridge" / animal.name / f"{day}.jpg"
                    file.parent.mkdir(exist_ok=True)
                    file.write_bytes(photograph(animal, moment, rng, SIZE_PX))

    def look(self, now: datetime) -> None:
        """The model in service looks at all pictures that are new."""
        with daemon.composed(self.settings, lambda: now) as station:
            for _ in station.scan():
                pass

    def hear(self, born: dict[str, date], now: datetime) -> None:
        """People say when animals were born."""
        with hearing(self.settings.station.database, "ranger", now) as heard:
            for name, day in born.items():
                heard.set(name, {"born_on": day.isoformat()}, anyway=True)


def labelled(animals: Sequence[Animal], on: date, per_animal: int, folder: Path) -> Path:
    """A manifest of pictures of the months before a day."""
    rng = np.random.default_rng(1)
    lines = ["path,individual,born_on,captured_at"]
    folder.mkdir()
    for animal in animals:
        for number in range(per_animal):
            moment = some_time(on - timedelta(days=30 * number + 1), rng)
            name = f"{animal.name}_{number}.jpg"
            (folder / name).write_bytes(photograph(animal, moment, rng, SIZE_PX))
            lines.append(f"{name},{animal.name},{animal.born_on},{moment.isoformat()}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


def some_time(day: date, rng: np.random.Generator) -> datetime:
    """By day or by night."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(minutes=int(rng.integers(0, 24 * 60)))


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {number}" for key, number in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
