"""From bytes to pixels: what a picture is, when and by what it was taken, and square crops of its faces.

The one room of Pillow.  A picture that cannot be used raises `BadPicture` with its reason; the caller records it.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from station.domain import WHOLE, Box, Pixels, Reason

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
_GREY = 127
_STRIP_PX = 1_000_000
_SPARE = 2
"""How many times larger than wanted a picture may stay: the final, better resampling has the last word."""

# EXIF tags (Exif 2.32, CIPA DC-008)
_MAKE, _MODEL, _ORIENTATION, _EXIF_IFD = 0x010F, 0x0110, 0x0112, 0x8769
_DATETIME_ORIGINAL, _OFFSET_ORIGINAL = 0x9003, 0x9011

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadPicture(Exception):
    """A picture cannot be used: `reason` for counting, `detail` for the person who looks."""

    def __init__(self, reason: Reason, detail: str, consulted: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.consulted = consulted
        self.reason = reason
        self.detail = detail


_Scale = tuple[tuple[int, int], int]
"""How a picture was decoded: the size that the decoder gave, and by how much that was reduced."""


@dataclass(frozen=True, slots=True)
class Exif:
    """What the camera wrote beside the picture, as written."""

    taken: str | None = None
    """DateTimeOriginal, `YYYY:MM:DD HH:MM:SS`, local time."""
    offset: str | None = None
    """OffsetTimeOriginal, such as `+08:00`."""
    make: str | None = None
    model: str | None = None


class Picture:
    """An opened picture; its pixels are decoded when asked for, no larger than needed.  Used by one thread.

    `width` and `height` are those of the upright picture at full resolution, in pixels.
    """

    def __init__(self, data: bytes, max_pixels: int = 100_000_000) -> None:
        """Reads the header.  Raises `BadPicture`."""
        self._data = data
        image = self._open()
        if image.width * image.height > max_pixels:
            raise BadPicture(
                Reason.TOO_LARGE,
                f"{image.width} x {image.height} pixels are more than the limit of {max_pixels / 1e6:g} megapixels",
            )
        self.exif, orientation = _exif(image)
        self._turn = _UPRIGHT.get(orientation)
        self._decoded: tuple[_Scale, Image.Image] | None = None
        sideways = orientation in (5, 6, 7, 8)
        self.width, self.height = (image.height, image.width) if sideways else (image.width, image.height)

    def _open(self) -> Image.Image:
        if not self._data:
            raise BadPicture(Reason.EMPTY, "the file is empty")
        try:
            return Image.open(io.BytesIO(self._data), formats=_FORMATS)
        except UnidentifiedImageError:
            raise BadPicture(*_unidentified(self._data)) from None
        except Image.DecompressionBombError as error:
            raise BadPicture(Reason.TOO_LARGE, str(error)) from None
        except _DECODER_ERRORS as error:
            raise _damaged(error) from None

    def pixels(self, scale: float = 1.0) -> Image.Image:
        """The upright picture in RGB, at least `scale` of its full size.

        JPEG decodes at 1/2, 1/4 or 1/8; what is then more than twice too large is reduced before it is converted.
        The same again costs nothing.  Raises `BadPicture`.
        """
        image = self._open()
        wanted = max(1, math.ceil(image.width * scale)), max(1, math.ceil(image.height * scale))
        if scale < 1:
            image.draft(None, wanted)
        factor = max(1, min(image.width // wanted[0], image.height // wanted[1]) // _SPARE)
        if self._decoded is None or self._decoded[0] != (image.size, factor):
            try:
                image.load()
                rgb = _rgb(image, factor)
            except _DECODER_ERRORS as error:
                raise _damaged(error) from None
            upright = rgb.transpose(self._turn) if self._turn is not None else rgb
            self._decoded = (image.size, factor), upright
        return self._decoded[1]

    def crops(self, boxes: Sequence[Box], size_px: int, margin: float = 0.0) -> Pixels:
        """Square crops around `boxes`, uint8, N x 3 x `size_px` x `size_px`: alike in training and in service.

        `margin` widens a box on each side by that fraction of its longer side; the whole picture has none.  What
        lies outside the picture is grey.  Raises `BadPicture`.
        """
        if not boxes:
            return np.empty((0, 3, size_px, size_px), np.uint8)
        sides = [_side(box, self.width, self.height, margin) for box in boxes]
        image = self.pixels(scale=min(1.0, size_px / min(sides)))
        return np.stack([_square(image, box, size_px, margin) for box in boxes])


def _side(box: Box, width: float, height: float, margin: float) -> float:
    around = 0.0 if box == WHOLE else margin  # beyond the whole picture there is only grey
    return max(1.0, max(box.width * width, box.height * height) * (1 + 2 * around))


def _square(image: Image.Image, box: Box, size_px: int, margin: float) -> Pixels:
    side = _side(box, image.width, image.height, margin)
    left = (box.x + box.width / 2) * image.width - side / 2
    top = (box.y + box.height / 2) * image.height - side / 2
    inside = (max(0.0, left), max(0.0, top), min(image.width, left + side), min(image.height, top + side))
    scale = size_px / side
    spot = [round((inside[0] - left) * scale), round((inside[1] - top) * scale)]
    spot += [round((inside[2] - left) * scale), round((inside[3] - top) * scale)]
    target = (max(1, spot[2] - spot[0]), max(1, spot[3] - spot[1]))
    part = image.resize(target, Image.Resampling.BICUBIC, box=inside)
    square = Image.new("RGB", (size_px, size_px), (_GREY,) * 3)
    square.paste(part, (spot[0], spot[1]))
    return np.asarray(square).transpose(2, 0, 1)


# What Pillow's decoders raise on damaged files
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, OverflowError,
    MemoryError, ZeroDivisionError, AttributeError, struct.error, Image.DecompressionBombError,
)  # fmt: skip


def _damaged(error: Exception) -> BadPicture:
    words = str(error).lower()
    cut = isinstance(error, EOFError) or any(sign in words for sign in ("truncated", "premature", "unexpected end"))
    return BadPicture(Reason.TRUNCATED if cut else Reason.CORRUPT, str(error) or type(error).__name__)


def _rgb(image: Image.Image, factor: int) -> Image.Image:
    """Any mode as 8-bit RGB at 1/`factor` of its size, a strip at a time: only the picture itself is there in full."""
    if image.mode == "RGB" and factor == 1 and "transparency" not in image.info:
        return image
    bits = _bits(image)
    rgb = Image.new("RGB", (math.ceil(image.width / factor), math.ceil(image.height / factor)))
    for top, strip in _strips(image, factor):
        rgb.paste(_opaque(strip, bits).reduce(factor), (0, top // factor))
    return rgb


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """The picture in strips of its full width, each with its top row, a multiple of `factor`."""
    height = factor * max(1, _STRIP_PX // (image.width * factor))
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(image.height, top + height)))


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _bits(image: Image.Image) -> int:
    """How many bits the values of a deep grey take, at least 8: cameras write 12 bits into 16."""
    top = max(float(np.asarray(strip).max(initial=0)) for _, strip in _strips(image, 1)) if _is_deep(image) else 0.0
    bits = max(8, math.ceil(math.log2(top + 1))) if top > 0 else 8
    return 16 if 12 < bits <= 16 else bits


def _opaque(strip: Image.Image, bits: int) -> Image.Image:
    """Any mode as 8-bit RGB; greys of `bits` bits are shifted down to 8."""
    if _is_deep(strip):
        values = np.asarray(strip)
        values = values >> (bits - 8) if values.dtype.kind in "iu" else values / 2.0 ** (bits - 8)
        strip = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    elif strip.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or "transparency" in strip.info:
        strip = Image.alpha_composite(Image.new("RGBA", strip.size, (_GREY, _GREY, _GREY, 255)), strip.convert("RGBA"))
    return strip.convert("RGB") if strip.mode != "RGB" else strip


def _unidentified(data: bytes) -> tuple[Reason, str]:
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    ):
        if len(data) < 1024:
            return Reason.TRUNCATED, f"only {len(data)} bytes of the file are there"
        return Reason.UNSUPPORTED, "it begins like a picture, but of a kind that cannot be decoded"
    if not any(data[:4096]):
        return Reason.CORRUPT, "the file holds only zero bytes"
    return Reason.NOT_AN_IMAGE, f"not a JPEG, PNG, TIFF or WebP picture: it begins with {data[:12]!r}"


def _exif(image: Image.Image) -> tuple[Exif, int]:
    """The few tags that matter, and the orientation; damaged EXIF counts as none."""
    try:
        base = image.getexif()
        more = base.get_ifd(_EXIF_IFD)
        orientation = base.get(_ORIENTATION, 1)
    except _DECODER_ERRORS:
        return Exif(), 1
    exif = Exif(
        _text(more.get(_DATETIME_ORIGINAL)),
        _text(more.get(_OFFSET_ORIGINAL)),
        _text(base.get(_MAKE)),
        _text(base.get(_MODEL)),
    )
    return exif, orientation if isinstance(orientation, int) else 1


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.strip("\0 ") or None if isinstance(value, str) else None


def save_jpeg(pixels: Pixels, taken: str | None = None, offset: str | None = None, model: str | None = None) -> bytes:
    """A JPEG of uint8 H x W x 3, with EXIF times as a camera writes them (`YYYY:MM:DD HH:MM:SS`, `+08:00`)."""
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    if model:
        exif[_MODEL] = model
    tags = exif.get_ifd(_EXIF_IFD)
    if taken:
        tags[_DATETIME_ORIGINAL] = taken
    if offset:
        tags[_OFFSET_ORIGINAL] = offset
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()
