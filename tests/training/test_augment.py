from __future__ import annotations

import io
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from training import augment as room
from training import cameras
from training.augment import CAMERA_TRAP, NONE, PLAIN, PRESETS, Augmentation, augment

SHARES = ("mirrored", "grey", "infrared", "blurred", "coarse", "noisy", "jpeg", "erased")
MORE = {"turn_deg": 15.0, "zoom": 0.2, "shift": 0.1, "contrast": 0.3, "brightness": 20.0, "hue_deg": 20.0}


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, side: int = 40) -> Tensor:
    """Soft colours, with detail."""
    soft = torch.rand(count, 3, 5, 5, generator=chance(1)) * 200 + 20
    soft = torch.nn.functional.interpolate(soft, size=(side, side), mode="bilinear")
    return (soft + 30 * torch.rand(count, 3, side, side, generator=chance(2)) - 15).clamp(0, 255).to(torch.uint8)


def colourfulness(x: Tensor) -> Tensor:
    return (x.amax(1) - x.amin(1)).flatten(1).amax(1)


def detail(x: Tensor) -> Tensor:
    """How much neighbours differ, B."""
    return (x[..., 1:] - x[..., :-1]).abs().flatten(1).mean(1)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_gives_pictures_in_range_that_follow_the_seed(name: str) -> None:
    one, same, other = (augment(pictures(16), chance(seed), PRESETS[name]) for seed in (0, 0, 1))
    assert one.dtype == torch.float32 and one.shape == (16, 3, 40, 40)
    assert one.min() >= 0 and one.max() <= 255
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (name == "none")


def test_nothing_asked_for_changes_nothing() -> None:
    assert torch.equal(augment(pictures(), chance(), NONE), pictures().float())


def test_the_usual_is_plain() -> None:
    assert torch.equal(augment(pictures(), chance()), augment(pictures(), chance(), PLAIN))


def test_the_pictures_handed_in_stay_as_they_are() -> None:
    given = pictures(16)
    augment(given, chance(), CAMERA_TRAP)
    assert torch.equal(given, pictures(16))


@pytest.mark.parametrize("field", [f.name for f in fields(Augmentation)])
def test_each_change_can_be_had_alone(field: str) -> None:
    how = Augmentation(**{field: 1.0 if field in SHARES else MORE.get(field, 0.3)})
    changed = augment(pictures(), chance(3), how)
    assert ((changed - pictures()).abs().flatten(1).mean(1) > 0.2).any()


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_of_every_batch_is_changed(share: float) -> None:
    changed = augment(pictures(8), chance(), Augmentation(erased=share))
    assert (changed != pictures(8)).flatten(1).any(1).sum() == 8 * share


def test_a_share_holds_for_batches_too_small_for_it() -> None:
    draws = chance()
    changed = sum(len(room._some(0.2, 1, draws)) for _ in range(1000))
    assert 150 < changed < 250


def test_mirrored_is_left_to_right() -> None:
    changed = augment(pictures(), chance(), Augmentation(mirrored=1))
    assert torch.allclose(changed, pictures().float().flip(3), atol=1e-3)


def test_turned_hues_keep_greys_grey() -> None:
    grey = torch.full((8, 3, 8, 8), 90, dtype=torch.uint8)
    assert torch.allclose(augment(grey, chance(), Augmentation(hue_deg=60, saturation=0.5)), grey.float(), atol=1e-3)


@pytest.mark.parametrize("how", [Augmentation(grey=1), Augmentation(infrared=1)])
def test_grey_and_infrared_have_no_colour_nor_has_what_comes_after(how: Augmentation) -> None:
    after = Augmentation(grey=how.grey, infrared=how.infrared, noisy=1, erased=1, blurred=1, jpeg=1, coarse=1)
    assert colourfulness(augment(pictures(), chance(), how)).max() < 0.01
    assert colourfulness(augment(pictures(), chance(), after)).max() < 1


def test_infrared_is_brightest_about_one_place() -> None:
    even = torch.full((64, 3, 32, 32), 128, dtype=torch.uint8)
    lit = augment(even, chance(), Augmentation(infrared=1))
    inner, corners = lit[:, 0, 8:24, 8:24].mean((1, 2)), lit[:, 0, ::31, ::31].mean((1, 2))
    assert (inner >= corners - 1e-3).all()
    assert (inner > corners * 1.3).any()


@pytest.mark.parametrize("how", [Augmentation(blurred=1), Augmentation(coarse=1)])
def test_what_is_blurred_or_coarse_loses_detail_and_no_light(how: Augmentation) -> None:
    changed = augment(pictures(8, side=96), chance(), how)
    assert (detail(changed) < 0.98 * detail(pictures(8, side=96).float())).sum() >= 6
    assert torch.allclose(changed.mean((1, 2, 3)), pictures(8, side=96).float().mean((1, 2, 3)), atol=1)


def test_noise_is_stronger_in_the_light_differs_by_picture_and_averages_out() -> None:
    even = torch.cat([torch.full((16, 3, 64, 64), grey, dtype=torch.uint8) for grey in (60, 180)])
    noise = augment(even, chance(), Augmentation(noisy=1)) - even
    assert noise[16:].std() > 1.1 * noise[:16].std()
    assert noise.mean().abs() < 0.5
    assert abs(torch.corrcoef(noise[:2].flatten(1))[0, 1]) < 0.1


@pytest.mark.parametrize("quality", [15, 40, 75])
def test_compressed_looks_as_jpeg_does(quality: int) -> None:
    x = pictures(2, side=64)

    def jpeg(picture: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality, subsampling=0)
        return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)

    real = torch.stack([jpeg(picture) for picture in x]).float()
    ours = cameras.compressed(x.float(), torch.full((2,), float(quality))).clamp(0, 255)
    assert (real - x).abs().mean() > 4 * (ours - real).abs().mean()


def test_compressed_takes_sides_that_are_no_multiple_of_eight() -> None:
    x = pictures(2, side=43).float()
    assert (cameras.compressed(x, torch.full((2,), 95.0)) - x).abs().mean() < 5


def test_erased_is_one_rectangle_of_one_colour() -> None:
    changed = augment(pictures(8), chance(), Augmentation(erased=1))
    for picture, before in zip(changed, pictures(8).float(), strict=True):
        where = (picture != before).any(0)
        rows, columns = where.any(1), where.any(0)
        assert 0 < where.sum() <= rows.sum() * columns.sum() < 40 * 40 / 4
        assert len(picture[:, where].unique(dim=1).T) == 1
