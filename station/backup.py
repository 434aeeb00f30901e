"""A station in one file: database, models in service, configuration, and the pictures that nobody else has.

```
station.db       a copy at one instant
station.toml     the configuration; passwords and keys lie in files of their own and are not in it
species.toml     where the configuration names one by path
bundle/…         the folder that `station.bundle` is or points to
finders/0/…      the folders of the finders in use
base/0           the manifests of `[retraining] base`, without the pictures that they name
spool/…          pictures from the broker that have no outcome yet
manifest.json    the last: names and SHA-256 of all others
```
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from station import history, settings, takealong
from station.bundles import CARD
from station.copies import CopyError, copy_database, problems
from station.domain import StationError
from station.durable import replace, sync
from station.settings import Settings
from station.times import iso

FORMAT = 1
DATABASE, CONFIGURATION, SPECIES, MANIFEST = "station.db", "station.toml", "species.toml", "manifest.json"
BLOCK = 1 << 20


class BackupError(StationError):
    """A backup cannot be written, or one that is there cannot be believed."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    made_at: str
    station: str
    bundle: str
    """The name of the bundle's folder; empty: there was none."""
    linked: bool
    """`station.bundle` was a link to it."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by name."""
    modified_ns: dict[str, int] = field(default_factory=dict)
    """By name, of the pictures: a frame knows its file by this."""
    finders: list[str] = field(default_factory=list)
    """For each time that the configuration names one, in its order, the folder in here; empty: it was not there."""
    base: list[str] = field(default_factory=list)
    """The same for the manifests of `[retraining] base`."""
    left_out: list[str] = field(default_factory=list)
    """What else the station needs, a sentence each."""
    format: int = FORMAT

    def below(self, folder: str) -> dict[str, str]:
        """SHA-256 by name within a folder of the backup."""
        start = f"{folder}/"
        return {name.removeprefix(start): digest for name, digest in self.files.items() if name.startswith(start)}

    def misplaced(self) -> bool:
        """Whether it speaks of files that are not in it."""
        known = self.files.keys()
        folders = [name for name in self.finders if name and not self.below(name)]
        single = [name for name in (*self.base, *self.modified_ns) if name and name not in known]
        return PurePosixPath(self.bundle).name != self.bundle or bool(folders or single)


