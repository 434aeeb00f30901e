"""The page of misses shows what went wrong, the worst first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from station.domain import Floats
from station.pictures import save_jpeg
from training.finder.judge import Judged
from training.finder.misses import overlaid, page, worst

NOTHING = np.empty((0, 4), np.float32)


def box(*sides: float) -> Floats:
    return np.array([sides], np.float32)


def judged(truth: Floats, found: Floats, score: float = 0.9) -> Judged:
    return Judged(truth, found, np.full(len(found), score, np.float32), 0)


def picture(folder: Path, name: str = "a.jpg") -> Path:
    (folder / name).write_bytes(save_jpeg(np.full((100, 200, 3), 90, np.uint8)))
    return folder / name


def test_a_frame_without_mistakes_is_not_shown() -> None:
    right = judged(box(0.1, 0.1, 0.2, 0.2), box(0.1, 0.1, 0.2, 0.2))
    assert worst([Path("a.jpg")], [right], [0.5], 9) == []


def test_a_false_face_comes_before_a_lost_one() -> None:
    lost, false = judged(box(0.1, 0.1, 0.2, 0.2), NOTHING), judged(NOTHING, box(0.1, 0.1, 0.2, 0.2))
    found = worst([Path("lost.jpg"), Path("false.jpg")], [lost, false], [0.5], 9)
    assert [miss.path.name for miss in found] == ["false.jpg", "lost.jpg"]
    assert found[1].words == "1 of 1 not found"


def test_what_is_below_the_threshold_counts_as_not_found() -> None:
    doubtful = judged(box(0.1, 0.1, 0.2, 0.2), box(0.1, 0.1, 0.2, 0.2), 0.3)
    assert worst([Path("a.jpg")], [doubtful], [0.5], 9)[0].words == "1 of 1 not found"


def test_the_overlay_outlines_a_lost_face_in_red_where_it_is(tmp_path: Path) -> None:
    [miss] = worst([picture(tmp_path)], [judged(box(0.5, 0.0, 0.5, 1.0), NOTHING)], [0.5], 9)
    drawn = overlaid(miss)
    red = (drawn[..., 0] > 200) & (drawn[..., 1] < 100)
    rows, columns = np.nonzero(red)
    assert (columns.min(), columns.max()) == (240, 479)
    assert (rows.min(), rows.max()) == (120, 360)


def test_the_page_is_whole_in_itself(tmp_path: Path) -> None:
    bad = worst([picture(tmp_path, "<b>.jpg")], [judged(box(0.5, 0.5, 0.1, 0.1), NOTHING)], [0.5], 9)
    text = page(bad)
    assert "data:image/jpeg;base64," in text
    assert "&lt;b&gt;.jpg" in text
    assert "<b>.jpg" not in text
