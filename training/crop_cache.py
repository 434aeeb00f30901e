"""Crops kept on disk, so that pictures are decoded once: for every epoch, network, process and resumed run.

```
KEY.npy    the crops, uint8 N x 3 x S x S
KEY.json   which rows they are, what was told of the others, the checksum; written last
KEY.lock   held by who writes the two
```
`KEY` names all that the crops depend on; where something of it changes, there is a new one, and the old files lie
unused.  The folder may be emptied while nobody trains.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

import numpy as np

from station import pictures
from station.domain import Pixels, StationError
from training import crops
from training.files import replacing
from training.manifest import Row

_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class Index:
    """What the crops are: the numbers of their rows, and what was told of rows that have none."""

    kept: tuple[int, ...]
    told: tuple[str, ...]


Cut = Callable[[Callable[[Pixels], None]], Index]
"""Hands crops on one by one, then says what they were."""


def key(rows: Sequence[Row], input_px: int, margin: float) -> str:
    """Of rows as their files stand now, and of the code that cuts."""
    code = [Path(str(module.__file__)).read_bytes() for module in (pictures, crops)]
    digest = hashlib.sha256(b"".join([*code, metadata.version("pillow").encode(), metadata.version("numpy").encode()]))
    digest.update(repr((input_px, margin)).encode())
    for row in rows:
        digest.update(repr((str(row.path.absolute()), _state(row.path), row.line, row.individual, row.box)).encode())
    return digest.hexdigest()[:24]


def _state(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def kept(folder: Path, name: str, input_px: int, cut: Cut, say: Callable[[str], None]) -> tuple[Pixels, Index]:
    """The crops called `name`, cut now where they do not lie there whole; safe in many processes at once.

    They are mapped, not read: what is written to them stays in this process.  What `cut` raises passes, and leaves
    nothing behind.  Raises `StationError` where the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _whole(folder, name, input_px)
        if found is None:
            with _alone(folder / f"{name}.lock", say):
                found = _whole(folder, name, input_px)
                if found is None:
                    _tell_if_damaged(folder, name, say)
                    found = _written(folder, name, input_px, cut)
    except OSError as error:
        raise StationError(
            f"the crops cannot be kept in {folder}: {error.strerror or error}; give another folder for them, or none"
        ) from error
    return found


def _whole(folder: Path, name: str, input_px: int) -> tuple[Pixels, Index] | None:
    """None: there is nothing yet, or it is damaged."""
    try:
        content = json.loads((folder / f"{name}.json").read_bytes())
        index = Index(tuple(map(int, content["kept"])), tuple(map(str, content["told"])))
        crops = _mapped(folder / f"{name}.npy")
        right = crops.dtype == np.uint8 and crops.shape == (len(index.kept), 3, input_px, input_px)
        return (crops, index) if right and _checksum(crops) == content["crc32"] else None
    except (FileNotFoundError, EOFError, ValueError, KeyError, TypeError):
        return None


def _tell_if_damaged(folder: Path, name: str, say: Callable[[str], None]) -> None:
    if (folder / f"{name}.json").exists():
        say(f"the crops kept in {folder / name}.npy are damaged: the pictures are read again")


def _mapped(file: Path) -> Pixels:
    """Copy on write: PyTorch warns of arrays that cannot be written to, and nobody writes."""
    return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))


def _checksum(crops: Pixels) -> int:
    flat, value = crops.reshape(-1), 0
    for start in range(0, len(flat), _CHUNK):
        value = zlib.crc32(flat[start : start + _CHUNK].data, value)
    return value


def _written(folder: Path, name: str, input_px: int, cut: Cut) -> tuple[Pixels, Index]:
    data, said = folder / f"{name}.npy", folder / f"{name}.json"
    said.unlink(missing_ok=True)
    with replacing(data) as file:
        index, checksum = _filled(file, input_px, cut)
    with replacing(said) as file:
        file.write(json.dumps(asdict(index) | {"crc32": checksum}).encode())
    return _mapped(data), index


def _filled(file: IO[bytes], input_px: int, cut: Cut) -> tuple[Index, int]:
    """Header, crops as they come, and the header once more when their number is known."""
    checksum = 0

    def take(crop: Pixels) -> None:
        nonlocal checksum
        data = np.ascontiguousarray(crop).tobytes()
        checksum = zlib.crc32(data, checksum)
        file.write(data)

    _header(file, 0, input_px)
    begin = file.tell()
    index = cut(take)
    file.seek(0)
    _header(file, len(index.kept), input_px)
    if file.tell() != begin:
        raise AssertionError("NumPy pads its header so that the first dimension may grow")
    return index, checksum


def _header(file: IO[bytes], count: int, input_px: int) -> None:
    shape = (count, 3, input_px, input_px)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextmanager
def _alone(file: Path, say: Callable[[str], None]) -> Iterator[None]:
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is reading the faces: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
