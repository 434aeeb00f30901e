"""One run of one job as a real child: it comes last, ends with its parent, and never runs twice at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station import child, errand, history, jobbook
from station.child import BEHIND, LAST, Rank
from station.due import Ending, Run
from station.errand import BusyError, Errand, claimed, perform
from station.store import Store
from tests.station.test_flow import until

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PYTHON = (sys.executable, "-c")


def on() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Says(Errand):
    """A job that is a line of Python."""

    program: str = ""

    @property
    def rank(self) -> Rank:
        """It ends with its parent, and needs not wait for others: they may be many."""
        return LAST[:1]

    def command(self, slot: str | None, *more: str) -> list[str]:
        return [*PYTHON, self.program, slot or "", *more]


@pytest.fixture
def database(file: Path) -> Path:
    with Store(file, NOW) as store:
        store.end_run(NOW)
    return file


def done(database: Path, program: str) -> errand.Result:
    return perform(Says("census", Path("x"), database, program), "night", lambda: NOW, on)


def runs(database: Path) -> list[Run]:
    with history.reading(database) as db:
        return jobbook.newest(db, "census")


def test_its_last_line_is_what_came_of_it(database: Path) -> None:
    told = done(database, "import sys; print('begun'); print(sys.argv[1:])")
    assert (told.ending, told.message) == (Ending.DONE, "['night']")
    assert [(run.slot, run.ending, run.message) for run in runs(database)] == [("night", Ending.DONE, "['night']")]


@pytest.mark.parametrize(
    ("program", "ending", "message"),
    [
        ("import sys; sys.exit('station: the disk is full')", Ending.FAILED, "the disk is full"),
        ("import sys; sys.exit(3)", Ending.FAILED, "it ended with status 3 and said nothing"),
        ("import os; os.kill(os.getpid(), 9)", Ending.FAILED, "it ended by signal 9 and said nothing"),
        ("import sys; print('live pictures come'); sys.exit(75)", Ending.PUT_OFF, "live pictures come"),
    ],
)
def test_how_it_ends_is_understood(database: Path, program: str, ending: Ending, message: str) -> None:
    told = done(database, program)
    assert (told.ending, told.message) == (ending, message)


def test_much_that_it_says_does_not_stop_it(database: Path) -> None:
    assert done(database, "[print('x' * 1000) for _ in range(2000)]; print('end')").message == "end"


def test_retraining_comes_after_everybody_else() -> None:
    assert Errand("retraining", Path("x"), Path("y")).rank == LAST
    told = child.run(["sh", "-c", "echo $(chrt -p $$) $(ionice) $(cat /proc/$$/oom_score_adj)"], on).told
    assert "SCHED_IDLE" in told and told.endswith("idle 1000")


def test_what_is_short_only_stands_behind_others() -> None:
    told = child.run(["sh", "-c", "echo $(chrt -p $$) $(nice)"], on, rank=BEHIND).told
    assert "SCHED_OTHER" in told and told.endswith(f" {min(19, os.nice(0) + 10)}")


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return True


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
open(sys.argv[1], 'w').write(str(child.pid))
time.sleep(600)
"""


def test_a_stop_ends_it_and_all_that_it_started_also_against_its_will(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    ended = child.run(
        [*PYTHON, STUBBORN, str(note)], lambda: "stop" if note.exists() and note.read_text() else "", rank=()
    )
    assert (ended.stopped, ended.status) == ("stop", -signal.SIGKILL)
    assert until(lambda: gone(int(note.read_text())), 10)


def test_a_job_that_runs_is_not_begun_beside_itself_and_another_one_is(database: Path) -> None:
    with claimed(database, "census"):
        with pytest.raises(BusyError, match=f"census runs already, by process {os.getpid()}"):
            done(database, "print(1)")
        with claimed(database, "backup"):
            pass
    assert runs(database) == []
    assert done(database, "print(1)").ending is Ending.DONE


def test_two_that_are_asked_for_at_once_do_not_overlap(database: Path) -> None:
    told: list[object] = []

    def ask() -> None:
        try:
            told.append(done(database, "import time; time.sleep(0.5)").ending)
        except BusyError as error:
            told.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert told.count(Ending.DONE) == len(runs(database)) >= 1
    assert told.count(BusyError) == 4 - len(runs(database))


SUPERVISOR = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from station.errand import perform
from tests.station.test_errand import Says
program = "import os, time; open({note!r}, 'w').write(str(os.getpid())); time.sleep(600)".format(note=sys.argv[2])
perform(Says("census", Path("x"), Path(sys.argv[1]), program), "night", lambda: datetime.now(UTC), lambda: "")
"""


def test_killed_during_a_job_the_child_goes_too_and_the_job_can_be_begun_again(database: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    supervisor = subprocess.Popen([*PYTHON, SUPERVISOR, str(database), str(note)])
    assert until(lambda: note.exists() and note.read_text() != "", 60)
    supervisor.kill()
    supervisor.wait()
    assert until(lambda: gone(int(note.read_text())), 10)
    assert [run.ending for run in runs(database)] == [None]
    with claimed(database, "census"):
        assert jobbook.abandon(database, "census")[0].ending is Ending.INTERRUPTED
    assert [run.ending for run in runs(database)] == [Ending.INTERRUPTED]
