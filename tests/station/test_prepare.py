from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from station.domain import Floats, Pixels
from station.golden import AgeGolden, Form, NoMemory
from station.prepare import EXPORTED, Choice, Memory, Trial, cache_folder, fastest, remembered

INPUTS = np.zeros((4, 3, 8, 8), np.uint8)
WANTED = np.tile(np.array([0.5, 0.5, 0.0], np.float32), (4, 1))
GOLDEN = AgeGolden(INPUTS, WANTED, np.array([0.0, 10.0, 20.0], np.float32))


class Clock:
    """Goes on only when a form says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def form(self, s_per_image: float, off: float = 0.0) -> Form:
        """Takes so long, and gives probabilities that are off by so much."""

        def run(crops: Pixels, /) -> tuple[Floats, Floats]:
            self.now += s_per_image * len(crops)
            shift = np.array([-off, off, 0], np.float32)
            return np.tile(WANTED[:1] + shift, (len(crops), 1)), np.zeros((len(crops), 2), np.float32)

        return run


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trial(clock: Clock, **changes: object) -> Trial:
    return Trial(GOLDEN, GOLDEN.batch(8), nullcontext, clock, **changes)  # type: ignore[arg-type]


def test_the_fastest_form_that_gives_the_golden_outputs_is_taken(clock: Clock) -> None:
    quick, slow = clock.form(0.01), clock.form(0.02)
    taken, choice = fastest(clock.form(0.03), {"slow": lambda: slow, "quick": lambda: quick}, trial(clock))
    assert taken is quick
    assert choice.form == "quick"
    assert choice.rates == pytest.approx({"quick": 100, "slow": 50, EXPORTED: 100 / 3})


def test_a_form_that_is_faster_and_wrong_is_refused_with_the_reason(clock: Clock) -> None:
    exported = clock.form(0.03)
    taken, choice = fastest(exported, {"wrong": lambda: clock.form(0.001, off=0.02)}, trial(clock))
    assert taken is exported
    assert "off by 0.200 years" in choice.refused["wrong"]


def test_what_is_not_a_number_is_not_within_the_tolerance(clock: Clock) -> None:
    _, choice = fastest(clock.form(0.03), {"nan": lambda: clock.form(0.001, off=float("nan"))}, trial(clock))
    assert "nan" in choice.refused


@pytest.mark.parametrize("error", [RuntimeError("no such operation"), ImportError("no compiler"), NoMemory()])
def test_a_form_that_cannot_be_made_is_passed_over(clock: Clock, error: Exception) -> None:
    def make() -> Form:
        raise error

    _, choice = fastest(clock.form(0.03), {"broken": make}, trial(clock))
    assert choice.form == EXPORTED
    assert choice.refused["broken"]


def test_a_form_that_is_hardly_faster_is_not_worth_the_change(clock: Clock) -> None:
    assert fastest(clock.form(0.0300), {"even": lambda: clock.form(0.0295)}, trial(clock))[1].form == EXPORTED


def test_nothing_is_made_where_the_program_is_faster_than_pictures_come(clock: Clock) -> None:
    def make() -> Form:
        raise AssertionError

    assert fastest(clock.form(1e-5), {"any": make}, trial(clock))[1].form == EXPORTED


def test_one_slow_moment_does_not_decide(clock: Clock) -> None:
    """The middle of the rounds, not their mean."""
    turns: Iterator[float] = iter([0.01] * 3 + [3.0] + [0.01] * 99)

    def hiccup(crops: Pixels, /) -> tuple[Floats, ...]:
        return clock.form(next(turns))(crops)

    assert fastest(clock.form(0.03), {"hiccup": lambda: hiccup}, trial(clock))[1].form == "hiccup"


def test_a_stop_ends_the_search_and_leaves_what_runs(clock: Clock) -> None:
    exported = clock.form(0.03)
    taken, _ = fastest(exported, {"quick": lambda: clock.form(0.01)}, trial(clock, stopped=lambda: True))
    assert taken is exported


def test_a_choice_is_remembered_for_this_program_and_these_libraries(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"one")
    choice = Choice("quick", {"quick": 100.0}, {"wrong": "off"})
    Memory(tmp_path / "cache", program, ["torch 1"]).write(choice)
    assert Memory(tmp_path / "cache", program, ["torch 1"]).read() == choice
    assert Memory(tmp_path / "cache", program, ["torch 2"]).read() is None
    program.write_bytes(b"another")
    assert Memory(tmp_path / "cache", program, ["torch 1"]).read() is None


@pytest.mark.parametrize("content", ["", "{", '{"shape": "quick"}', "[]", "\x00"])
def test_a_memory_that_was_cut_off_is_none(tmp_path: Path, content: str) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"one")
    memory = Memory(tmp_path / "cache", program, [])
    memory.write(Choice("quick"))
    assert memory.folder
    (memory.folder / "choice.json").write_text(content)
    assert memory.read() is None


def test_where_nothing_can_be_kept_it_is_measured_each_time(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"one")
    (tmp_path / "cache").write_text("a file, not a folder")
    memory = Memory(tmp_path / "cache", tmp_path / "program", [])
    memory.write(Choice("quick"))
    assert memory.read() is None


def test_a_remembered_form_that_has_become_wrong_is_not_taken(clock: Clock) -> None:
    makers = {"quick": lambda: clock.form(0.01, off=0.5)}
    assert remembered(Choice("quick"), makers, trial(clock)) is None
    assert remembered(Choice("gone"), makers, trial(clock)) is None


def test_caches_lie_where_the_system_says() -> None:
    everything = {"CACHE_DIRECTORY": "/c:/d", "XDG_CACHE_HOME": "/x", "HOME": "/h"}
    assert cache_folder(everything) == Path("/c")
    assert cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/age-station")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/age-station")
    assert cache_folder({}) is None
