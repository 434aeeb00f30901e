"""Near-duplicates grouped, before anybody is trained on or judges.

Pictures of one animal that look the same are one picture: the first is kept.  A picture that looks like one of another
animal is one photograph under two names, or a mistake of recognition: the station's own are left out, for one of the
two names is wrong, and the same face might be trained on and judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.domain import Pixels
from training import twins
from training.folds import Indices, Names

Flags = npt.NDArray[np.bool_]
SHARED = 0.93
"""The cosine between fine structures from which two pictures under two names are taken for one.  It is higher than
within an animal: animals of one kind that face the camera are built alike, and leaving out what only looks alike costs
labels (of drawn pandas 19% at 0.85, none at 0.93); a photograph and its copy, compressed anew, lie above it."""


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """Which faces stay."""

    kept: Flags
    repeated: int
    """Left out: they look like another picture of the same animal."""
    shared: int
    """Left out: they look like a picture of another animal."""


def apart(parts: Sequence[Pixels], individuals: Names, own: Flags) -> Apart:
    """Of N faces in parts, uint8 n x 3 x S x S each; only those that are the station's `own`, N, are ever left out."""
    looks = twins.joined([twins.looks(part) for part in parts])
    shared = _shared(twins.groups(twins.pairs(looks, alike=SHARED), len(own)), individuals) & own
    repeated = np.zeros(len(own), bool)
    for name in np.unique(individuals):
        its = np.flatnonzero((individuals == name) & ~shared)
        if len(its) > 1:
            repeated[its] = _repeated(twins.Looks(looks.hashes[its], looks.fine[its]), own[its])
    return Apart(~(shared | repeated), int(repeated.sum()), int(shared.sum()))


def _shared(group: Indices, individuals: Names) -> Flags:
    """Whether a face's group is of several animals."""
    _, owner = np.unique(individuals, return_inverse=True)
    pairs = np.unique(np.stack([group, owner]), axis=1)
    animals = np.bincount(pairs[0], minlength=len(group))
    return np.asarray(animals[group] > 1)


def _repeated(looks: twins.Looks, own: Flags) -> Flags:
    """Of one animal's faces, all but the first of each group; of the base none."""
    count = len(own)
    group = twins.groups(twins.pairs(looks, alike=twins.ALIKE_OF_ONE), count)
    from_base = np.zeros(count, bool)
    np.logical_or.at(from_base, group, ~own)
    first = (group == np.arange(count)) & ~from_base[group]
    return np.asarray(own & ~first)
