"""A bundle measured on a manifest, as it is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from station import species
from station.ages import Ages
from station.bundles import Card, Figure
from station.domain import Floats, StationError
from station.species import LifeStage
from training import faces, manifest
from training.faces import Faces
from training.folds import Numbers
from training.judged import LEVELS, Judged
from training.metrics import figures
from training.stages import stages_at, stages_for

_NAMED = 5
_LEAST = 1e-12


class LeakError(StationError):
    """A bundle would be judged by animals that it was fitted on."""


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What came of it."""

    card: Card
    judged: Judged
    figures: dict[str, Figure]
    left_out: int
    known: tuple[str, ...]
    """Individuals that the bundle was fitted on: the figures flatter it where there are any."""


def audit(bundle: Path, files: Sequence[Path], device: str, even_if_known: bool, say: Callable[[str], None]) -> Audit:
    """Runs the bundle's program on the faces of manifests, with the bundle's own temperature and intervals.

    Raises `LeakError` where the bundle was fitted on an individual of them, unless `even_if_known`; `ManifestError`;
    `BundleError`.
    """
    ages = Ages(bundle, device)
    card = ages.card
    rows = manifest.aged(manifest.read(files))
    known = tuple(sorted(set(card.individuals) & {row.individual for row in rows}))
    if known and not even_if_known:
        raise LeakError(_leak(bundle, known))
    seen = faces.load(rows, card.input_px, card.crop_margin, say)
    stages = stages_for(species.find(card.species), seen.ages_years)
    judged = judged_as_served(card, seen, ages.run(seen.crops)[0], stages)
    return Audit(card, judged, figures(judged), seen.left_out, known)


def _leak(bundle: Path, known: Sequence[str]) -> str:
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return (
        f"{bundle} was fitted on {', '.join(known[:_NAMED])}{more}: figures on animals that a model knows flatter it; "
        "leave them out of the manifest, or give --even-if-known if other animals bear the same names"
    )


def judged_as_served(card: Card, seen: Faces, probabilities: Floats, stages: tuple[LifeStage, ...]) -> Judged:
    """What a bundle's program said of faces, with the card's own intervals."""
    bins = np.asarray(card.bins_years)
    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    mean = p @ bins
    sd = np.sqrt((p * (bins - mean[:, None]) ** 2).sum(axis=1))
    half = sd[:, None] * np.array([np.nan if q is None else q for q in card.quantiles or (None,) * len(LEVELS)], float)
    truth = np.abs(bins - seen.ages_years[:, None]).argmin(axis=1)
    at_truth = p[np.arange(len(p)), truth]
    return Judged(
        individuals=seen.individuals,
        fold=np.zeros(len(p), np.intp),
        ages_years=seen.ages_years,
        estimates_years=mean,
        sd_years=sd,
        low_years=np.maximum(0.0, mean[:, None] - half),
        high_years=mean[:, None] + half,
        surprise=-np.log(np.maximum(at_truth, _LEAST)),
        pit=np.where(np.arange(len(bins)) < truth[:, None], p, 0.0).sum(axis=1) + at_truth / 2,
        guesses_years=_guesses(card, seen.ages_years),
        stages=stages_at(stages, seen.ages_years),
        estimated_stages=stages_at(stages, mean),
        stage_names=tuple(stage.name for stage in stages),
    )


def _guesses(card: Card, ages_years: Numbers) -> Numbers:
    """The median age the bundle was fitted on; of an old bundle that does not know it, that of the manifest."""
    median = card.median_age_years
    return np.full(len(ages_years), np.median(ages_years) if median is None else median)