def backup(config: Path, target: Path, now: datetime) -> Manifest:
    """Writes a backup, also of a station that runs, and reads it back.  Raises `StationError`."""
    read = settings.load(config)
    if not target.name.endswith((".tar.gz", ".tgz")):
        raise BackupError(f"{target}: a backup is a .tar.gz; name it so")
    if not read.station.database.is_file():
        raise BackupError(f"there is no database {read.station.database} to back up")
    try:
        with scratch_folder(target.absolute().parent) as scratch:
            copy_database(read.station.database, scratch / DATABASE)
            manifest = _write(scratch / "archive", _sources(read, config, scratch / DATABASE), _heading(read, now))
            unpack(scratch / "archive", scratch / "again", lambda name: name == DATABASE)
            _put(scratch / "archive", target)
    except (OSError, CopyError) as error:
        raise BackupError(f"the backup {target} cannot be written: {error}") from error
    return manifest


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder for the time of the block, for nobody else to read."""
    with tempfile.TemporaryDirectory(prefix=".station-backup-", dir=parent) as name:
        yield Path(name)


def _heading(read: Settings, now: datetime) -> Manifest:
    bundle = read.station.bundle
    name = bundle.resolve().name if (bundle / CARD).is_file() else ""
    return Manifest(
        iso(now),
        read.station.id,
        name,
        bundle.is_symlink(),
        finders=takealong.names(takealong.finders(read), takealong.FINDERS),
        base=takealong.names(list(read.retraining.base), takealong.BASE),
        left_out=list(takealong.left_out(read)),
    )


def _sources(read: Settings, config: Path, database: Path) -> Iterator[tuple[str, Path]]:
    yield DATABASE, database
    yield CONFIGURATION, config
    if read.station.species.endswith(".toml"):
        yield SPECIES, Path(read.station.species)
    if (read.station.bundle / CARD).is_file():
        for file in sorted(read.station.bundle.resolve().rglob("*")):
            if file.is_file():
                yield f"bundle/{file.relative_to(read.station.bundle.resolve()).as_posix()}", file
    yield from takealong.files(read)
    with history.reading(database) as db:
        waiting = [Path(row["path"]) for row in db.query("SELECT path FROM frames WHERE outcome IS NULL")]
    for file in waiting:
        if file.is_relative_to(read.mqtt.spool.absolute()) and file.is_file():
            yield f"spool/{file.relative_to(read.mqtt.spool.absolute()).as_posix()}", file


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        data = self._file.read(size)
        self.sha256.update(data)
        return data


def _write(archive: Path, sources: Iterable[tuple[str, Path]], manifest: Manifest) -> Manifest:
    with tarfile.open(archive, "w:gz", compresslevel=3) as tar:
        for name, file in sources:
            with file.open("rb") as opened:
                hashed = _Hashed(opened)
                tar.addfile(tar.gettarinfo(arcname=name, fileobj=opened), hashed)
                if name.startswith("spool/"):
                    manifest.modified_ns[name] = os.fstat(opened.fileno()).st_mtime_ns
            manifest.files[name] = hashed.sha256.hexdigest()
        text = json.dumps(asdict(manifest), indent=2).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return manifest


def _put(scratch: Path, target: Path) -> None:
    scratch.chmod(0o600)
    replace(scratch, target)


def unpack(archive: Path, folder: Path, wanted: Callable[[str], bool] = lambda _: True) -> Manifest:
    """Reads a whole backup, puts what is wanted of it into a new folder, and checks every byte.

    Raises `BackupError` where it is damaged, incomplete, foreign, or its database is not sound.
    """
    folder.mkdir(mode=0o700)
    try:
        manifest, found = _unpack(archive, folder, wanted)
    except (tarfile.TarError, zlib.error, EOFError, ValueError, TypeError, OSError) as error:
        raise BackupError(f"{archive} is not a station's backup, or is damaged: {error}") from error
    if manifest is None:
        raise BackupError(f"{archive} is not a station's backup, or was cut short: it has no {MANIFEST}")
    if manifest.format != FORMAT:
        raise BackupError(f"{archive} was made by another version of the station (format {manifest.format})")
    if wrong := sorted(name for name in manifest.files.keys() | found if manifest.files.get(name) != found.get(name)):
        raise BackupError(f"{archive} is damaged: {', '.join(wrong[:3])} is not what was written")
    if manifest.misplaced():
        raise BackupError(f"{archive} names files that have no place in it")
    if DATABASE not in found or (broken := problems(folder / DATABASE)):
        raise BackupError(f"{archive}: its database is not sound: {broken[0] if DATABASE in found else 'missing'}")
    return manifest


def _unpack(archive: Path, folder: Path, wanted: Callable[[str], bool]) -> tuple[Manifest | None, dict[str, str]]:
    manifest, found = None, {}
    with gzip.open(archive) as whole, tarfile.open(fileobj=whole, mode="r|") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            source = tar.extractfile(member)
            if source is None or name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{member.name!r} has no place in it")
            if member.name == MANIFEST:
                manifest = Manifest(**json.loads(source.read()))
            else:
                found[member.name] = _copied(source, folder / name if wanted(member.name) else None)
        while whole.read(BLOCK):  # to its end, where the checksum of the whole stands
            pass
    return manifest, found


def _copied(source: IO[bytes], target: Path | None) -> str:
    """Copies, or only reads; the SHA-256 of what came."""
    hashed = _Hashed(source)
    if target is None:
        while hashed.read(BLOCK):
            pass
        return hashed.sha256.hexdigest()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        while block := hashed.read(BLOCK):
            out.write(block)
    sync(target)
    return hashed.sha256.hexdigest()
