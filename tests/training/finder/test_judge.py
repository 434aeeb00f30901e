"""How good a finder is: figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from training.finder import judge
from training.finder.judge import Judged

FACE = (0.1, 0.1, 0.2, 0.2)
OTHER = (0.6, 0.6, 0.2, 0.2)
NEARLY = (0.12, 0.12, 0.2, 0.2)  # an overlap of 0.68


def frame(truth: list[tuple[float, ...]], found: list[tuple[tuple[float, ...], float]], fold: int = 0) -> Judged:
    found = sorted(found, key=lambda each: -each[1])
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return Judged(np.array(truth, np.float32).reshape(-1, 4), boxes, scores, fold)


def test_every_face_found_and_nothing_else_is_perfect() -> None:
    frames = [frame([FACE], [(FACE, 0.9)]), frame([OTHER], [(OTHER, 0.5)])]
    assert judge.average_precision(frames, 0.5).value == 1


def test_a_face_not_found_costs_its_share() -> None:
    frames = [frame([FACE], [(FACE, 0.9)]), frame([OTHER], [])]
    assert judge.average_precision(frames, 0.5).value == pytest.approx(0.5)


def test_a_false_face_surer_than_the_right_one_halves_precision() -> None:
    frames = [frame([FACE], [(FACE, 0.5), (OTHER, 0.9)])]
    assert judge.average_precision(frames, 0.5).value == pytest.approx(0.5)


def test_a_loose_box_counts_at_the_lower_overlap_only() -> None:
    frames = [frame([FACE], [(NEARLY, 0.9)])]
    assert judge.average_precision(frames, 0.5).value == 1
    assert judge.average_precision(frames, 0.75).value == 0


def test_a_second_box_on_a_face_is_false() -> None:
    one = frame([FACE], [(FACE, 0.9), (NEARLY, 0.8)])
    assert judge.matches(one, 0.5) == [0, -1]


def test_recall_is_taken_where_one_empty_frame_in_ten_has_a_false_face() -> None:
    empty = [frame([], [(FACE, 0.8 - number / 100)]) for number in range(10)]
    faces = [frame([FACE], [(FACE, score)]) for score in (0.9, 0.795, 0.7)]
    assert judge.recall_at_false([*empty, *faces]).value == pytest.approx(2 / 3)


def test_the_threshold_lies_above_what_empty_frames_gave() -> None:
    frames = [frame([FACE], [(FACE, score)]) for score in (0.9, 0.8, 0.7, 0.6)] + [frame([], [(FACE, 0.4)])]
    assert 0.4 < judge.threshold(frames) < 0.6


def test_a_fold_is_judged_at_a_threshold_of_the_others() -> None:
    low = [frame([FACE], [(FACE, 0.3)], fold=0) for _ in range(4)]
    high = [frame([FACE], [(FACE, 0.9), (OTHER, 0.6)], fold=1) for _ in range(4)]
    thresholds = judge.nested_thresholds([*low, *high], 2)
    assert thresholds[0] > 0.6
    assert thresholds[1] <= 0.3
    assert judge.at_thresholds([*low, *high], thresholds)["recall"].value == pytest.approx(0.5)


def test_intervals_hold_the_value() -> None:
    frames = [frame([FACE], [(FACE, 0.9)] if number % 3 else []) for number in range(30)]
    found = judge.average_precision(frames, 0.5)
    assert found.low is not None and found.high is not None
    assert found.low < found.value < found.high


def test_without_empty_frames_nothing_is_said_of_them() -> None:
    assert "recall_at_0_1" not in judge.figures([frame([FACE], [(FACE, 0.9)])], 1)
