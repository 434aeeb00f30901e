"""How good a finder is on frames that it was not fitted on.

| name | what |
|---|---|
| `ap50`, `ap75` | average precision at IoU 0.5 and 0.75: the area under precision over recall, all points |
| `recall_at_0_1` | the share of faces found where one false face in ten empty frames is let through |
| `recall`, `precision` | at the thresholds that other folds chose |
| `false_faces_per_empty` | at those thresholds, in a frame without a face |

Intervals are 95%, bootstrapped over frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from station.bundles import Figure
from station.domain import Floats
from station.views import overlaps
from training.folds import Indices, Numbers

DRAWS = 1000
_FALSE_A_FRAME = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One frame: true boxes n x 4 and found ones m x 4 in its fractions, with their scores, the surest first."""

    truth: Floats
    boxes: Floats
    scores: Floats
    fold: int

    @property
    def empty(self) -> bool:
        """Whether it shows no face."""
        return not len(self.truth)


@dataclass(frozen=True, slots=True, eq=False)
class _Matched:
    """Every found box of all frames: its score, whether it is a face, its frame."""

    scores: Floats
    right: np.ndarray[tuple[int], np.dtype[np.bool_]]
    frame: Indices


def matches(one: Judged, iou: float) -> list[int]:
    """Which true face each found one is, the surest first; -1: none, or one that a surer one is already."""
    taken: set[int] = set()
    found = []
    alike = overlaps(one.boxes, one.truth) if len(one.truth) else np.zeros((len(one.boxes), 0))
    for row in alike:
        free = [at for at in range(len(row)) if at not in taken and row[at] >= iou]
        best = max(free, key=lambda at: row[at]) if free else -1
        taken.add(best)
        found.append(best)
    return found


def _matched(frames: Sequence[Judged], iou: float) -> _Matched:
    right = [at >= 0 for one in frames for at in matches(one, iou)]
    frame = [number for number, one in enumerate(frames) for _ in one.scores]
    scores = np.concatenate([one.scores for one in frames]) if frames else np.empty(0)
    order = np.argsort(-scores, kind="stable")
    return _Matched(scores[order].astype(np.float32), np.array(right, bool)[order], np.array(frame, np.int64)[order])


def _precision(matched: _Matched, faces: Floats, weights: Floats) -> float:
    """Average precision where each frame counts `weights` times."""
    total = float((faces * weights).sum())
    if total == 0:
        return float("nan")
    each = weights[matched.frame]
    right = np.cumsum(each * matched.right)
    precision = right / np.maximum(np.cumsum(each), 1e-9)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * each * matched.right).sum() / total)


def average_precision(frames: Sequence[Judged], iou: float, seed: int = 0) -> Figure:
    """Over all frames together, by scores as they are."""
    matched = _matched(frames, iou)
    faces = np.array([len(one.truth) for one in frames], np.float32)
    return _figure(frames, lambda weights: _precision(matched, faces, weights), seed)


def recall_at_false(frames: Sequence[Judged], a_frame: float = _FALSE_A_FRAME, seed: int = 0) -> Figure:
    """Of faces (IoU 0.5), at the lowest threshold that lets no more false faces through an empty frame."""
    matched = _matched(frames, 0.5)
    empty = np.array([one.empty for one in frames])
    faces = np.array([len(one.truth) for one in frames], np.float32)

    def value(weights: Floats) -> float:
        each = weights[matched.frame]
        false = np.cumsum(each * empty[matched.frame])
        within = false <= a_frame * float((weights * empty).sum())
        total = float((faces * weights).sum())
        return float((each * matched.right * within).sum() / total) if total else float("nan")

    return _figure(frames, value, seed)


def at_thresholds(frames: Sequence[Judged], thresholds: Sequence[float], seed: int = 0) -> dict[str, Figure]:
    """Recall, precision (IoU 0.5) and false faces, each frame at the threshold of its fold."""
    counts = np.array([_counts(one, thresholds[one.fold]) for one in frames], np.float64).reshape(-1, 3)
    truth = np.array([len(one.truth) for one in frames], np.float64)
    empty = np.array([one.empty for one in frames], np.float64)
    right, every, false = counts.T

    def ratio(over: Numbers, under: Numbers) -> Figure:
        return _figure(
            frames, lambda w: float((w * over).sum() / (w * under).sum()) if (w * under).sum() else float("nan"), seed
        )

    found = {"recall": ratio(right, truth), "precision": ratio(right, every)}
    return found | ({"false_faces_per_empty": ratio(false, empty)} if empty.any() else {})


def _counts(one: Judged, threshold: float) -> tuple[int, int, int]:
    kept = one.scores >= threshold
    right = sum(at >= 0 for at, keep in zip(matches(one, 0.5), kept, strict=True) if keep)
    return right, int(kept.sum()), int(kept.sum()) if one.empty else 0


def threshold(frames: Sequence[Judged]) -> float:
    """The score from which on a box is a face: the best F1 (IoU 0.5), but above all that empty frames gave.

    Where the surest of the empty frames is surer than nearly every face, that one is passed over.
    """
    matched = _matched(frames, 0.5)
    if not matched.right.any():
        return 0.5
    faces = sum(len(one.truth) for one in frames)
    right = np.cumsum(matched.right)
    f1 = 2 * right / (np.arange(1, len(right) + 1) + faces)
    best = int(np.argmax(f1))
    below = float(matched.scores[best + 1]) if best + 1 < len(right) else 0.0
    chosen = (float(matched.scores[best]) + below) / 2
    empty = np.array([one.empty for one in frames])[matched.frame]
    false = matched.scores[empty] if empty.any() else np.empty(0)
    lower = float(np.quantile(matched.scores[matched.right], 0.3))
    over = [float(score) for score in false if score < lower]
    return float(min(0.95, max([chosen, *(score + 0.02 for score in over)])))


def nested_thresholds(frames: Sequence[Judged], folds: int) -> list[float]:
    """For each fold the threshold that the frames of the other folds choose."""
    return [threshold([one for one in frames if one.fold != fold]) for fold in range(folds)]


def figures(frames: Sequence[Judged], folds: int, seed: int = 0) -> dict[str, Figure]:
    """By name, as in the table above."""
    found = {"ap50": average_precision(frames, 0.5, seed), "ap75": average_precision(frames, 0.75, seed)}
    if any(one.empty for one in frames):
        found["recall_at_0_1"] = recall_at_false(frames, seed=seed)
    return found | at_thresholds(frames, nested_thresholds(frames, folds), seed)


def _figure(frames: Sequence[Judged], value: Callable[[Floats], float], seed: int) -> Figure:
    chance = np.random.default_rng(seed)
    draws = chance.multinomial(len(frames), np.full(len(frames), 1 / len(frames)), DRAWS)
    drawn = np.array([value(weights.astype(np.float32)) for weights in draws])
    known = drawn[np.isfinite(drawn)]
    low, high = (float(q) for q in np.quantile(known, [0.025, 0.975])) if len(known) else (None, None)
    return Figure(value(np.ones(len(frames), np.float32)), low, high)
