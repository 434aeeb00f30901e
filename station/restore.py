"""A backup put back in its place: everything is unpacked and checked first, the database is exchanged last."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from contextlib import closing
from pathlib import Path

from station import numbering, settings, takealong
from station.backup import CONFIGURATION, DATABASE, SPECIES, BackupError, Manifest, scratch_folder, unpack
from station.copies import beside, settle
from station.durable import sync
from station.schema import check_version, lock
from station.settings import Settings

ASIDE = ".before-restore"


def restore(archive: Path, config: Path) -> tuple[Manifest, Settings]:
    """Puts a backup's database, bundle, finders, manifests, configuration and pictures into place.

    What stood there is kept beside it, named `….before-restore`.  Raises `StationError`, and then nothing is
    changed, where the backup is damaged, made by a newer station, or where the station runs.
    """
    try:
        with scratch_folder(_made(config.absolute().parent)) as near:
            manifest = unpack(archive, near / "all")
            read = _configuration(near / "all" / CONFIGURATION, config)
            check_version(near / "all" / DATABASE)
            with closing(lock(read.station.database)) as claim:
                _belongs(Path(claim.name), read.station.database.parent)
                _put_back(near / "all", read, config, manifest)
    except OSError as error:
        raise BackupError(f"the backup {archive} cannot be put back: {error}") from error
    return manifest, read


def _made(folder: Path) -> Path:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for new in reversed(missing):
        _belongs(new, new.parent)
    return folder


def _configuration(unpacked: Path, config: Path) -> Settings:
    """What the configuration says where it will stand: its relative paths count from there."""
    trial = config.absolute().with_name(f".{config.name}.restoring")
    try:
        shutil.copyfile(unpacked, trial)
        return settings.load(trial)
    finally:
        trial.unlink(missing_ok=True)


def _put_back(unpacked: Path, read: Settings, config: Path, manifest: Manifest) -> None:
    home = _made(read.station.database.parent)
    if manifest.bundle:
        _bundle(unpacked / "bundle", read.station.bundle, manifest)
    _named(unpacked, read, manifest)
    for name, modified_ns in manifest.modified_ns.items():
        os.utime(unpacked / name, ns=(modified_ns, modified_ns))
        _exchange(unpacked / name, read.mqtt.spool.absolute() / name.removeprefix("spool/"), home)
    if (unpacked / SPECIES).is_file():
        _exchange(unpacked / SPECIES, Path(read.station.species), config.absolute().parent)
    _exchange(unpacked / CONFIGURATION, config.absolute(), config.absolute().parent)
    _database(unpacked / DATABASE, read.station.database)


def _exchange(file: Path, target: Path, owner: Path) -> None:
    """Puts a file in place by rename; what was there is kept aside, if it was another."""
    _made(target.parent)
    staged = target.with_name(f".{target.name}.restoring")
    shutil.copy2(file, staged)
    staged.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
    _belongs(staged, target if target.exists() else owner)
    sync(staged)
    if target.is_file() and target.read_bytes() != staged.read_bytes():
        target.replace(target.with_name(target.name + ASIDE))
    staged.replace(target)
    sync(target.parent)


def _named(unpacked: Path, read: Settings, manifest: Manifest) -> None:
    """What the configuration names, where it now names it; of an older backup there is none."""
    for name, folder in zip(manifest.finders, takealong.finders(read), strict=False):
        if name:
            _folder(unpacked / name, folder, manifest.below(name))
            sync(folder.parent)
    for name, file in zip(manifest.base, read.retraining.base, strict=False):
        if name and not (file.is_file() and _digest(file) == manifest.files[name]):
            _exchange(unpacked / name, file, read.station.database.parent)


def _bundle(unpacked: Path, place: Path, manifest: Manifest) -> None:
    folder = place.parent / manifest.bundle if manifest.linked else place
    _folder(unpacked, folder, manifest.below("bundle"))
    if manifest.linked:
        link = place.with_name(f".{place.name}.restoring")
        link.unlink(missing_ok=True)
        link.symlink_to(manifest.bundle)
        link.replace(place)
    sync(place.parent)


def _folder(unpacked: Path, folder: Path, files: dict[str, str]) -> None:
    """Puts a bundle's folder in place by rename; one with other files is kept aside."""
    _made(folder.parent)
    if _same(folder, files):
        return
    staged = folder.with_name(f".{folder.name}.restoring")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(unpacked, staged)
    for made in (staged, *staged.rglob("*")):
        made.chmod(0o755 if made.is_dir() else 0o644)
        _belongs(made, folder.parent)
    if folder.exists() or folder.is_symlink():
        old = folder.with_name(folder.name + ASIDE)
        if old.is_symlink():
            old.unlink()
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    staged.rename(folder)


def _same(folder: Path, files: dict[str, str]) -> bool:
    """Whether a bundle's folder holds these files and no others."""
    there = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
    return there.keys() == files.keys() and all(_digest(file) == files[name] for name, file in there.items())


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _database(unpacked: Path, target: Path) -> None:
    """One rename makes the old database the new one; the old one keeps a second name."""
    staged = target.with_name(f".{target.name}.restoring")
    numbering.skip(unpacked, target)
    shutil.copyfile(unpacked, staged)
    _belongs(staged, target.parent)
    sync(staged)
    if target.exists() and not (settle(target) and filecmp.cmp(staged, target, shallow=False)):
        old = target.with_name(target.name + ASIDE)
        for left in (old, *beside(old)):
            left.unlink(missing_ok=True)
        os.link(target, old)
        for journal, aside in zip(beside(target), beside(old), strict=True):
            if journal.exists():  # it could not be settled: what is in it belongs to the old one
                journal.rename(aside)
    staged.replace(target)
    sync(target.parent)


def _belongs(file: Path, like: Path) -> None:
    """Put back by root, a file belongs to whom its place belongs: the station's user must be able to write."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(file, owner.st_uid, owner.st_gid)
