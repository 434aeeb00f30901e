"""The running of age models: from a batch of faces to estimates, in the fastest form that the device allows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from station import prepare
from station.bundles import PROGRAM, BundleError, read_card
from station.domain import (
    Duplicate,
    Estimate,
    Floats,
    Observation,
    Observed,
    Outcome,
    Pixels,
    Portraits,
    Reading,
    Rejection,
)
from station.golden import Golden, NoMemory
from station.on_openvino import OpenVino, installed
from station.on_torch import Program, versions
from station.prepare import EXPORTED, Choice, Maker, Memory, Trial
from station.species import Species
from station.turns import Turns

log = logging.getLogger(__name__)

_LONGEST_TRIAL_S = 0.25
"""How long a batch may take that is run only to measure, in the form as exported."""


class Ages:
    """A loaded bundle.  `read` is called from one thread, `prepare` from another."""

    def __init__(self, bundle: Path, device: str = "auto", species: Species | None = None, limit: int = 32) -> None:
        """Loads the program and checks it against the golden outputs.  Raises `BundleError`."""
        self.card = read_card(bundle)
        self.golden = Golden.of(bundle, self.card)
        self.turns = Turns()
        self.choice = Choice(EXPORTED)
        self._species = species
        self._limit = limit
        self._bins = np.asarray(self.card.bins_years, np.float64)
        self._file = bundle / PROGRAM
        self._program = Program(bundle, device)
        self.device = str(self._program.device)
        self._exported = self.form = self._program.as_exported()
        self._check_golden(bundle)

    def memory_bytes(self) -> dict[str, int]:
        """Of the device: `allocated` and `reserved` by this program, `free` and `total`; nothing on a CPU."""
        return self._program.memory_bytes()

    def run(self, crops: Pixels) -> tuple[Floats, Floats]:
        """Probabilities over the age bins, N x K, and embeddings, N x E, of crops uint8 N x 3 x S x S."""
        parts: list[tuple[Floats, Floats]] = []
        done = 0
        while done < len(crops):
            part = crops[done : done + self._limit]
            try:
                with self.turns.turn():
                    parts.append(self._once(part))
            except NoMemory as error:
                self._halve(len(part), error)
            else:
                done += len(part)
        return np.concatenate([p for p, _ in parts]), np.concatenate([e for _, e in parts])

    def _halve(self, size: int, error: NoMemory) -> None:
        if size == 1:
            raise RuntimeError(f"{self.device} has no memory even for one face: {error}") from error
        self._limit = size // 2
        log.warning("%s has no memory for a batch of %d faces; from now on %d at most", self.device, size, self._limit)

    def _once(self, crops: Pixels) -> tuple[Floats, Floats]:
        form = self.form
        try:
            return form(crops)
        except RuntimeError as error:
            if form is self._exported:
                raise
            log.warning("%s failed, the model runs as exported from now on: %s", self.choice.form, error)
            self.form, self.choice = self._exported, prepare.without(self.choice, str(error))
            return self._exported(crops)

    def read(self, batch: Sequence[Portraits | Duplicate | Rejection]) -> list[Outcome]:
        """The batch with its portraits read; what was settled before passes through, in order."""
        crops = [item.crops for item in batch if isinstance(item, Portraits) and item.faces]
        probabilities, embedding = self.run(np.concatenate(crops)) if crops else (np.empty(0), np.empty(0))
        readings = (Reading(self.estimate(p), e) for p, e in zip(probabilities, embedding, strict=True))
        return [
            Observed(item.frame, item.facts, tuple(Observation(f, next(readings)) for f in item.faces), item.people)
            if isinstance(item, Portraits)
            else item
            for item in batch
        ]

    def estimate(self, probabilities: Floats) -> Estimate:
        """The expectation over the age bins, its spread, and the conformal interval where it is known."""
        p = probabilities.astype(np.float64)
        p /= p.sum()
        age = float(p @ self._bins)
        sd = float(np.sqrt(p @ (self._bins - age) ** 2))
        half = None if self.card.interval_quantile is None else self.card.interval_quantile * sd
        return Estimate(
            age_years=age,
            sd_years=sd,
            low_years=None if half is None else max(0.0, age - half),
            high_years=None if half is None else age + half,
            life_stage=self._species.stage(age) if self._species else None,
            model=self.card.version,
        )

    def makers(self, cache: Path | None) -> dict[str, Maker]:
        """How each form of the program is made on this device; what is converted for it is kept in `cache`."""
        return self._makers(self._memory(cache))

    def prepare(self, cache: Path | None, stopped: Callable[[], bool] = lambda: False) -> Choice:
        """Finds the fastest form of the program on this device, or takes that of last time, and puts it to use.

        Live batches go on meanwhile.  What was found is kept in `cache`, for this program, device and libraries;
        None: nowhere.  When `stopped` says so, it ends, and what runs goes on running.
        """
        if not self.recall(cache):
            memory = self._memory(cache)
            memory.forget()
            self.form, self.choice = prepare.fastest(self._exported, self._makers(memory), self._trial(stopped))
            if self.choice.compared and not stopped():
                memory.write(self.choice)
        return self.choice

    def recall(self, cache: Path | None) -> bool:
        """Puts the form of last time to use, where one is remembered and still gives the golden outputs."""
        memory = self._memory(cache)
        known = memory.read()
        form = prepare.remembered(known, self._makers(memory), self._trial()) if known else None
        if known and form:
            self.form, self.choice = form, known
        return form is not None

    def _memory(self, cache: Path | None) -> Memory:
        return Memory(cache, self._file, (*versions(self._program.device), str(installed())))

    def _trial(self, stopped: Callable[[], bool] = lambda: False) -> Trial:
        return Trial(self.golden, self.golden.batch(self._trial_size()), self.turns.turn, stopped=stopped)

    def _makers(self, memory: Memory) -> dict[str, Maker]:
        """How each form is made, the one that wins most often first."""
        makers: dict[str, Maker] = {EXPORTED: lambda: self._exported}
        if self.device == "cpu" and installed():
            converted = OpenVino(self._program.exported, self.card.input_px, memory.folder)
            makers |= {f"openvino {precision}": converted.maker(precision) for precision in ("bf16", "f32")}
        return makers | self._program.forms()

    def _trial_size(self) -> int:
        """How many pictures are run at a time to measure."""
        small = min(4, self._limit)
        trial = Trial(self.golden, self.golden.batch(small), self.turns.turn)
        rate = max(trial.rate(self._exported), trial.rate(self._exported))
        return max(small, min(self._limit, int(rate * _LONGEST_TRIAL_S)))

    def _check_golden(self, bundle: Path) -> None:
        try:
            fault = self.golden.fault(self._exported)
        except (OSError, ValueError, TypeError, IndexError, RuntimeError, AssertionError) as error:
            raise BundleError(f"{bundle}: the golden check cannot be made: {error}") from error
        if fault:
            raise BundleError(
                f"{bundle} fails its golden check on {self.device}: {fault}; copy the bundle afresh, or fit it again "
                f"with these libraries ({', '.join(versions(self._program.device))})"
            )
