"""A face is judged by size, sharpness and light; each flaw has its own reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain import WHOLE, Flaw, Pixels
from station.pictures import Picture
from station.quality import GOOD, LIMITS, Quality, measured

FINE = Quality(size_px=200.0, sharpness=0.1, light=0.9, unclipped=1.0)


def textured(shade: float = 120.0, contrast: float = 40.0) -> Pixels:
    """Noise whose grain is two pixels wide, 3 x 224 x 224."""
    grain = np.random.default_rng(0).normal(shade, contrast, (112, 112)).repeat(2, 0).repeat(2, 1)
    return np.broadcast_to(np.clip(grain, 0, 255).astype(np.uint8), (3, 224, 224)).copy()


def smooth() -> Pixels:
    """Light and shade without any detail, 3 x 224 x 224."""
    wave = 128 + 60 * np.sin(np.linspace(0, 4 * np.pi, 224))
    return np.broadcast_to(wave.astype(np.uint8), (3, 224, 224)).copy()


def flaw(crop: Pixels, face_px: float = 200.0) -> Flaw | None:
    return measured(crop, face_px, 0.15).flaw({})


def test_a_sharp_face_in_good_light_has_no_flaw() -> None:
    assert flaw(textured()) is None


@pytest.mark.parametrize(
    ("crop", "face_px", "why"),
    [
        (textured(), 20.0, Flaw.TOO_SMALL),
        (textured(shade=12, contrast=5), 200.0, Flaw.TOO_DARK),
        (textured(shade=260, contrast=10), 200.0, Flaw.OVEREXPOSED),
        (smooth(), 200.0, Flaw.BLURRED),
        (np.full((3, 224, 224), 128, np.uint8), 200.0, Flaw.BLURRED),
    ],
)
def test_each_flaw_has_its_reason(crop: Pixels, face_px: float, why: Flaw) -> None:
    assert flaw(crop, face_px) is why


def test_a_bundles_limits_go_before_the_stations() -> None:
    assert FINE.flaw({"size_px": 300.0}) is Flaw.TOO_SMALL
    assert Quality(10.0, 0.1, 0.9, 1.0).flaw({"size_px": 8.0}) is None


def test_the_score_is_that_of_the_worst_measure() -> None:
    assert FINE.score == 1.0
    assert Quality(48.0, 0.1, 0.9, 1.0).score == pytest.approx(0.5)


@given(st.sampled_from(sorted(GOOD)), st.floats(0, 1), st.floats(0, 1))
def test_what_is_better_in_one_measure_is_never_judged_worse(name: str, low: float, high: float) -> None:
    low, high = sorted((low, high))
    fields = dict(GOOD)
    worse, better = (Quality(**fields | {name: share * GOOD[name]}) for share in (low, high))
    assert worse.score <= better.score
    assert not (better.flaw(LIMITS) and worse.flaw(LIMITS) is None)


def test_what_lies_around_a_face_does_not_count() -> None:
    crop = textured()
    around = crop.copy()
    around[:, :25] = around[:, -25:] = 255
    around[:, :, :25] = around[:, :, -25:] = 255
    assert measured(around, 200, 0.15) == measured(crop, 200, 0.15)


def test_the_faces_of_real_pandas_can_be_used(data: Path) -> None:
    files = sorted((data / "panda_faces" / "images").glob("*.jpg"))[::8]
    pictures = [Picture(file.read_bytes()) for file in files]
    told = [measured(p.crops([WHOLE], 224)[0], max(p.width, p.height), 0.0) for p in pictures]
    assert [one.flaw({}) for one in told] == [None] * len(files)
    assert len(files) > 20
