from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from station.domain import Pixels
from training import twins
from training.twins import Pairs

SIZE_PX = 96


def scenes(count: int, seed: int = 0) -> Pixels:
    """Soft random pictures, each unlike the others."""
    coarse = torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    scenes = functional.interpolate(coarse, size=SIZE_PX, mode="bicubic").clamp(0, 1) * 255
    return scenes.to(torch.uint8).numpy()


def mirrored(crops: Pixels) -> Pixels:
    return np.ascontiguousarray(crops[:, :, :, ::-1])


def noisy(crops: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 15, crops.shape)
    return np.clip(crops + noise, 0, 255).astype(np.uint8)


def darker(crops: Pixels) -> Pixels:
    return (crops * 0.6).astype(np.uint8)


def of_half_the_size(crops: Pixels) -> Pixels:
    small = functional.interpolate(torch.from_numpy(crops).float(), scale_factor=0.5, mode="area")
    return functional.interpolate(small, size=SIZE_PX, mode="bilinear").to(torch.uint8).numpy()


def as_jpeg(crops: Pixels) -> Pixels:
    def again(crop: Pixels) -> Pixels:
        file = io.BytesIO()
        Image.fromarray(crop.transpose(1, 2, 0)).save(file, "JPEG", quality=20)
        return np.asarray(Image.open(file)).transpose(2, 0, 1)

    return np.stack([again(crop) for crop in crops])


@pytest.mark.parametrize("changed", [np.copy, mirrored, noisy, darker, of_half_the_size, as_jpeg])
def test_a_picture_is_known_again_however_it_was_saved(changed: Callable[[Pixels], Pixels]) -> None:
    crops = np.concatenate([scenes(6), changed(scenes(6))])
    found = twins.twins(crops, np.repeat([0, 1], 6))
    assert {(twin.one, twin.other) for twin in found} == {(k, k + 6) for k in range(6)}


def test_a_copy_is_no_bit_away() -> None:
    crops = np.concatenate([scenes(1), scenes(1)])
    assert [twin.distance_bits for twin in twins.twins(crops, np.array([0, 1]))] == [0]


def test_twins_in_one_fold_are_nobodys_concern() -> None:
    crops = np.concatenate([scenes(2), scenes(2)])
    assert not twins.twins(crops, np.array([0, 1, 0, 1]))


def test_pictures_without_anything_in_them_are_not_twins() -> None:
    crops = np.full((3, 3, SIZE_PX, SIZE_PX), 40, np.uint8)
    assert not twins.twins(crops, np.arange(3))


def test_the_same_outline_with_other_details_is_no_twin() -> None:
    """Two discs, but another pattern on each: what portraits of different people are like."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX / 2
    disc = np.where(np.hypot(x, y) < 30, 120.0, 40.0)
    crops = np.clip(disc + (scenes(2).astype(float) - 128) / 4, 0, 255).astype(np.uint8)
    looks = twins.looks(crops)
    assert len(twins.pairs(looks, limit_bits=64, alike=-1).one) == 1
    assert not len(twins.pairs(looks, limit_bits=64).one)


def test_many_faces_give_the_pairs_that_comparing_each_with_each_gives() -> None:
    crops = np.concatenate([scenes(300), noisy(scenes(300))])
    found = twins.pairs(twins.looks(crops))
    assert set(zip(found.one.tolist(), found.other.tolist(), strict=True)) == {(k, k + 300) for k in range(300)}
    assert (np.diff(found.distance_bits) >= 0).all()


def test_no_face_has_no_twin() -> None:
    assert twins.twins(scenes(1)[:0], np.empty(0, np.intp)) == ()


def test_those_alike_through_others_are_one_group() -> None:
    found = Pairs(np.array([0, 2, 4]), np.array([4, 3, 5]), np.zeros(3, np.intp))
    assert twins.groups(found, 7).tolist() == [0, 1, 2, 2, 0, 0, 6]


def test_a_long_chain_is_one_group() -> None:
    chance = np.random.default_rng(0).permutation(50)
    found = Pairs(np.minimum(chance[1:], chance[:-1]), np.maximum(chance[1:], chance[:-1]), np.zeros(49, np.intp))
    assert not twins.groups(found, 50).any()
