"""The parts of a study on disk: one file for each network, loss, data set and fold, written when it is complete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.calibrate import Unseen
from training.files import replacing
from training.folds import Indices, Numbers


@dataclass(frozen=True, slots=True)
class Course:
    """One network with one loss on one data set."""

    data: str
    network: str
    loss: str

    @property
    def folder(self) -> str:
        """A name for files."""
        return "_".join(part.replace("/", "-").replace(":", "-") for part in (self.data, self.network, self.loss))


@dataclass(frozen=True, slots=True)
class Part:
    """One fitting of a course: a fold, a fold of a random split, or all faces."""

    course: Course
    kind: str
    """`fold`, `random` or `all`."""
    number: int = 0

    def __str__(self) -> str:
        """For a line of progress."""
        which = "all faces" if self.kind == "all" else f"{self.kind} {self.number + 1}"
        return f"{self.course.network} {self.course.loss} on {self.course.data}, {which}"

    def file(self, folder: Path, ending: str) -> Path:
        """Where it is kept."""
        return folder / self.course.folder / f"{self.kind}-{self.number}.{ending}"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a part's network said of the faces it was not fitted on."""

    rows: Indices
    """Which of the data set's faces."""
    unseen: Unseen
    guesses_years: Numbers
    fitting_s: float


def write(file: Path, answer: Answer) -> None:
    """Whole or not at all."""
    said = answer.unseen
    with replacing(file) as handle:
        np.savez(
            handle,
            rows=answer.rows,
            logits=said.logits,
            log_prior=said.log_prior,
            ages_years=said.ages_years,
            individuals=said.individuals,
            guesses_years=answer.guesses_years,
            fitting_s=np.float64(answer.fitting_s),
        )


def read(file: Path) -> Answer | None:
    """None where that part is not complete."""
    if not file.is_file():
        return None
    with np.load(file) as kept:
        unseen = Unseen(kept["logits"], kept["log_prior"], kept["ages_years"], kept["individuals"])
        return Answer(kept["rows"], unseen, kept["guesses_years"], float(kept["fitting_s"]))
