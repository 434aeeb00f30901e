"""One way in: a folder's files become admitted frames.

A folder's listing is the truth, watchdog only the doorbell: its events say which file to look at now, and the
listing at start, at an interval, and whenever events were lost finds what they missed.  Originals are left as
they are and read in place.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import re
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path, PurePath

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from station.detections import RESULTS, state_of_results
from station.domain import Lane, StationError
from station.flow import Doorbell
from station.pictures import SUFFIXES
from station.sections import cameras
from station.store import Candidate, Store
from station.times import Clock

log = logging.getLogger(__name__)

LIVE_S = 900
"""A file modified this recently is live; an older one is backlog, such as a card copied with its times."""
CHUNK = 500
RETRY_S = 30
MEANS_NOTHING = re.compile(r"DCIM|\d+RECNX|\d+EK\d+|\d+_BTCF|\d+MEDIA|\d+DSCIM", re.IGNORECASE)
"""Folders that cameras make when the last one is full."""


class FolderError(StationError):
    """A watched folder cannot be read."""


@dataclass
class Folder:
    """A camera's folder: which files in it are frames, and of whom.

    `group` is the name of its table in the configuration, and the camera where the pattern names none.
    """

    group: str
    root: Path
    settings: cameras.Folder
    passed_over: Counter[str] = field(default_factory=Counter)
    """Files of the latest listing that are no pictures, by suffix."""

    def files(self) -> Iterator[os.DirEntry[str]]:
        """Every file that counts, lazily.  Raises `FolderError` where the folder itself cannot be read."""
        try:
            entries = os.scandir(self.root)
        except OSError as error:
            raise FolderError(_unreadable(self.group, self.root, error)) from error
        self.passed_over.clear()
        stack: list[Iterator[os.DirEntry[str]]] = [entries]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
            elif entry.name.startswith("."):
                continue
            elif entry.is_dir(follow_symlinks=False):
                if self.settings.recursive:
                    stack.append(self._below(entry))
            elif not _writable(entry.path):
                self.passed_over["with a name that is not UTF-8"] += 1
                log.error("%a is passed over: its name is not UTF-8; rename it", entry.path)
            elif self.counts(entry.name):
                yield entry
            else:
                self.passed_over[PurePath(entry.name).suffix.lower() or "no suffix"] += 1

    def _below(self, entry: os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
        try:
            return os.scandir(entry)
        except OSError as error:
            log.error("%s", _unreadable(self.group, Path(entry.path), error))
            return iter(())

    @staticmethod
    def counts(name: str) -> bool:
        """Whether a file of this name is taken for a picture."""
        return not name.startswith(".") and PurePath(name).suffix.lower() in SUFFIXES

    def listed(self, path: str) -> bool:
        """Whether a listing would come by this path: nothing on the way to it is hidden."""
        return _writable(path) and not any(p.startswith(".") for p in PurePath(path).relative_to(self.root).parts)

    def candidate(self, path: str, seen: os.stat_result, now: datetime) -> Candidate:
        """The frame that a file would be."""
        camera, individual = self.place(path)
        live = now.timestamp() - seen.st_mtime < LIVE_S
        return Candidate(camera, path, seen.st_size, seen.st_mtime_ns, individual, Lane.LIVE if live else Lane.BACKLOG)

    def place(self, path: str) -> tuple[str, str | None]:
        """Camera and individual of a path, by the pattern; camera-made folders do not count."""
        below = PurePath(path).parent.relative_to(self.root).parts
        named = [part for part in below if not MEANS_NOTHING.fullmatch(part)]
        means = dict(zip(self.settings.pattern.split("/"), named, strict=False))
        return means.get("{camera}", self.group), means.get("{individual}")


def _writable(path: str) -> bool:
    """Whether a path can be written down: bytes that are not UTF-8 come from the system as surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(camera: str, folder: Path, error: OSError) -> str:
    remedy = "give the user of the station read access" if error.errno == 13 else "mount it, or correct the path"
    return f"the folder {folder} of camera {camera} cannot be read: {error.strerror}; {remedy}"


class Lister:
    """Admits what a folder's listing shows, and nothing that is known already."""

    def __init__(self, folder: Folder, store: Store, bell: Doorbell, clock: Clock) -> None:
        self.folder = folder
        self._store = store
        self._bell = bell
        self._clock = clock

    def list_all(self, settle_s: float = 0.0) -> list[str]:
        """One listing, in chunks, each the oldest file first; gives back those that are too young to be complete."""
        young: list[str] = []
        entries = self.folder.files()
        while chunk := list(itertools.islice(entries, CHUNK)):
            if self._bell.stopped:
                break
            now = self._clock()
            found = [(e.path, seen) for e in chunk if (seen := _stat(e.path)) is not None]
            found.sort(key=lambda each: (each[1].st_mtime_ns, each[0]))  # a folder gives its files in no order
            settled = [(p, s) for p, s in found if not 0 <= now.timestamp() - s.st_mtime < settle_s]
            young += [p for p, s in found if 0 <= now.timestamp() - s.st_mtime < settle_s]
            self._admit(settled, now)
        self.look_again()
        return young

    def take(self, path: str) -> None:
        """Admits one file as it is now, if it is there."""
        seen = _stat(path)
        if seen is not None:
            self._admit([(path, seen)], self._clock())

    def _admit(self, found: list[tuple[str, os.stat_result]], now: datetime) -> None:
        if self._store.admit([self.folder.candidate(p, s, now) for p, s in found], now):
            self._bell.ring()

    def look_again(self) -> None:
        """Takes frames again that had no detections, where the results file is another one now than they were told."""
        root = self.folder.root
        state = cache(lambda folder: state_of_results(Path(folder), root))
        waiting = self._store.undetected(str(root))
        changed = [id for id, path, consulted in waiting if state(os.path.dirname(path)) != consulted]  # noqa: PTH120
        if changed:
            self._store.look_again(changed)
            self._bell.ring()


