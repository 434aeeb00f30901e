"""Faces that look the same: frames of one clip, copies, one photograph under two names.

A 64-bit difference hash (Krawetz 2013, "Kind of Like That") finds the candidates, and what of them agrees in fine
structure too is taken.  The hash alone will not do: faces in boxes are all built alike, and of aligned portraits of
different people one pair in forty is within ten bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from station.domain import Floats, Pixels
from training.folds import Indices
from training.results import Twin

LIMIT_BITS = 10
"""A frame shifted by 2% is within it nine times in ten; JPEG, noise, gamma and smaller size take 1 to 6 bits."""
ALIKE = 0.85
"""The cosine between fine structures: of 290,000 pairs of different people none came above 0.81."""
ALIKE_OF_ONE = 0.75
"""For two faces of one animal at one age, where taking two moments for one does little harm."""
MOST = 10_000
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FINE = 16
_FACES_AT_ONCE, _ROWS_AT_ONCE, _PAIRS_AT_ONCE = 64, 256, 65_536

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What of N faces is compared, of each as it is and mirrored: N x 2 hashes, N x 2 x 256 fine structure."""

    hashes: Hashes
    fine: Floats
    """The luminance in 16 x 16 cells less that around each, of length 1; 0 where a face is one even tone."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Row numbers of faces that look the same, `one` < `other`, and how far their hashes are apart."""

    one: Indices
    other: Indices
    distance_bits: Indices


def looks(crops: Pixels) -> Looks:
    """Of crops uint8 N x 3 x S x S."""
    return joined([_looks(crops[start : start + _FACES_AT_ONCE]) for start in range(0, len(crops), _FACES_AT_ONCE)])


def joined(parts: Sequence[Looks]) -> Looks:
    """Of the faces of all parts, one after the other."""
    if not parts:
        return Looks(np.empty((0, 2), np.uint64), np.empty((0, 2, _FINE**2), np.float32))
    return Looks(np.concatenate([p.hashes for p in parts]), np.concatenate([p.fine for p in parts]))


def _looks(crops: Pixels) -> Looks:
    weights = torch.tensor(_LUMA).view(1, 3, 1, 1)
    luma = (torch.from_numpy(np.ascontiguousarray(crops)).float() * weights).sum(1, keepdim=True)
    coarse = functional.adaptive_avg_pool2d(luma, (8, 9))[:, 0].numpy()
    cells = functional.adaptive_avg_pool2d(luma, (_FINE, _FINE))
    around = functional.avg_pool2d(functional.pad(cells, (1, 1, 1, 1), mode="replicate"), 3, 1)
    fine = (cells - around)[:, 0]
    both = torch.stack([fine, fine.flip(2)], dim=1).flatten(2)
    norm = both.norm(dim=2, keepdim=True)
    unit = torch.where(norm > 1, both / norm.clamp(min=1), torch.zeros(()))
    return Looks(np.stack([_hash(coarse), _hash(coarse[:, :, ::-1])], axis=1), unit.numpy())


def _hash(coarse: npt.NDArray[np.float32]) -> Hashes:
    """A bit for each of 8 x 8 neighbours: is it brighter to the right?"""
    bits = np.packbits((coarse[:, :, 1:] > coarse[:, :, :-1]).reshape(len(coarse), 64), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]


def pairs(looks: Looks, fold: Indices | None = None, limit_bits: int = LIMIT_BITS, alike: float = ALIKE) -> Pairs:
    """All pairs that look the same, also mirrored; with `fold`, only those that stand in different folds."""
    found = [
        _confirmed(looks, one, other, bits, alike)
        for start in range(0, len(looks.hashes), _ROWS_AT_ONCE)
        for one, other, bits in [_candidates(looks.hashes, start, fold, limit_bits)]
    ]
    one, other, bits = (np.concatenate([f[k] for f in found]) if found else np.empty(0, np.intp) for k in range(3))
    order = np.lexsort((other, one, bits))
    return Pairs(one[order], other[order], bits[order])


def _candidates(hashes: Hashes, start: int, fold: Indices | None, limit_bits: int) -> tuple[Indices, Indices, Indices]:
    """Pairs within the limit whose first is one of `_ROWS_AT_ONCE` faces, mirrored ones too."""
    rows = hashes[start : start + _ROWS_AT_ONCE, 0, None]
    plain = np.bitwise_count(rows ^ hashes[start:, 0])
    bits = np.minimum(plain, np.bitwise_count(rows ^ hashes[start:, 1]))
    near = bits <= limit_bits
    if fold is not None:
        near &= fold[start : start + _ROWS_AT_ONCE, None] != fold[start:]
    one, other = np.nonzero(near)
    later = other > one
    one, other = one[later], other[later]
    return one + start, other + start, bits[one, other].astype(np.intp)


def _confirmed(
    looks: Looks, one: Indices, other: Indices, bits: Indices, alike: float
) -> tuple[Indices, Indices, Indices]:
    kept = np.zeros(len(one), bool)
    for start in range(0, len(one), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        likeness = np.einsum("pf,pmf->pm", looks.fine[one[part], 0], looks.fine[other[part]])
        kept[part] = likeness.max(axis=1) >= alike
    return one[kept], other[kept], bits[kept]


def twins(crops: Pixels, fold: Indices, limit_bits: int = LIMIT_BITS) -> tuple[Twin, ...]:
    """Near-duplicates that stand in different folds, the nearest first, at most `MOST`.

    Folds hold individuals apart, so these are one photograph under two names, or two animals that posed alike.
    """
    found = pairs(looks(crops), fold, limit_bits)
    columns = (found.one[:MOST].tolist(), found.other[:MOST].tolist(), found.distance_bits[:MOST].tolist())
    return tuple(Twin(one, other, bits) for one, other, bits in zip(*columns, strict=True))


def groups(found: Pairs, count: int) -> Indices:
    """A group number for each of `count` faces: those that look the same, directly or through others, share one.

    It is the number of the group's first face.
    """
    group = np.arange(count)
    while True:
        least = group.copy()
        np.minimum.at(least, found.one, group[found.other])
        np.minimum.at(least, found.other, group[found.one])
        least = least[least]
        if (least == group).all():
            return group
        group = least
