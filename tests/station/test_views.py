"""How a finder looks at frames: every face it is made for lies whole, and large enough, in some view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain import Box, Floats
from station.views import Looking, distinct, gathered, of_frame, of_view, overlaps, views

LOOKING = Looking(least_face_px=12)


def boxes(*rows: tuple[float, float, float, float]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_a_frame_whose_least_face_is_large_enough_in_the_whole_is_looked_at_once() -> None:
    assert views(1600, 1200, 400, 0.03, LOOKING) == (Box(0.0, -1 / 6, 1.0, 4 / 3),)


def test_tiles_are_as_large_as_the_least_face_allows() -> None:
    _, *tiles = views(4000, 3000, 320, 0.03, LOOKING)
    assert len(tiles) == 2
    assert {round(tile.width * 4000) for tile in tiles} == {3200}


@given(
    width=st.integers(200, 6000), height=st.integers(200, 6000), share=st.floats(0.01, 0.5),
    aspect=st.floats(0.7, 1.4), x=st.floats(0, 1), y=st.floats(0, 1),
)  # fmt: skip
def test_every_face_from_the_least_on_lies_whole_and_large_enough_in_a_view(
    width: int, height: int, share: float, aspect: float, x: float, y: float
) -> None:
    wide, tall = share * width, share * width * aspect
    if tall > height:
        return
    face = boxes((x * (1 - share), y * (1 - tall / height), share, tall / height))
    good = []
    for view in views(width, height, 320, 0.01, LOOKING):
        left, top, w, h = of_view(face, view)[0]
        whole = left > -1e-4 and top > -1e-4 and left + w < 1 + 1e-4 and top + h < 1 + 1e-4
        good.append(whole and wide * 320 / (view.width * width) >= 12 * 0.999)
    assert any(good)


@pytest.mark.parametrize("size", [(4000, 3000), (3000, 4000), (500, 500)])
def test_a_box_goes_from_frame_to_view_and_back(size: tuple[int, int]) -> None:
    face = boxes((0.4, 0.3, 0.1, 0.2))
    for view in views(*size, 320, 0.02, LOOKING):
        assert np.allclose(of_frame(of_view(face, view), view), face, atol=1e-5)


def test_a_face_seen_in_two_views_is_found_once_with_its_surer_sight() -> None:
    looked = views(4000, 3000, 320, 0.03, LOOKING)
    face = boxes((0.45, 0.4, 0.05, 0.07))
    sights = [
        (of_view(face, view), np.array([score], np.float32))
        for view, score in zip(looked, (0.6, 0.9, 0.7), strict=True)
    ]
    found, scores = gathered(sights, looked, LOOKING)
    assert np.allclose(found, face, atol=1e-5)
    assert scores.tolist() == pytest.approx([0.9])


def test_a_face_that_a_tiles_inner_edge_cuts_is_left_to_the_other_views() -> None:
    looked = views(4000, 3000, 320, 0.03, LOOKING)
    cut = boxes((0.9, 0.4, 0.1, 0.1))
    nothing = boxes(), np.empty(0, np.float32)
    found, _ = gathered([nothing, (cut, np.array([0.9], np.float32)), nothing], looked, LOOKING)
    assert len(found) == 0


def test_a_face_at_the_edge_of_the_frame_stays() -> None:
    looked = views(1000, 1000, 400, 0.03, LOOKING)
    found, _ = gathered([(boxes((0.9, 0.4, 0.1, 0.1)), np.array([0.9], np.float32))], looked, LOOKING)
    assert len(found) == 1


def test_boxes_in_the_grey_around_the_frame_are_left_out() -> None:
    looked = views(1600, 800, 400, 0.03, LOOKING)
    found, _ = gathered([(boxes((0.4, 0.0, 0.1, 0.1)), np.array([0.9], np.float32))], looked, LOOKING)
    assert len(found) == 0


@pytest.mark.parametrize("scores", [(0.9, 0.8), (0.8, 0.9)])
def test_of_a_box_inside_another_the_surer_is_the_face(scores: tuple[float, float]) -> None:
    found = distinct(boxes((0, 0, 1, 1), (0.1, 0.1, 0.2, 0.2)), np.array(scores, np.float32), 0.45)
    assert found == [int(np.argmax(scores))]


def test_neighbours_stay_two() -> None:
    assert distinct(boxes((0, 0, 0.5, 1), (0.4, 0, 0.5, 1)), np.array([0.8, 0.9], np.float32), 0.45) == [1, 0]


def test_overlap_is_intersection_over_union() -> None:
    assert overlaps(boxes((0, 0, 2, 2)), boxes((1, 0, 2, 2), (5, 5, 1, 1))).tolist() == [[pytest.approx(1 / 3), 0.0]]
