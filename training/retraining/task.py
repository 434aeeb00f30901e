"""A retraining under way, on disk, so that one that was cut off goes on with the same labels from its checkpoint.

```
task.json           what is being done; written last, so that it stands for all
station-labels.csv  the station's labels to train on
judges.csv          those to judge by
checkpoint.pt       where fine-tuning stands
crops/              pictures that were read already
```
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from training import manifest
from training.files import replacing
from training.manifest import Manifest, ManifestError
from training.retraining import sheets
from training.retraining.base import LABELS, RetrainingError
from training.retraining.plan import Plan

_TASK, _JUDGES, _LOCK = "task.json", "judges.csv", "lock"
STALE = timedelta(days=30)
"""One that was cut off longer ago is begun anew: there are newer labels."""


@dataclass(frozen=True, slots=True)
class Task:
    """What was settled when it began."""

    began_at: datetime
    champion: str
    """The version of the bundle in service then."""
    recipe: str
    known: tuple[str, ...]
    """Individuals among the labels that the champion was fitted on."""
    told: str
    """The plan, in words."""

    def goes_on(self, champion: str, recipe: str, now: datetime) -> bool:
        """Whether it is still the thing to do."""
        fresh = timedelta(0) <= now - self.began_at < STALE
        return fresh and (self.champion, self.recipe) == (champion, recipe)


@dataclass(frozen=True, slots=True)
class Desk:
    """The folder of the retraining under way."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Where fine-tuning stands."""
        return self.folder / "checkpoint.pt"

    @property
    def crops(self) -> Path:
        """The cache of pictures that were read."""
        return self.folder / "crops"

    @property
    def labels(self) -> Path:
        """The station's labels to train on."""
        return self.folder / LABELS

    @contextmanager
    def taken(self) -> Iterator[None]:
        """One retraining at a time.  Raises `RetrainingError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RetrainingError(f"a retraining is under way already (it holds {self.folder / _LOCK})") from error
            yield

    def begin(self, task: Task, plan: Plan) -> None:
        """Everything anew."""
        self.clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        sheets.write(self.labels, plan.sides.train)
        sheets.write(self.folder / _JUDGES, plan.sides.judge)
        with replacing(self.folder / _TASK) as handle:
            handle.write(json.dumps(asdict(task) | {"began_at": task.began_at.isoformat()}).encode())

    def unfinished(self) -> Task | None:
        """The task that was cut off, if there is one whose pictures are still there."""
        try:
            raw = json.loads((self.folder / _TASK).read_text(encoding="utf-8"))
            self.manifests()
            began = datetime.fromisoformat(raw["began_at"])
            return Task(began, raw["champion"], raw["recipe"], tuple(raw["known"]), raw["told"])
        except (OSError, ValueError, KeyError, TypeError, ManifestError):
            return None

    def manifests(self) -> tuple[Manifest, Manifest]:
        """To train on, and to judge by.  Raises `ManifestError`."""
        train, judges = manifest.read([self.labels]), manifest.read([self.folder / _JUDGES])
        return train[0], judges[0]

    def clear(self) -> None:
        """It is done, or not to be done; the lock stays."""
        for file in self.folder.glob("*"):
            if file.is_dir():
                shutil.rmtree(file, ignore_errors=True)
            elif file.name != _LOCK:
                file.unlink(missing_ok=True)
