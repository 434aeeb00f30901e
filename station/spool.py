"""Where pictures that came as messages are kept: `spool/<camera>/<sha256>.<suffix>`.

What a sender calls its picture never touches the file system: the name is the content's.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from station.domain import StationError
from station.durable import sync

_KINDS = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"II*\0": "tif", b"MM\0*": "tif", b"RIFF": "webp"}

_OWN = re.compile(r"[0-9a-f]{64}\.(jpg|png|tif|webp|bin)")


class SpoolError(StationError):
    """The spool cannot be used."""


class Spool:
    """The folder, and how much is in it.  Raises `SpoolError` where it cannot be made or written to."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock = threading.Lock()
        self.used_bytes = 0
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            check_writable(self.root)
            self._recover()
        except OSError as error:
            raise SpoolError(
                f"the spool {root} cannot be used: {error.strerror}; give the user of the station write access"
            ) from error

    def _recover(self) -> None:
        """Half-written files of a crash go; what is complete is counted."""
        for file in self.root.rglob("*"):
            if file.suffix == ".part":
                file.unlink(missing_ok=True)
            elif file.is_file():
                self.used_bytes += file.stat().st_size

    def count(self) -> None:
        """How much is in it, whoever put it there or took it away."""
        with self._lock:
            self.used_bytes = sum(size for file in self.pictures() if (size := _size(file)) is not None)

    def path(self, camera: str, digest: str, data: bytes) -> Path:
        """Where a content belongs; `camera` must be a name that is safe as a folder's."""
        kind = next((kind for start, kind in _KINDS.items() if data.startswith(start)), "bin")
        return self.root / camera / f"{digest}.{kind}"

    def pictures(self) -> Iterator[Path]:
        """Every file that `put` has made."""
        return (file for file in self.root.glob("*/*") if is_own(file.name))

    def put(self, path: Path, data: bytes) -> os.stat_result:
        """Writes a file whole; it survives a power cut once `settle` was called.  Raises `OSError`."""
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            sync(self.root)
        part = path.with_suffix(".part")
        try:
            part.write_bytes(data)
            sync(part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        replaced = path.stat().st_size if path.exists() else 0
        part.rename(path)
        self._count(len(data) - replaced)
        return path.stat()

    @staticmethod
    def settle(folders: set[Path]) -> None:
        """Makes the names in these folders survive a power cut."""
        for folder in folders:
            sync(folder)

    def remove(self, path: Path) -> None:
        """Deletes a file of the spool, if it is there; others are left alone."""
        if self.root in path.parents and path.is_file():
            size = path.stat().st_size
            path.unlink()
            self._count(-size)

    def _count(self, size: int) -> None:
        with self._lock:
            self.used_bytes += size


def check_writable(root: Path) -> None:
    """Raises `SpoolError` where the spool or a camera's folder in it, or the place to make it in, is not."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    cameras = [folder for folder in root.iterdir() if folder.is_dir()] if place == root else []
    for folder in (place, *cameras):
        if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK, effective_ids=True)):
            raise SpoolError(
                f"the spool {root} cannot be used: no permission to write into {folder}; give it to the user of the "
                "station, and as a service name it in ReadWritePaths= (`systemctl edit station`)"
            )


def _size(file: Path) -> int | None:
    """None: it has just gone."""
    try:
        return file.stat().st_size
    except OSError:
        return None


def is_own(name: str) -> bool:
    """Whether a file's name is one that the spool gives."""
    return _OWN.fullmatch(name) is not None
