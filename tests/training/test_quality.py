from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from station.domain import Pixels
from training.quality import judge

SIDE_PX = 64


def pattern(seed: int = 0) -> Pixels:
    """Blocks of 2 x 2 pixels: detail, and no noise."""
    chance = np.random.default_rng(seed)
    return np.kron(chance.integers(40, 200, (3, SIDE_PX // 2, SIDE_PX // 2)), np.ones((2, 2))).astype(np.uint8)


def blurred(crop: Pixels, width: int) -> Pixels:
    return functional.avg_pool2d(torch.from_numpy(crop).float()[None], width, 1, width // 2)[0].numpy().astype(np.uint8)


def test_the_more_blurred_the_less_sharp() -> None:
    sharpness = [judge(crop).sharpness for crop in (pattern(), blurred(pattern(), 3), blurred(pattern(), 7))]
    assert sharpness[0] > 1.3 * sharpness[1] > 1.3 * 1.3 * sharpness[2]


def test_a_darker_picture_is_as_sharp() -> None:
    ratio = judge((pattern() * 0.5).astype(np.uint8)).sharpness / judge(pattern()).sharpness
    assert 0.95 < ratio < 1.05


def test_noise_is_not_taken_for_sharpness() -> None:
    soft = blurred(pattern(), 7)
    noise = np.random.default_rng(1).normal(0, 4, (1, SIDE_PX, SIDE_PX))
    noisy = np.clip(soft + noise, 0, 255).astype(np.uint8)
    assert judge(noisy).sharpness < 1.3 * judge(soft).sharpness < judge(pattern()).sharpness


def test_the_grey_around_a_picture_does_not_count() -> None:
    framed = np.full((3, SIDE_PX * 2, SIDE_PX * 2), 127, np.uint8)
    framed[:, : SIDE_PX * 2, :SIDE_PX] = 20
    framed[:, :SIDE_PX, :SIDE_PX] = 60
    assert judge(framed).brightness == 40
    alone = np.full((3, SIDE_PX, SIDE_PX), 127, np.uint8)
    alone[:, 16:48, 16:48] = 20
    assert judge(alone).sharpness == 0


def test_what_is_white_is_blown() -> None:
    crop = np.full((3, SIDE_PX, SIDE_PX), 255, np.uint8)
    crop[:, :16] = 90
    assert judge(crop).blown == 0.75


def test_a_picture_of_nothing_is_not_sharp() -> None:
    assert judge(np.full((3, SIDE_PX, SIDE_PX), 127, np.uint8)).sharpness == 0
