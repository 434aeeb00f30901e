"""Retrieval and the calibration of known, new and unsure, on vectors whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from station.bundles import Identity
from training import openset, retrieval
from training.retrieval import Trial

BLANK = Identity("", 32, 0.0, 0.0, 1.0, 1.0, (), (), {})


def trial(animals: int, spread: float, seed: int = 0, faces: int = 8) -> Trial:
    chance = np.random.default_rng(seed)
    names = np.repeat([f"animal-{n}" for n in range(animals)], faces)
    vectors = np.repeat(chance.normal(size=(animals, 32)), faces, axis=0)
    vectors += spread * chance.normal(size=vectors.shape)
    return Trial(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), names, np.arange(len(names)))


def test_vectors_without_spread_are_found_perfectly() -> None:
    figures = retrieval.figures([trial(6, 0.01)])
    assert {name: round(figure.value, 6) for name, figure in figures.items()} == dict.fromkeys(
        (*retrieval.RANKED, "auc"), 1.0
    )


def test_vectors_without_sense_are_found_by_chance() -> None:
    figures = retrieval.figures([trial(10, 100.0, seed) for seed in range(4)])
    assert figures["auc"].value == pytest.approx(0.5, abs=0.05)
    assert figures["rank1"].value == pytest.approx(7 / 79, abs=0.06)


def test_the_order_of_four_faces_gives_the_precision_of_the_book() -> None:
    """One other of its own, second of three: precision a half."""
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [-1.0, 0.0]])
    found = retrieval.ranked(Trial(vectors, np.array(["a", "a", "b", "b"]), np.arange(4)))
    assert found["map"][0] == pytest.approx(0.5)
    assert found["rank1"][0] == 0.0


def test_frames_of_one_clip_do_not_count_for_each_other() -> None:
    """Each animal's two faces look the same and stand alone otherwise: nothing can be found in another clip."""
    one = trial(5, 0.01, faces=2)
    clips = Trial(one.vectors, one.individuals, np.repeat(np.arange(5), 2))
    found = retrieval.ranked(clips)
    assert (found["rank1"] == 1).all()
    assert np.isnan(found["rank1_other_clip"]).all()
    assert not list(openset.questions(clips))


def test_gains_are_of_the_same_faces() -> None:
    good, poor = [trial(8, 0.6)], [trial(8, 1.6)]
    gain = retrieval.gains(good, poor)["map"]
    assert gain.value == pytest.approx(retrieval.figures(good)["map"].value - retrieval.figures(poor)["map"].value)
    assert gain.low is not None and gain.low > 0


def test_the_calibrated_decision_names_the_known_and_not_the_new() -> None:
    calibrated = openset.calibrated([trial(6, 0.7, seed) for seed in range(4)], BLANK)
    assert calibrated.slope > 0
    figures = openset.figures([trial(6, 0.7, seed=9)], [calibrated])
    assert figures["known_named"].value > 0.8
    assert figures["new_not_named"].value > 0.8
    assert figures["known_misnamed"].value < 0.05


def test_where_nothing_can_be_told_apart_nobody_is_named() -> None:
    calibrated = openset.calibrated([trial(6, 100.0, seed) for seed in range(4)], BLANK)
    figures = openset.figures([trial(6, 100.0, seed=9)], [calibrated])
    assert figures["known_misnamed"].value < 0.2
    assert figures["new_not_named"].value > 0.8
