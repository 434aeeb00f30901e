"""How well an embedding finds the other faces of an individual among those of others.

| name | what |
|---|---|
| `rank1`, `rank5` | the share of faces with one of the same individual as the nearest, among the five nearest |
| `rank1_other_clip` | `rank1` where faces of the same clip, which look the same, are left out |
| `map` | mean average precision: how far all faces of the same individual come before the others |
| `auc` | the probability that two faces of one individual are more alike than two of different ones |

Faces are compared within a trial: the unseen individuals of one split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.bundles import Figure
from training.draws import Draws
from training.folds import Indices, Names, Numbers

RANKED = ("rank1", "rank5", "rank1_other_clip", "map")


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The vectors (unit length, N x E) of faces of individuals that an embedding was not fitted on."""

    vectors: npt.NDArray[np.floating]
    individuals: Names
    clip: Indices
    """Faces with the same number look the same."""

    def cosines(self) -> Numbers:
        """N x N."""
        return np.asarray(self.vectors @ self.vectors.T, np.float64)


def ranked(trial: Trial) -> dict[str, Numbers]:
    """Those of `RANKED`, by face, N; nan where an individual has no other face."""
    cosines, same = trial.cosines(), trial.individuals[:, None] == trial.individuals
    alone = np.eye(len(same), dtype=bool)
    hits = _hits(cosines, same, alone)
    other_clip = _hits(cosines, same, trial.clip[:, None] == trial.clip)
    found = hits.sum(axis=1)
    with np.errstate(invalid="ignore"):
        precision = (np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1) * hits).sum(axis=1) / found
    return {
        "rank1": _where(found, hits[:, 0]),
        "rank5": _where(found, np.asarray(hits[:, :5].any(axis=1))),
        "rank1_other_clip": _where(other_clip.sum(axis=1), other_clip[:, 0]),
        "map": precision,
    }


def _hits(cosines: Numbers, same: npt.NDArray[np.bool_], left_out: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether each face's nearest, second nearest ... is of the same individual; those left out come last, as not."""
    order = np.argsort(np.where(left_out, np.inf, -cosines), axis=1, kind="stable")
    hits: npt.NDArray[np.bool_] = np.take_along_axis(same & ~left_out, order, axis=1)
    return hits


def _where(there: Numbers | Indices, values: npt.NDArray[np.bool_]) -> Numbers:
    return np.where(there > 0, values.astype(np.float64), np.nan)


def figures(trials: Sequence[Trial], seed: int = 0) -> dict[str, Figure]:
    """Means over the faces of all trials, with intervals over individuals."""
    draws = _draws(trials, seed)
    return {name: draws.figure(rows) for name, rows in _rows(trials, draws).items()}


def gains(trials: Sequence[Trial], frozen: Sequence[Trial], seed: int = 0) -> dict[str, Figure]:
    """How much larger each figure is than that of the same faces in frozen features, drawn together."""
    draws = _draws(trials, seed)
    mine, theirs = _rows(trials, draws), _rows(frozen, draws)
    return {name: draws.figure(rows - theirs[name]) for name, rows in mine.items()}


def _draws(trials: Sequence[Trial], seed: int) -> Draws:
    return Draws(np.concatenate([trial.individuals for trial in trials]), seed)


def _rows(trials: Sequence[Trial], draws: Draws) -> dict[str, Numbers]:
    """Each figure as it is and for each draw, R."""
    of_faces = [ranked(trial) for trial in trials]
    found = {}
    for name in RANKED:
        values = np.concatenate([each[name] for each in of_faces])
        there = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            found[name] = draws.sums(np.where(there, values, 0.0)) / draws.sums(there.astype(np.float64))
    found["auc"] = _auc(trials, draws)
    return found


def _auc(trials: Sequence[Trial], draws: Draws) -> Numbers:
    """A mean over faces, so that individuals can be drawn; R."""
    values = np.concatenate([_auc_by_face(trial) for trial in trials])
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(draws.sums(np.where(there, values, 0.0)) / draws.sums(there.astype(np.float64)), np.float64)


def _auc_by_face(trial: Trial) -> Numbers:
    """For each face: the share of the trial's pairs of different individuals that its own pairs are more alike than."""
    cosines, same = trial.cosines(), trial.individuals[:, None] == trial.individuals
    upper = np.triu(np.ones_like(same), 1)
    others = np.sort(cosines[~same & upper])
    np.fill_diagonal(same, val=False)
    below = (np.searchsorted(others, cosines, "left") + np.searchsorted(others, cosines, "right")) / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((below / max(len(others), 1) * same).sum(axis=1) / same.sum(axis=1), np.float64)
