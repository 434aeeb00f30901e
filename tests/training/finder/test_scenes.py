"""Training pictures made of frames: the boxes stay on the faces, whatever is done to the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from station.domain import Floats
from tests.training import framed
from training.finder.looks import looked
from training.finder.scenes import Mixture, Painter, Stock, laid, seen_of
from training.finder.sources import Source


def source(seed: int = 0, faces: int = 1) -> Source:
    drawn, boxes = framed.frame(seed, faces)
    return Source(np.ascontiguousarray(drawn.transpose(2, 0, 1)), np.array(boxes, np.float32).reshape(-1, 4), 0)


def white(picture: torch.Tensor) -> Floats:
    """The box around what is bright in 3 x S x S."""
    rows, columns = np.nonzero(picture.numpy().mean(axis=0) > 180)
    x, y = columns.min(), rows.min()
    return np.array([x, y, columns.max() + 1 - x, rows.max() + 1 - y], np.float32)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_a_box_lies_on_its_face_at_any_scale(mirrored: bool, scale: float) -> None:
    face = source(3)
    middle = float(face.boxes[0, 0] + 10), float(face.boxes[0, 1] + 20)
    picture, _, [box] = laid(face, scale, middle, 0.0, mirrored, 128)
    assert np.abs(white(picture) - box).max() <= 2


def test_a_turned_face_stays_within_reach_of_its_box() -> None:
    face = source(3)
    x, y, width, height = face.boxes[0]
    picture, _, [box] = laid(face, 1.0, (float(x + width / 2), float(y + height / 2 + 20)), 25.0, False, 128)
    seen = white(picture)
    assert np.abs(seen[:2] + seen[2:] / 2 - box[:2] - box[2:] / 2).max() <= 2


def test_outside_the_source_nothing_is_covered() -> None:
    _, covered, _ = laid(source(), 0.25, (80.0, 60.0), 0.0, False, 128)
    assert covered[0, 0, 0] == 0
    assert covered[0, 64, 64] == 1


def test_a_face_cut_by_the_view_is_unsure_and_one_outside_is_none() -> None:
    boxes = np.array([[10, 10, 40, 40], [-20, 10, 40, 40], [-39, 10, 40, 40], [5, 5, 4, 4]], np.float32)
    sure, unsure = seen_of(boxes, 100)
    assert sure.tolist() == [[10, 10, 40, 40]]
    assert unsure.tolist() == [[0, 10, 20, 40], [5, 5, 4, 4]]


@pytest.mark.parametrize("faces", ["framed", "pasted", "empty"])
def test_scenes_of_every_kind_have_what_they_promise(faces: str) -> None:
    mixture = Mixture(empty=float(faces == "empty"), pasted=float(faces == "pasted"))
    stock = Stock([source(n) for n in range(3)], [source(9, 0)], [source(1)], fold=2)
    painter = Painter(stock, 96, mixture, np.random.default_rng(0))
    scenes = [painter.scene() for _ in range(12)]
    assert {scene.fold for scene in scenes} == {2}
    assert all(scene.pixels.shape == (3, 96, 96) for scene in scenes)
    assert sum(len(scene.boxes) for scene in scenes) == 0 if faces == "empty" else any(len(s.boxes) for s in scenes)


def test_a_fold_with_nothing_but_faces_makes_scenes_too() -> None:
    painter = Painter(Stock([source()], [], [], 0), 96, Mixture(), np.random.default_rng(0))
    assert len([painter.scene() for _ in range(8)]) == 8


def test_the_same_chance_makes_the_same_scenes() -> None:
    stock = Stock([source()], [source(9, 0)], [source(1)], 0)
    one, other = (Painter(stock, 64, Mixture(), np.random.default_rng(5)).scene() for _ in range(2))
    assert torch.equal(one.pixels, other.pixels)


def test_looks_change_every_scene_and_move_nothing() -> None:
    pixels = torch.from_numpy(np.stack([source(n).pixels[:, :96, :96] for n in range(8)]))
    seen = looked(pixels, torch.Generator().manual_seed(0))
    assert seen.shape == pixels.shape
    assert seen.dtype == torch.uint8
    assert not any(torch.equal(one, other) for one, other in zip(seen, pixels, strict=True))
