"""The running of a bundle's program, an age model or a finder, in the fastest form that the device allows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from station import prepare
from station.bundles import BundleError
from station.domain import Floats, Pixels
from station.golden import Golden, NoMemory, repeated
from station.on_openvino import OpenVino, installed
from station.on_torch import Program, versions
from station.prepare import EXPORTED, Choice, Maker, Memory, Trial
from station.turns import Turns

log = logging.getLogger(__name__)

_LONGEST_TRIAL_S = 0.25
"""How long a batch may take that is run only to measure, in the form as exported."""


class Running:
    """A loaded program.  `run` may be called from many threads, `prepare` from another."""

    def __init__(self, file: Path, golden: Golden, device: str = "auto", limit: int = 32, what: str = "face") -> None:
        """Loads the program and checks it against the golden outputs.  Raises `BundleError`.

        `limit`: pictures in a batch at most; `what` a picture is.
        """
        self.golden = golden
        self.turns = Turns()
        self.choice = Choice(EXPORTED)
        self._limit, self._what, self._file = limit, what, file
        self._program = Program(file, device)
        self.device = str(self._program.device)
        self._exported = self.form = self._program.as_exported()
        self._check_golden()

    def memory_bytes(self) -> dict[str, int]:
        """Of the device: `allocated` and `reserved` by this program, `free` and `total`; nothing on a CPU."""
        return self._program.memory_bytes()

    def run(self, pictures: Pixels) -> tuple[Floats, ...]:
        """What the program gives for pictures uint8 N x 3 x S x S, N at least 1: its outputs, each of length N."""
        parts: list[tuple[Floats, ...]] = []
        done = 0
        while done < len(pictures):
            part = pictures[done : done + self._limit]
            try:
                with self.turns.turn(beside=True):
                    parts.append(self._once(part))
            except NoMemory as error:
                self._halve(len(part), error)
            else:
                done += len(part)
        return tuple(np.concatenate(outputs) for outputs in zip(*parts, strict=True))

    def _halve(self, size: int, error: NoMemory) -> None:
        if size == 1:
            raise RuntimeError(f"{self.device} has no memory even for one {self._what}: {error}") from error
        self._limit = min(self._limit, size // 2)
        log.warning(
            "%s has no memory for a batch of %d %ss; from now on %d at most",
            self.device, size, self._what, self._limit,
        )  # fmt: skip

    def _once(self, pictures: Pixels) -> tuple[Floats, ...]:
        form = self.form
        try:
            return form(pictures)
        except NoMemory:
            raise
        except RuntimeError as error:
            if form is self._exported:
                raise
            log.warning("%s failed, the model runs as exported from now on: %s", self.choice.form, error)
            self.form, self.choice = self._exported, prepare.without(self.choice, str(error))
            return self._exported(pictures)

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
        return Trial(self.golden, repeated(self.golden.inputs, self._trial_size()), self.turns.turn, stopped=stopped)

    def _makers(self, memory: Memory) -> dict[str, Maker]:
        """How each form is made, the one that wins most often first."""
        makers: dict[str, Maker] = {EXPORTED: lambda: self._exported}
        if self.device == "cpu" and installed():
            converted = OpenVino(self._program.exported, self.golden.inputs.shape[-1], memory.folder)
            makers |= {f"openvino {precision}": converted.maker(precision) for precision in ("bf16", "f32")}
        return makers | self._program.forms()

    def _trial_size(self) -> int:
        """How many pictures are run at a time to measure."""
        small = min(4, self._limit)
        trial = Trial(self.golden, repeated(self.golden.inputs, small), self.turns.turn)
        rate = max(trial.rate(self._exported), trial.rate(self._exported))
        return max(small, min(self._limit, int(rate * _LONGEST_TRIAL_S)))

    def _check_golden(self) -> None:
        bundle = self._file.parent
        try:
            fault = self.golden.fault(self._exported)
        except (OSError, ValueError, TypeError, IndexError, RuntimeError, AssertionError) as error:
            raise BundleError(f"{bundle}: the golden check cannot be made: {error}") from error
        if fault:
            raise BundleError(
                f"{bundle} fails its golden check on {self.device}: {fault}; copy the bundle afresh, or fit it again "
                f"with these libraries ({', '.join(versions(self._program.device))})"
            )
