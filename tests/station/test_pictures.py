from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from station.domain import WHOLE, Box, Pixels, Reason
from station.pictures import BadPicture, Picture, save_jpeg


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def gradient(width: int = 64, height: int = 48) -> Pixels:
    """Red rises to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def corner_reds(data: bytes) -> tuple[int, int, int, int]:
    crop = Picture(data).crops([WHOLE], 48)[0, 0].astype(int)
    return crop[8, 2], crop[8, -3], crop[-9, 2], crop[-9, -3]


def rejected(data: bytes, **limits: int) -> Reason:
    with pytest.raises(BadPicture) as caught:
        Picture(data, **limits).crops([WHOLE], 32)
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_format_gives_the_same_picture(form: str) -> None:
    crop = Picture(encoded(Image.fromarray(gradient()), form)).crops([WHOLE], 64)[0]
    assert crop.shape == (3, 64, 64)
    assert np.abs(crop[0, 32].astype(int) - np.linspace(0, 255, 64)).max() < 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = Image.fromarray(gradient())
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpose that a camera held like this makes
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Picture(encoded(stored, "JPEG", exif=exif, quality=95))
    assert (picture.width, picture.height) == (64, 48)
    crop = picture.crops([WHOLE], 64)[0].astype(int)
    assert crop[0, 32, 2] < 30
    assert crop[0, 32, -3] > 220
    assert crop[1, 12, 32] < 60
    assert crop[1, -13, 32] > 190


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    form = "TIFF" if mode == "CMYK" else "PNG"
    crop = Picture(encoded(Image.fromarray(gradient()).convert(mode), form)).crops([WHOLE], 32)
    assert crop.shape == (1, 3, 32, 32)
    assert crop.std() > 20


@pytest.mark.parametrize(("dtype", "top"), [(np.uint16, 65535), (np.uint16, 4095), (np.int32, 65535)])
def test_deep_greys_keep_their_range(dtype: type, top: int) -> None:
    ramp: npt.NDArray[Any] = np.tile(np.linspace(0, top, 64), (64, 1)).astype(dtype)
    crop = Picture(encoded(Image.fromarray(ramp), "TIFF")).crops([WHOLE], 64)[0].astype(int)
    assert crop[0, 32, 1] < 12
    assert crop[0, 32, -2] > 243


def test_transparent_parts_are_grey_not_black() -> None:
    clear = np.zeros((32, 32, 4), np.uint8)
    assert (Picture(encoded(Image.fromarray(clear), "PNG")).crops([WHOLE], 32) == 127).all()


def test_real_pictures_cut_at_any_length_are_reported(data: Path) -> None:
    whole = (data / "panda_faces/images/1_1492.jpg").read_bytes()
    rng = np.random.default_rng(0)
    reasons = {rejected(whole[: int(n)]) for n in rng.integers(1, len(whole) - 40, 40)}
    assert reasons <= {Reason.TRUNCATED, Reason.CORRUPT, Reason.NOT_AN_IMAGE}
    assert Reason.TRUNCATED in reasons


def test_a_damaged_picture_is_read_or_reported_never_a_crash(data: Path) -> None:
    whole = (data / "camera_traps/raw_images/StationA/IMG0001.JPG").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 12):
            damaged[place] = rng.integers(0, 256)
        try:
            Picture(bytes(damaged)).crops([WHOLE], 32)
        except BadPicture as error:
            assert error.detail


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY),
        (bytes(5000), Reason.CORRUPT),
        (b"Dear ranger, this is no picture." * 9, Reason.NOT_AN_IMAGE),
        (b"\xff\xd8\xff\xe0" + b"x" * 50, Reason.TRUNCATED),
        (b"GIF89a" + bytes(2000), Reason.NOT_AN_IMAGE),
    ],
)
def test_what_is_no_picture_is_told_apart(content: bytes, reason: Reason) -> None:
    assert rejected(content) is reason


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    side = (60_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + b"\x08\x02\0\0\0")
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    assert rejected(bomb) is Reason.TOO_LARGE
    assert rejected(encoded(Image.fromarray(gradient()), "PNG"), max_pixels=1000) is Reason.TOO_LARGE


def test_exif_is_read_as_written() -> None:
    data = save_jpeg(gradient(), "2026:05:01 10:00:00", "+08:00", "Trail 9")
    exif = Picture(data).exif
    assert (exif.taken, exif.offset, exif.model) == ("2026:05:01 10:00:00", "+08:00", "Trail 9")


def test_a_box_is_cropped_square_around_its_centre() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:60, 100:140] = 255
    crop = Picture(encoded(Image.fromarray(image), "PNG")).crops([Box(0.5, 0.4, 0.2, 0.2)], 40)[0, 0]
    assert crop[20, 20] == 255
    assert crop[2, 20] == 0  # the square is as high as the box is wide
    assert crop[20, 1] > 200
    assert crop[20, -2] > 200


def test_what_lies_outside_the_picture_is_grey() -> None:
    image = np.full((50, 50, 3), 255, np.uint8)
    crop = Picture(encoded(Image.fromarray(image), "PNG")).crops([Box(0, 0, 0.4, 0.4)], 40, margin=0.5)[0, 0]
    assert crop[2, 2] == 127
    assert crop[-3, -3] == 255


def test_a_margin_widens_boxes_and_not_the_whole_picture() -> None:
    picture = Picture(encoded(Image.fromarray(gradient(48, 48)), "PNG"))
    assert (picture.crops([WHOLE], 48, margin=0.2) == picture.crops([WHOLE], 48)).all()


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    big = Picture(encoded(Image.fromarray(gradient(1600, 1200)), "JPEG"))
    assert big.pixels(scale=0.2).size == (400, 300)
    assert big.pixels().size == (1600, 1200)
    small, full = big.crops([WHOLE], 224)[0], np.asarray(big.pixels().resize((224, 168))).transpose(2, 0, 1)
    assert np.abs(small[:, 28:196].astype(int) - full).mean() < 2


def test_corner_colours_stay_in_their_corners() -> None:
    top_left, top_right, bottom_left, bottom_right = corner_reds(encoded(Image.fromarray(gradient(48, 48)), "PNG"))
    assert top_left == bottom_left < 30
    assert top_right == bottom_right > 220
