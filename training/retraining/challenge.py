"""Fits a challenger and collects what the gate looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

from station.ages import Ages
from station.bundles import Card
from station.species import LifeStage
from training import faces, fit, manifest
from training.audit import LeakError, judged_as_served
from training.bench import Bench, Say
from training.bench import device as find_device
from training.crew import ALONE
from training.evaluation import judge
from training.faces import Faces
from training.fit import Fitted, Recipe
from training.folds import Indices
from training.gate import Bout
from training.judged import Judged
from training.labels import Bins
from training.manifest import Manifest
from training.retraining.apart import apart


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """All faces of a retraining, as both models see them."""

    train: Faces
    judges: Faces
    manifests: tuple[Manifest, ...]
    """Those trained on: the base and the station's labels."""
    told: tuple[str, ...]
    """What was left out, in words."""


def ground(base: Sequence[Manifest], labels: Manifest, judges: Manifest, of: Card, cache: Path, say: Say) -> Ground:
    """Reads the pictures, cut as the model in service cuts them, and groups near-duplicates.

    Raises `ManifestError`, also where one picture stands under two names, byte for byte.
    """
    rows = [*manifest.aged(base), *labels.rows] if base else list(labels.rows)
    train = faces.load(rows, of.input_px, of.crop_margin, say, cache)
    held = faces.load(judges.rows, of.input_px, of.crop_margin, say, cache)
    own = np.array([bool(row.extra.get("face")) for row in (*train.rows, *held.rows)])
    names = np.concatenate([train.individuals, held.individuals])
    found = apart([train.crops, held.crops], names, own)
    told = (
        f"near-duplicates: {found.repeated} faces look like another of the same animal, of which one is kept; "
        f"{found.shared} look like one of another animal, and are left out"
    )
    kept, split = np.flatnonzero(found.kept), len(train.rows)
    return Ground(
        take(train, kept[kept < split]), take(held, kept[kept >= split] - split), (*base, labels),
        (told, f"{train.left_out + held.left_out} pictures could not be read, or stood there before"),
    )  # fmt: skip


def take(known: Faces, rows: Indices) -> Faces:
    """Some of the faces."""
    return replace(
        known,
        crops=known.crops[rows],
        ages_years=known.ages_years[rows],
        individuals=known.individuals[rows],
        rows=tuple(known.rows[row] for row in rows.tolist()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Challenger:
    """A bundle's files in a folder, and what was said by its siblings, fitted without the faces that they judge."""

    folder: Path
    card: Card
    siblings: Judged
    rows: Indices
    """Which faces of the ground those are."""


def fitted(folder: Path, of: Ground, recipe: Recipe, stages: tuple[LifeStage, ...], now: datetime) -> Challenger:
    """Fits on the ground and writes the bundle's files.

    It starts from the same pretrained weights as a first bundle, not from the model in service: that one has seen
    animals which its own siblings would have to judge, and errors would be handed on from model to model.
    """
    bench = Bench(of.train, Bins.for_ages(of.train.ages_years), find_device(recipe.device, ALONE), ALONE)
    torch.manual_seed(recipe.schedule.seed)
    found = fit.fitted_on(bench, recipe)
    card = fit.write(folder, found, bench, of.manifests, recipe, now).card
    assert found.rows is not None
    return Challenger(folder, card, _siblings(found, bench, stages, recipe), found.rows)


def _siblings(found: Fitted, bench: Bench, stages: tuple[LifeStage, ...], recipe: Recipe) -> Judged:
    seed = recipe.schedule.seed
    return judge(found.unseen, found.fold, found.guesses_years, bench.bins, stages, seed)


def holdout(
    champion: Ages, challenger: Ages, judges: Faces, stages: tuple[LifeStage, ...], give_way: Callable[[], object]
) -> Bout:
    """Both programs on animals that neither was fitted on.  Raises `LeakError` where one was."""
    for one in (champion, challenger):
        if known := sorted(set(judges.individuals.tolist()) & set(one.card.individuals)):
            raise LeakError(f"{one.card.version} was fitted on {', '.join(known[:5])}, who were to judge it")
    return Bout(*(_served(one, judges, stages, give_way) for one in (champion, challenger)))


def new_to(
    champion: Ages,
    challenger: Challenger,
    of: Ground,
    known: Sequence[str],
    stages: tuple[LifeStage, ...],
    give_way: Callable[[], object],
) -> Bout | None:
    """The champion and the challenger's siblings on animals that the champion was not fitted on.

    `known`: individuals that it was fitted on; its card and the base's names are looked up too.
    """
    names = {*known, *champion.card.individuals}
    own = np.array([bool(row.extra.get("face")) for row in of.train.rows])
    fresh = ~np.isin(of.train.individuals, sorted(names)) & own
    chosen = np.flatnonzero(fresh[challenger.rows])
    if not len(chosen):
        return None
    seen = take(of.train, challenger.rows[chosen])
    return Bout(_served(champion, seen, stages, give_way), challenger.siblings.take(chosen))


_BATCHES = 8


def _served(ages: Ages, seen: Faces, stages: tuple[LifeStage, ...], give_way: Callable[[], object]) -> Judged:
    step = _BATCHES * 32
    parts = []
    for begin in range(0, len(seen.crops), step):
        give_way()
        parts.append(ages.run(seen.crops[begin : begin + step])[0])
    return judged_as_served(ages.card, seen, np.concatenate(parts), stages)
