from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from station import history
from station.detections import ResultsFile
from station.domain import Rejection
from station.faces import Animals
from station.flow import Doorbell
from station.intake import Folder, FolderError, Lister, Watcher
from station.pictures import BadPicture, Picture
from station.sections import cameras
from station.store import Store
from tests.station.test_flow import until

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Box:
    """A store, a bell, and folders on it."""

    root: Path
    store: Store
    bell: Doorbell
    file: Path

    def lister(self, **how: Any) -> Lister:
        folder = Folder("ridge", self.root, cameras.Folder(**how))
        return Lister(folder, self.store, self.bell, lambda: datetime.now(UTC))

    def admitted(self) -> list[str]:
        with history.reading(self.file) as db:
            return [row["path"] for row in db.query("SELECT path FROM frames ORDER BY path")]

    def names(self) -> list[str]:
        return [os.path.relpath(path, self.root) for path in self.admitted()]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    root = tmp_path / "pictures"
    root.mkdir()
    bell, file = Doorbell(), tmp_path / "station.db"
    with Store(file, NOW) as store:
        yield Box(root, store, bell, file)
        bell.stop()


def put(path: Path, content: bytes = b"x", age_s: float = 3600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    then = datetime.now(UTC).timestamp() - age_s
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize(
    ("pattern", "path", "camera", "individual"),
    [
        ("", "a.jpg", "ridge", None),
        ("", "bao/a.jpg", "ridge", None),
        ("{camera}/{individual}", "den/bao/a.jpg", "den", "bao"),
        ("{camera}/{individual}", "den/bao/DCIM/100RECNX/a.jpg", "den", "bao"),
        ("{camera}/{individual}", "DCIM/den/101EK113/bao/a.jpg", "den", "bao"),
        ("{camera}/{individual}", "den/a.jpg", "den", None),
        ("{individual}", "bao/102_BTCF/a.jpg", "ridge", "bao"),
        ("*/{camera}", "site 4/den/deep/er/a.jpg", "den", None),
    ],
)
def test_camera_and_individual_come_from_the_path(pattern: str, path: str, camera: str, individual: str | None) -> None:
    folder = Folder("ridge", Path("/p"), cameras.Folder(pattern=pattern))
    assert folder.place(f"/p/{path}") == (camera, individual)


def test_a_listing_takes_pictures_and_counts_what_it_passes_over(box: Box) -> None:
    for name in ("a.JPG", "b/c.png", "b/DCIM/d.tiff", ".hidden.jpg", ".trash/e.jpg", "notes.txt", "noend", "f.webp"):
        put(box.root / name)
    lister = box.lister()
    lister.list_all()
    assert box.names() == ["a.JPG", "b/DCIM/d.tiff", "b/c.png", "f.webp"]
    assert lister.folder.passed_over == {".txt": 1, "no suffix": 1}
    box.lister(recursive=False).list_all()
    assert len(box.names()) == 4


def test_a_folder_that_is_not_recursive_stays_at_its_top(box: Box) -> None:
    put(box.root / "a.jpg")
    put(box.root / "below" / "b.jpg")
    box.lister(recursive=False).list_all()
    assert box.names() == ["a.jpg"]


def test_a_recent_file_is_live_and_an_old_one_backlog(box: Box) -> None:
    put(box.root / "old.jpg", age_s=7200)
    put(box.root / "new.jpg", age_s=10)
    box.lister().list_all()
    with history.reading(box.file) as db:
        assert [(Path(r["path"]).name, r["lane"]) for r in db.query("SELECT * FROM frames ORDER BY lane")] == [
            ("new.jpg", 0),
            ("old.jpg", 1),
        ]


def test_a_listing_takes_the_oldest_file_first(box: Box) -> None:
    ages = {f"{number * 7919 % 100:03}.jpg": 4000 - number for number in range(100)}
    for name, age_s in ages.items():
        put(box.root / name, age_s=age_s)
    box.lister().list_all()
    with history.reading(box.file) as db:
        taken = [os.path.basename(row["path"]) for row in db.query("SELECT path FROM frames ORDER BY id")]  # noqa: PTH119
    assert taken == list(ages)


def test_young_files_wait_until_they_have_settled(box: Box) -> None:
    young = put(box.root / "young.jpg", age_s=0)
    put(box.root / "old.jpg")
    assert box.lister().list_all(settle_s=60) == [str(young)]
    assert box.names() == ["old.jpg"]


def test_a_folder_that_cannot_be_read_names_camera_and_remedy(box: Box) -> None:
    box.root.rmdir()
    with pytest.raises(FolderError, match="of camera ridge cannot be read: No such file or directory; mount it"):
        box.lister().list_all()


def without_detections(box: Box, jpeg: bytes) -> int:
    """Looks for faces in what waits, as the Line does; how many frames had no detections."""
    finder, rejections = Animals(ResultsFile(box.root), 0.2), []
    bell = Doorbell()
    bell.close()
    for frame in box.store.pending(bell):
        with pytest.raises(BadPicture) as caught:
            finder.find(frame, Picture(jpeg))
        rejections.append(Rejection(frame, caught.value.reason, caught.value.detail, None, caught.value.consulted))
        box.store.record(rejections[-1:], NOW)
    return len(rejections)


@pytest.mark.parametrize("age_s", [0, 1_000_000])
def test_another_results_file_brings_back_what_had_no_detections_however_old_it_is(
    box: Box, jpeg: bytes, age_s: float
) -> None:
    put(box.root / "sub" / "a.jpg")
    lister = box.lister()
    lister.list_all()
    assert without_detections(box, jpeg) == 1
    lister.list_all()
    assert box.store.waiting() == 0
    put(box.root / "megadetector.json", b"{}", age_s)
    lister.list_all()
    assert box.store.waiting() == 1
    assert without_detections(box, jpeg) == 1
    lister.list_all()
    assert box.store.waiting() == 0
    put(box.root / "sub" / "megadetector.json", b"{}", age_s)
    lister.list_all()
    assert without_detections(box, jpeg) == 1
    lister.list_all()
    assert box.store.waiting() == 0


def test_what_cannot_be_a_picture_file_is_passed_over(box: Box) -> None:
    os.mkfifo(box.root / "pipe.jpg")
    (box.root / "folder.jpg").mkdir()
    (box.root / "link.jpg").symlink_to(box.root / "folder.jpg")
    with open(os.fsencode(box.root) + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123  a name that is not UTF-8
        file.write(b"x")
    put(box.root / "good.jpg")
    lister = box.lister()
    lister.list_all()
    assert box.names() == ["good.jpg"]
    assert lister.folder.passed_over["with a name that is not UTF-8"] == 1
    for name in ("pipe.jpg", "link.jpg"):
        lister.take(str(box.root / name))
    assert box.names() == ["good.jpg"]


@pytest.fixture(params=["inotify", "poll"])
def watching(request: pytest.FixtureRequest, box: Box) -> Iterator[Callable[..., Box]]:
    watchers: list[Watcher] = []

    def start(**how: Any) -> Box:
        defaults = {"watch": request.param, "settle_s": 0.2, "rescan_s": 3600}
        watcher = Watcher(box.lister(**(defaults | how)), box.bell)
        watcher.__enter__()
        watchers.append(watcher)
        return box

    yield start
    box.bell.stop()
    for watcher in watchers:
        watcher.__exit__()


def test_a_watched_folder_gives_what_is_there_and_what_comes(watching: Callable[..., Box], box: Box) -> None:
    put(box.root / "before.jpg")
    watching()
    assert until(lambda: box.names() == ["before.jpg"])
    put(box.root / "after.jpg")
    put(box.root / "new folder" / "DCIM" / "deep.jpg")
    assert until(lambda: box.names() == ["after.jpg", "before.jpg", "new folder/DCIM/deep.jpg"], 10)


def test_hidden_folders_are_not_watched_either(watching: Callable[..., Box], box: Box) -> None:
    watching()
    put(box.root / ".Trash-0" / "files" / "a.jpg")
    put(box.root / "b.jpg")
    assert until(lambda: "b.jpg" in box.names(), 10)
    with open(os.fsencode(box.root) + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    put(box.root / "c.jpg")
    assert until(lambda: "c.jpg" in box.names(), 10)
    assert box.names() == ["b.jpg", "c.jpg"]


def test_a_file_renamed_into_place_is_taken_under_its_last_name(watching: Callable[..., Box], box: Box) -> None:
    watching()
    part = put(box.root / "upload.part")
    part.rename(box.root / "whole.jpg")
    assert until(lambda: box.names() == ["whole.jpg"], 10)


def test_a_folder_moved_in_from_outside_is_listed(watching: Callable[..., Box], box: Box, tmp_path: Path) -> None:
    watching()
    put(tmp_path / "outside" / "100RECNX" / "a.jpg")
    (tmp_path / "outside").rename(box.root / "card")
    assert until(lambda: box.names() == ["card/100RECNX/a.jpg"], 10)


def test_a_file_written_slowly_is_taken_once_when_complete(watching: Callable[..., Box], box: Box) -> None:
    watching(settle_s=1.0)
    with (box.root / "slow.jpg").open("wb") as file:
        for _ in range(5):
            file.write(b"piece")
            file.flush()
            assert not until(box.names, 0.1)
        last = box.root / "slow.jpg"
    assert until(lambda: box.names() == ["slow.jpg"], 10)
    with history.reading(box.file) as db:
        assert [r["size_bytes"] for r in db.query("SELECT size_bytes FROM frames")] == [last.stat().st_size] == [25]


@pytest.fixture
def short_kernel_queue() -> Iterator[None]:
    """The kernel drops events beyond eight in a watch made from now on."""
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    before = limit.read_text()
    try:
        limit.write_text("8")
    except OSError:
        pytest.skip("only root can shorten the kernel's event queue")
    yield
    limit.write_text(before)


@pytest.mark.usefixtures("short_kernel_queue")
def test_events_that_the_kernel_dropped_cost_no_file(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    with Watcher(box.lister(settle_s=0.05, rescan_s=3600), box.bell):
        put(box.root / "first.jpg")
        assert until(lambda: box.names() == ["first.jpg"])
        for number in range(2000):
            (box.root / f"{number}.jpg").touch()
        assert until(lambda: len(box.admitted()) == 2001, 20)
        box.bell.stop()
    assert "overflowed" in caplog.text, "the queue was long enough after all: the test proves nothing"


@pytest.fixture
def no_watches_left() -> Iterator[None]:
    limit = Path("/proc/sys/fs/inotify/max_user_watches")
    before = limit.read_text()
    try:
        limit.write_text("0")
    except OSError:
        pytest.skip("only root can take the kernel's watches away")
    yield
    limit.write_text(before)


@pytest.mark.usefixtures("no_watches_left")
def test_a_folder_that_cannot_be_watched_is_listed_all_the_same(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    with Watcher(box.lister(settle_s=0.05, rescan_s=1), box.bell):
        put(box.root / "a.jpg")
        assert until(lambda: box.names() == ["a.jpg"], 10)
        put(box.root / "b.jpg")
        assert until(lambda: box.names() == ["a.jpg", "b.jpg"], 10)
        box.bell.stop()
    assert "raise fs.inotify.max_user_watches" in caplog.text


def test_a_folder_that_is_missing_at_first_is_watched_when_it_comes(box: Box, tmp_path: Path) -> None:
    folder = Folder("late", tmp_path / "late", cameras.Folder(settle_s=0.05, rescan_s=1))
    with Watcher(Lister(folder, box.store, box.bell, lambda: datetime.now(UTC)), box.bell):
        put(tmp_path / "late" / "a.jpg")
        assert until(lambda: len(box.admitted()) == 1, 10)
        box.bell.stop()


def test_an_error_of_the_program_reaches_the_line(box: Box) -> None:
    def broken() -> datetime:
        raise RuntimeError("no clock")

    put(box.root / "a.jpg")
    with Watcher(Lister(Folder("ridge", box.root, cameras.Folder()), box.store, box.bell, broken), box.bell):
        assert until(lambda: box.bell.stopped)
    with pytest.raises(RuntimeError, match="no clock"):
        box.bell.check()
