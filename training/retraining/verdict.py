"""What is left behind of a retraining, beside the challenger: `gate.json` for programs, `GATE.md` for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from training.gate import Bout, Thresholds, Verdict
from training.retraining.shadow import Shadow

GATE, FOR_PEOPLE = "gate.json", "GATE.md"
SCHEMA = 1
_MOST = 20
_DOUBTFUL = 5.0
"""Both models off by so many times the error, and in the same direction: the label is worth a second look."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An animal whose birth date both models contradict."""

    individual: str
    champion_off_years: float
    """The mean of its estimates less the ages that follow from the birth date."""
    challenger_off_years: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is told of one retraining."""

    at: datetime
    champion: str
    challenger: str
    verdict: Verdict
    asked: Thresholds
    plan: str
    told: tuple[str, ...] = ()
    """What was left out on the way."""
    shadow: Shadow | None = None
    doubts: tuple[Doubt, ...] = ()

    @property
    def in_a_line(self) -> str:
        """The verdict."""
        if self.verdict.passed:
            return f"{self.challenger} passed the gate"
        reasons = "; ".join(f"{rule.name}: {rule.says}" for rule in self.verdict.broken)
        return f"{self.challenger} is refused and {self.champion} stays: {reasons}"


def doubts(bouts: Sequence[Bout]) -> tuple[Doubt, ...]:
    """Animals whose labels neither model can believe, the worst first.

    They are only named, never left out by themselves: a model must not choose what it is judged by.
    """
    found = []
    errors = np.concatenate([np.abs(bout.champion.errors_years) for bout in bouts]) if bouts else np.zeros(1)
    limit = _DOUBTFUL * float(np.median(errors))
    for bout in bouts:
        for name in np.unique(bout.champion.individuals):
            rows = bout.champion.individuals == name
            off = [float(one.errors_years[rows].mean()) for one in (bout.champion, bout.challenger)]
            if min(map(abs, off)) > limit and off[0] * off[1] > 0:
                found.append(Doubt(str(name), *off))
    return tuple(sorted(found, key=lambda doubt: -abs(doubt.challenger_off_years)))


def write(folder: Path, found: Findings) -> None:
    """Both files."""
    (folder / GATE).write_text(json.dumps(_plain(found), indent=2) + "\n", encoding="utf-8")
    (folder / FOR_PEOPLE).write_text("\n".join(_told(found)) + "\n", encoding="utf-8")


def read(bundle: Path) -> dict[str, object] | None:
    """The verdict on a bundle, as JSON has it; None: it did not come from a retraining, or it cannot be read."""
    try:
        raw = json.loads((bundle / GATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def _plain(found: Findings) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "at": found.at.isoformat(),
        "champion": found.champion,
        "challenger": found.challenger,
        "passed": found.verdict.passed,
        "verdict": found.in_a_line,
        "rules": [asdict(rule) for rule in found.verdict.rules],
        "thresholds": asdict(found.asked),
        "plan": found.plan.splitlines(),
        "left_out": list(found.told),
        "shadow": _plain_shadow(found.shadow),
        "doubtful_labels": [asdict(doubt) for doubt in found.doubts],
    }


def _plain_shadow(shadow: Shadow | None) -> dict[str, object] | None:
    if shadow is None:
        return None
    animals = [asdict(one) | {"difference_years": one.difference_years} for one in shadow.animals]
    return {"faces": shadow.faces, "left_out": shadow.left_out, "animals": animals}


def _told(found: Findings) -> Iterator[str]:
    yield f"# {'Passed' if found.verdict.passed else 'Refused'}: {found.challenger}"
    yield ""
    yield f"Judged on {found.at:%Y-%m-%d} against {found.champion}, which was in service."
    yield ""
    yield "| rule | held | what was found |"
    yield "|---|---|---|"
    for rule in found.verdict.rules:
        yield f"| {rule.name} | {'yes' if rule.held else '**no**'} | {rule.says} |"
    yield from ("", "## What it was fitted on", "", "```", found.plan, *found.told, "```")
    yield from _told_doubts(found.doubts)
    yield from _told_shadow(found.shadow)


def _told_doubts(doubts: Sequence[Doubt]) -> Iterator[str]:
    if not doubts:
        return
    yield from ("", "## Birth dates worth a second look", "", "Both models contradict them:", "")
    for doubt in doubts[:_MOST]:
        yield (
            f"- {doubt.individual}: by its birth date the models are off by {doubt.champion_off_years:+.1f} and "
            f"{doubt.challenger_off_years:+.1f} years"
        )


def _told_shadow(shadow: Shadow | None) -> Iterator[str]:
    if shadow is None:
        return
    yield from ("", "## In the shadow", "")
    yield (
        f"Both looked at the {shadow.faces} newest faces ({shadow.left_out} could not be looked at). No truth is known "
        "of them; this shows what a promotion would change, the largest differences first."
    )
    yield from ("", "| individual | faces | in service | challenger | difference | other life stage |")
    yield "|---|---:|---:|---:|---:|---:|"
    for one in shadow.animals[:_MOST]:
        yield (
            f"| {one.individual} | {one.faces} | {one.champion_years:.1f} | {one.challenger_years:.1f} | "
            f"{one.difference_years:+.1f} | {one.other_stage} |"
        )
