"""Which form of a program is the fastest on this device: measured, held against the golden outputs, remembered.

A station serves with the program as it was exported from its first batch on; meanwhile this goes on in another
thread, and the winner takes its place.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from station.domain import Pixels
from station.golden import Form, Golden, NoMemory

log = logging.getLogger(__name__)

EXPORTED = "as exported"
ROUNDS = 5
FAST_ENOUGH = 5_000
"""Images a second of the exported program beyond which no other form is looked for: the pictures come slower."""
LEAST_GAIN = 1.05
"""How many times faster than the exported program a form must be to take its place."""

Maker = Callable[[], Form]
Turn = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was found on one device."""

    form: str
    rates: Mapping[str, float] = field(default_factory=dict)
    """Images a second at a full batch, by form."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a form was not taken, whatever its speed."""

    @property
    def compared(self) -> bool:
        """Whether there was anything to choose from."""
        return len(self.rates) + len(self.refused) > 1

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in sorted(self.rates.items(), key=lambda r: -r[1]))
        refused = "".join(f"; not {name}: {why}" for name, why in self.refused.items())
        return f"{self.form} (images/s: {rates or 'not measured'}{refused})"


class Memory:
    """Where choices are kept from one start to the next: a folder for each program, device and set of libraries."""

    def __init__(self, root: Path | None, program: Path, kind: Iterable[str]) -> None:
        digest = hashlib.sha256(program.read_bytes())
        digest.update("\n".join(kind).encode())
        self.folder = root / digest.hexdigest()[:32] if root else None
        """None: nothing is kept."""

    def read(self) -> Choice | None:
        """The choice of before; None: there is none, or it cannot be read."""
        if self.folder is None:
            return None
        try:
            raw: dict[str, Any] = json.loads((self.folder / "choice.json").read_text(encoding="utf-8"))
            return Choice(**raw)
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """What was kept cannot be used: it is made anew."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, choice: Choice) -> None:
        """Keeps it; where that cannot be, the next start measures again."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            half = self.folder / f"choice.{os.getpid()}.half"
            half.write_text(json.dumps(asdict(choice), indent=2) + "\n", encoding="utf-8")
            half.replace(self.folder / "choice.json")
        except OSError as error:
            log.warning("the fastest form of the model is not remembered: %s", error)


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where programs may keep what they can make again: systemd's, else the user's; None: nowhere."""
    if given := environment.get("CACHE_DIRECTORY"):
        return Path(given.split(":")[0])
    if given := environment.get("XDG_CACHE_HOME"):
        return Path(given) / "age-station"
    return Path(given) / ".cache" / "age-station" if (given := environment.get("HOME")) else None


@dataclass(frozen=True, slots=True)
class Trial:
    """How forms are tried."""

    golden: Golden
    batch: Pixels
    turn: Turn
    """Holds the device for one batch: live pictures wait no longer than that."""
    clock: Callable[[], float] = time.perf_counter
    stopped: Callable[[], bool] = lambda: False

    def sound(self, make: Maker) -> tuple[Form | None, str]:
        """The form, if it can be made and gives the golden outputs; else why it cannot be taken."""
        try:
            form = make()
            with self.turn():
                fault = self.golden.fault(form)
        except NoMemory:
            return None, "the device has no memory for it"
        except (RuntimeError, ValueError, TypeError, ImportError, OSError, NotImplementedError) as error:
            return None, f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        return (None, fault) if fault else (form, "")

    def rate(self, form: Form) -> float:
        """Images a second of one full batch."""
        with self.turn():
            began = self.clock()
            form(self.batch)
            return len(self.batch) / (self.clock() - began)

    def rates(self, forms: Mapping[str, Form]) -> dict[str, float]:
        """Images a second of each: the middle of some rounds, in each of which every form has its turn."""
        for form in forms.values():
            self.rate(form)
        rounds: list[dict[str, float]] = []
        while len(rounds) < ROUNDS and not self.stopped():
            rounds.append({name: self.rate(form) for name, form in forms.items()})
        return {name: median(r[name] for r in rounds) for name in forms} if rounds else {}


def fastest(exported: Form, makers: Mapping[str, Maker], trial: Trial) -> tuple[Form, Choice]:
    """The fastest form that gives the golden outputs, and what was measured."""
    rate = max(trial.rate(exported), trial.rate(exported))
    if rate > FAST_ENOUGH:
        return exported, Choice(EXPORTED, {EXPORTED: rate})
    forms, refused = {EXPORTED: exported}, {}
    for name, make in makers.items():
        if trial.stopped():
            return exported, Choice(EXPORTED)
        form, why = trial.sound(make)
        if form is None:
            refused[name] = why
        else:
            forms[name] = form
    rates = trial.rates(forms)
    best = max(rates, key=lambda name: rates[name], default=EXPORTED)
    if rates and rates[best] < LEAST_GAIN * rates[EXPORTED]:
        best = EXPORTED
    return forms[best], Choice(best, rates, refused)


def remembered(known: Choice, makers: Mapping[str, Maker], trial: Trial) -> Form | None:
    """The form that was chosen before, if it still gives the golden outputs; None: it is to be chosen anew."""
    form, why = trial.sound(makers[known.form]) if known.form in makers else (None, "it is not known any more")
    if form is None:
        log.warning("the model's form of before, %s, cannot be used: %s", known.form, why)
    return form


def without(choice: Choice, why: str) -> Choice:
    """The same, refused while it served."""
    return replace(choice, form=EXPORTED, refused={**choice.refused, choice.form: why})
