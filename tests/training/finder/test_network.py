"""From maps to boxes and back: what is taught is what is decoded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from station.domain import Floats
from training import networks
from training.finder.losses import giou, targets, wrongness
from training.finder.network import MOST_FACES, STRIDE, Detector, decoded
from training.networks import NetworkError

SIDE = 128


def boxes(*rows: tuple[float, float, float, float]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def taught(wanted: Floats) -> Tensor:
    """Cells of a network that says exactly what it should."""
    goal = targets([wanted], [boxes()], SIDE // STRIDE)
    middle = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    away = torch.stack(
        [
            middle[None] - goal.sides[0, 0], middle[:, None] - goal.sides[0, 1],
            goal.sides[0, 2] - middle[None], goal.sides[0, 3] - middle[:, None],
        ]
    )  # fmt: skip
    distances = torch.log((away / STRIDE).clamp(min=0.01))
    return torch.cat([torch.logit(goal.peaks.clamp(1e-4, 0.999)), distances])[None]


@pytest.mark.parametrize("face", [(20.0, 30.0, 60.0, 50.0), (64.0, 64.0, 12.0, 14.0), (0.0, 0.0, 128.0, 128.0)])
def test_a_taught_face_is_decoded_as_its_box(face: tuple[float, float, float, float]) -> None:
    found, scores = decoded(taught(boxes(face)))
    assert np.allclose(found[0, 0] * SIDE, face, atol=0.5)
    assert scores[0, 0] > 0.99


def test_of_neighbouring_cells_only_the_surest_is_a_face() -> None:
    _, scores = decoded(taught(boxes((10, 10, 30, 30), (80, 80, 30, 30))))
    assert int((scores > 0.5).sum()) == 2


def test_a_view_without_faces_teaches_no_sides() -> None:
    goal = targets([boxes()], [boxes()], 16)
    assert goal.peaks.sum() == goal.weight.sum() == 0


def test_an_unsure_place_teaches_nothing_but_where_a_sure_face_is() -> None:
    goal = targets([boxes((40, 40, 30, 30))], [boxes((0, 0, 64, 64))], 16)
    assert goal.told[0, 1, 1] == 0
    assert goal.told[0, 6, 6] == 1


def test_what_is_right_is_less_wrong_than_what_is_not() -> None:
    face = boxes((20, 30, 60, 50))
    goal = targets([face], [boxes()], SIDE // STRIDE)
    right, elsewhere = taught(face), taught(boxes((60, 60, 30, 30)))
    assert wrongness(right, goal) < 0.1 < wrongness(elsewhere, goal)


def test_equal_boxes_overlap_wholly_and_far_ones_less_than_not_at_all() -> None:
    one = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert giou(one, one).item() == pytest.approx(1.0)
    assert giou(one, one + 10).item() < 0


@pytest.fixture(scope="module")
def backbone() -> networks.Backbone:
    return networks.build("tf_efficientnet_lite0", networks.SCRATCH, 64)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_every_cell_gets_an_answer(backbone: networks.Backbone, levels: int) -> None:
    cells = Detector(backbone, levels).eval()(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert cells.shape == (2, 5, 8, 8)


def test_the_number_of_answers_is_fixed() -> None:
    found, scores = decoded(torch.zeros(3, 5, 8, 8))
    assert found.shape == (3, MOST_FACES, 4)
    assert scores.shape == (3, MOST_FACES)


def test_a_network_that_hides_its_maps_is_refused() -> None:
    with pytest.raises(NetworkError, match="does not show its inner maps"):
        Detector(networks.build("torchvision:resnet18", networks.SCRATCH, 64))