def _stat(path: str) -> os.stat_result | None:
    """Of a regular file; None: it is gone, or a pipe or a folder."""
    with suppress(OSError):
        found = os.stat(path)  # noqa: PTH116  hot: a listing stats every file
        return found if stat.S_ISREG(found.st_mode) else None
    return None


class _Events(FileSystemEventHandler):
    """Puts what matters of watchdog's events into a queue: (path, complete), or None to list again."""

    def __init__(self, events: queue.SimpleQueue[tuple[str, bool] | None]) -> None:
        self._events = events

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in watchdog's thread."""
        match event:
            case FileClosedEvent():
                self._events.put((os.fsdecode(event.src_path), True))
            case FileMovedEvent():
                self._events.put((os.fsdecode(event.dest_path), True))
            case FileCreatedEvent() | FileModifiedEvent():
                self._events.put((os.fsdecode(event.src_path), False))
            case DirCreatedEvent() | DirMovedEvent():
                self._events.put(None)


class _Lost(logging.Handler):
    """watchdog says in its log, and only there, that the kernel dropped events: then the folder is listed."""

    def __init__(self, events: queue.SimpleQueue[tuple[str, bool] | None]) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        """Any warning of watchdog's is reason enough."""
        self._events.put(None)


class Watcher:
    """Keeps one folder's frames coming, in a thread of its own, until the bell is stopped."""

    def __init__(self, lister: Lister, bell: Doorbell) -> None:
        self._lister = lister
        self._folder = lister.folder
        self._settings = lister.folder.settings
        self._bell = bell
        self._events: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()
        self._unsettled: dict[str, tuple[float, tuple[int, int] | None]] = {}
        self.watching = threading.Event()
        """The first attempt to watch has been made; a folder that is not there does not hold the others up."""
        self._thread = threading.Thread(target=self._run, name=f"watch {self._folder.group}", daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.put(None)  # wakes it
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            while not self._bell.stopped:
                try:
                    self._watch()
                except (FolderError, OSError) as error:
                    log.error("%s (trying again every %d s)", error, RETRY_S)
                    self.watching.set()
                    self._wait(min(RETRY_S, self._settings.rescan_s))
        except BaseException as error:  # noqa: BLE001  carried to the Line
            self._bell.fail(error)
        finally:
            self.watching.set()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._bell.stopped and (left := until - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._events.get(timeout=left)

    def _watch(self) -> None:
        """Watch first, then list: nothing falls between."""
        with _observing(self._folder.root, self._settings, self._events):
            self.watching.set()
            listing_due = 0.0
            while not self._bell.stopped:
                if time.monotonic() >= listing_due:
                    self._list()
                    listing_due = time.monotonic() + self._settings.rescan_s
                self._settle()
                first, _ = next(iter(self._unsettled.values()), (listing_due, None))
                due = min(listing_due, first)
                with suppress(queue.Empty):
                    event = self._events.get(timeout=max(0.0, due - time.monotonic()))
                    if event is None:
                        listing_due = min(listing_due, time.monotonic() + self._settings.settle_s)
                    else:
                        self._heard(*event)

    def _list(self) -> None:
        for path in self._lister.list_all(self._settings.settle_s):
            self._arm(path)

    def _heard(self, path: str, complete: bool) -> None:
        name = PurePath(path).name
        if not self._folder.listed(path):
            return
        if name == RESULTS and complete:
            self._lister.look_again()
        elif self._folder.counts(name):
            if complete:
                self._unsettled.pop(path, None)
                self._lister.take(path)
            else:
                self._arm(path)

    def _arm(self, path: str) -> None:
        seen = _stat(path)
        look = (seen.st_size, seen.st_mtime_ns) if seen else None
        self._unsettled.pop(path, None)  # it goes to the end: the first is due first
        self._unsettled[path] = (time.monotonic() + self._settings.settle_s, look)

    def _settle(self) -> None:
        """Takes the unclosed files that have kept their size and time; waits on for the others."""
        now = time.monotonic()
        for path in list(itertools.takewhile(lambda path: self._unsettled[path][0] <= now, self._unsettled)):
            _, before = self._unsettled.pop(path)
            seen = _stat(path)
            if seen is not None and before == (seen.st_size, seen.st_mtime_ns):
                self._lister.take(path)
            elif seen is not None:
                self._arm(path)


@contextmanager
def _observing(root: Path, how: cameras.Folder, events: queue.SimpleQueue[tuple[str, bool] | None]) -> Iterator[None]:
    observer: BaseObserver = PollingObserver(timeout=how.settle_s or 1.0) if how.watch == "poll" else Observer()
    lost, watchdog_log = _Lost(events), logging.getLogger("watchdog.observers")
    if not root.is_dir():
        raise FolderError(f"the folder {root} is not there; mount it, or correct the path")
    observer.schedule(_Events(events), str(root), recursive=how.recursive)
    watchdog_log.addHandler(lost)
    try:
        observer.start()
    except OSError as error:  # the listing is the truth: it goes on without the doorbell
        log.error("%s cannot be watched and is only listed: %s; raise fs.inotify.max_user_watches", root, error)
    try:
        yield
    finally:
        watchdog_log.removeHandler(lost)
        if observer.is_alive():
            observer.stop()
            observer.join()
