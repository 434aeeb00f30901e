"""What would be trained, on what, and whether it would be worth it: the whole of `--dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from training.retraining.base import Past
from training.retraining.jury import Sides
from training.retraining.labels import Label, Labels, individuals


@dataclass(frozen=True, slots=True)
class Least:
    """With less nothing is trained."""

    faces: int
    individuals: int
    judges: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A retraining before it begins."""

    champion: str
    recipe: str
    labels: Labels
    sides: Sides
    past: Past
    without_birth: int
    least: Least
    tried: str = ""
    """A challenger that was fitted on the same labels, and what became of it; empty: none was."""

    @property
    def new(self) -> tuple[Label, ...]:
        """Labels that the model in service was not fitted on, or not with this age."""
        known = self.past.ages_years
        return tuple(one for one in self.sides.train if abs(known.get(one.face, -9.0) - one.age_years) > _SAME_YEARS)

    def against(self) -> list[str]:
        """Why it would not be worth it; nothing: it would be."""
        least, new, judges = self.least, self.new, individuals(self.sides.judge)
        reasons = []
        if len(new) < least.faces or len(individuals(new)) < least.individuals:
            reasons.append(
                f"too few new labels: {_of(new)}, where {least.faces} faces of {least.individuals} individuals are "
                "wanted ([retraining] least_faces, least_individuals): confirm more, and say when they were born"
            )
        if len(judges) < least.judges:
            reasons.append(
                f"too few animals to judge by: {len(judges)} of the holdout have labelled pictures since "
                f"{_day(self.sides.cut)}, {least.judges} are wanted ([retraining] least_judges, holdout, holdout_days)"
            )
        if self.tried:
            reasons.append(f"there are the same labels as for {self.tried}")
        return reasons

    def told(self) -> str:
        """For a person, several lines."""
        base = sum(len(one.rows) for one in self.past.base)
        lines = [
            f"In service: {self.champion}, fitted on {len(self.past.acquainted.names)} individuals.",
            f"Labels: {_of(self.labels.kept)} of known birth date; {len(self.labels.refused)} faces refused.",
            *(f"  refused: {text}" for text in self.labels.refusals()),
            f"  {self.without_birth} individuals that people know have no birth date, and label nothing.",
            f"To train on: {_of(self.sides.train)} of before {_day(self.sides.cut)}, {_of(self.new)} of them new; "
            f"and {base} faces of {len(self.past.base)} base manifests.",
            f"To judge by: {_of(self.sides.judge)} of the holdout, since {_day(self.sides.cut)}; the model in service "
            "was not fitted on any of them.",
            f"Left for later: {_of(self.sides.idle)} (older pictures of the holdout, newer ones of the others).",
            f"Would be fitted: {self.recipe}.",
        ]
        reasons = self.against()
        verdict = [f"No training: {reason}." for reason in reasons] or [
            "Worth it: enough is new, and enough can judge."
        ]
        return "\n".join([*lines, *verdict])


_SAME_YEARS = 1.5 / 365.25
"""A day is rounding."""


def _of(labels: Sequence[Label]) -> str:
    return f"{len(labels):,} faces of {len(individuals(labels)):,} individuals"


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
