"""The time after a promotion: is the station worse with the new model than it was with the one of before?

Two witnesses: the self-checks of both, and the error of both on animals whose birth date people know, seen since the
promotion; the former model looks at these pictures, too, for neither was fitted on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from station import entries, fitness, history, logbook, lookback, schema
from station.birth import DAYS_PER_YEAR
from station.bundles import BundleError
from station.domain import Box, Estimate, Reason
from station.embeddings import Place
from station.golden import TOLERANCE_YEARS
from station.promotions import Change
from station.settings import Settings
from station.times import iso

_CHECKS = 200
_MOST_FACES = 50
"""Of one animal, the newest."""
_DRAWS = 2000
_SINCE = """SELECT faces.individual, faces.id, path, digest, x, y, width, height, captured_at, born_on, new.age_years,
        old.age_years, row_number() OVER (PARTITION BY faces.individual ORDER BY captured_at DESC, faces.id) AS place
    FROM estimates AS new JOIN faces ON faces.id = new.face JOIN frames ON frames.id = faces.frame
    JOIN individuals ON individuals.id = faces.individual
    LEFT JOIN estimates AS old ON old.face = faces.id AND old.model = :former
    WHERE new.model = :model AND new.id > 0 AND new.estimated_at >= :since AND born_on IS NOT NULL
    AND captured_at IS NOT NULL AND NOT coalesce(captured_impossible, 0)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A face of an animal of known age."""

    individual: str
    place: Place
    age_years: float
    estimate_years: float
    former_years: float | None
    """None: the former model has not looked at it yet."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The mean absolute errors of both models, animal by animal."""

    animals: int
    error_years: float
    former_years: float
    sure: bool
    """In 95% of draws of as many animals the new one errs more."""

    def __str__(self) -> str:
        return (
            f"on {self.animals} animals of known birth date it errs by {self.error_years:.2f} years, "
            f"the former one by {self.former_years:.2f}"
        )


def faults(settings: Settings, change: Change, former: Path, now: datetime) -> tuple[list[str], str]:
    """What is worse than before, and what the audit says if anything.  Raises `StationError`."""
    found = list(_slower(settings, change))
    audited = audit(_audited(settings, change, former, now), settings.models.watch_animals)
    how = settings.models
    if audited and audited.sure and audited.error_years - audited.former_years > how.watch_error_years:
        found.append(f"{audited}, {how.watch_error_years:g} more are allowed")
    return found, str(audited) if audited else "nobody of known birth date was seen often enough for an audit"


def audit(seen: Sequence[Seen], least: int) -> Audit | None:
    """By individual, so that an animal that is often photographed counts once; None: too few animals."""
    errors: dict[str, list[tuple[float, float]]] = {}
    for one in seen:
        if one.former_years is not None:
            pair = abs(one.estimate_years - one.age_years), abs(one.former_years - one.age_years)
            errors.setdefault(one.individual, []).append(pair)
    if len(errors) < least:
        return None
    means = np.array([np.mean(pairs, axis=0) for pairs in errors.values()])
    return Audit(
        len(means), float(means[:, 0].mean()), float(means[:, 1].mean()), _surely_more(means[:, 0] - means[:, 1])
    )


def _surely_more(differences: npt.NDArray[np.float64]) -> bool:
    rng = np.random.default_rng(1)
    drawn = rng.choice(differences, (_DRAWS, len(differences))).mean(axis=1)
    return bool(np.quantile(drawn, 0.05) > 0)


def _slower(settings: Settings, change: Change) -> list[str]:
    checks = logbook.past(settings.station.database, _CHECKS)
    mine = [c for c in checks if _bundle(c) == change.version and c["measured"]["at"] >= change.at]
    if not mine:
        return []
    newest = mine[-1]["measured"]
    off = newest["golden_off_years"]
    if off is None and newest["failed"]:
        return [f"its self-check failed: {'; '.join(newest['failed'])}"]
    if off is not None and not off <= TOLERANCE_YEARS:
        return [f"its golden outputs are off by {off:.3f} years"]
    before = [c["measured"] for c in checks if _bundle(c) == change.previous and _alike(c["measured"], newest)]
    return _lower(newest, before[-1], settings.models.watch_speed) if before and _fair(newest) else []


def _bundle(check: Mapping[str, Any]) -> str:
    return str(check["measured"]["identity"]["bundle"])


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _fair(one) and one["beside"] == other["beside"] and one["identity"]["device"] == other["identity"]["device"]


def _fair(measured: Mapping[str, Any]) -> bool:
    """Neither the station nor other programs were at work meanwhile."""
    others = measured["surroundings"]["others"]
    return not measured["busy"] and (others is None or others <= fitness.CROWDED)


def _lower(now: Mapping[str, Any], before: Mapping[str, Any], least: float) -> list[str]:
    both = [name for name in (fitness.MODEL, fitness.SMALL) if name in now["rates"] and name in before["rates"]]
    shares = {name: now["rates"][name]["per_s"] / before["rates"][name]["per_s"] for name in both}
    return [
        f"{fitness.NAMES[name]}: {share:.2f} of the former model's images/s, less than {least:g}"
        for name, share in shares.items()
        if share < least
    ]


def _audited(settings: Settings, change: Change, former: Path, now: datetime) -> list[Seen]:
    """Every face that both have looked at; where the former one has not, it does so now."""
    seen = _since(settings, change)
    missing = [one.place for one in seen if one.former_years is None]
    if missing and _score(settings, missing, former, now):
        seen = _since(settings, change)
    return seen


def _since(settings: Settings, change: Change) -> list[Seen]:
    asked = {"model": change.version, "former": change.previous, "since": change.at}
    with history.reading(settings.station.database) as db:
        rows = db.execute(f"SELECT * FROM ({_SINCE}) WHERE place <= {_MOST_FACES}", asked).fetchall()
    found = []
    for who, face, path, digest, x, y, width, height, at, born, new, old, _ in rows:
        days = datetime.fromisoformat(at).date().toordinal() - date.fromisoformat(born).toordinal()
        if days >= 0:
            place = Place(face, path, digest, Box(x, y, width, height))
            found.append(Seen(who, place, days / DAYS_PER_YEAR, new, old))
    return found


def _score(settings: Settings, places: Sequence[Place], former: Path, now: datetime) -> bool:
    """The former model estimates these faces; whether it could estimate any."""
    from station.ages import Ages  # noqa: PLC0415  torch takes seconds to import

    try:
        ages = Ages(former, settings.line.device, limit=settings.line.batch_faces)
    except (BundleError, RuntimeError):  # then there is nothing to compare with
        return False
    found = list(lookback.crops(places, ages.card, int(settings.line.max_megapixels * 1e6)))
    crops = [(place.face, crop) for place, crop in found if not isinstance(crop, Reason)]
    if not crops:
        return False
    probabilities, _ = ages.run(np.concatenate([crop for _, crop in crops]))
    estimates: list[tuple[int, Estimate]] = [
        (face, ages.estimate(p)) for (face, _), p in zip(crops, probabilities, strict=True)
    ]
    with schema.beside(settings.station.database) as db:
        entries.rescore(db, estimates, iso(now))
    return True
