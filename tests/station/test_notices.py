"""What subscribers and people hear of jobs, from a real ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from station import history, jobbook, logbook
from station.domain import Message
from station.due import Ending
from station.fitness import judge
from station.health import Problem
from station.notices import Notices, alerts
from station.store import Store
from tests.station.test_fitness import BASELINE, SLOW, WELL

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SCHEMAS = Path(__file__).parents[2] / "config" / "schemas"
SLOT = "2026-06-01T02:30"


@pytest.fixture
def ledger(file: Path, store: Store) -> Path:
    return file


def newest(ledger: Path) -> list[Message]:
    with history.reading(ledger) as db:
        return list(Notices("hut").newest(db))


def problems(ledger: Path) -> list[Problem]:
    with history.reading(ledger) as db:
        return list(alerts(db, retries=1))


def ended(ledger: Path, ending: Ending, slot: str | None = SLOT, message: str = "") -> None:
    jobbook.end(ledger, jobbook.begin(ledger, "backup", slot, NOW), ending, message, 1.0, NOW)


def test_where_nothing_was_made_nothing_is_told(ledger: Path) -> None:
    assert newest(ledger) == [] and problems(ledger) == []


def test_a_slow_box_is_told_to_subscribers_with_its_likely_causes(ledger: Path) -> None:
    hot = replace(SLOW, surroundings=replace(SLOW.surroundings, throttled=3))
    logbook.record(ledger, judge(hot, BASELINE))
    [message] = newest(ledger)
    said = json.loads(message.payload)
    jsonschema.validate(said, json.loads((SCHEMAS / "selfcheck.json").read_text()))
    assert message.retained and message.topic == "station/hut/selfcheck"
    assert not said["ok"] and said["shares"]["model"] == 0.5 and "by heat 3 times" in said["causes"][0]


def test_a_slow_box_is_a_problem_until_it_is_well_again(ledger: Path) -> None:
    logbook.record(ledger, judge(SLOW, BASELINE))
    [problem] = problems(ledger)
    assert problem.about == "selfcheck" and "model, full batches at 50% of this box's baseline" in problem.what
    assert "nothing that can be measured from here explains it" in problem.what
    logbook.record(ledger, judge(WELL, BASELINE))
    assert problems(ledger) == []


def test_golden_outputs_that_are_off_are_a_problem(ledger: Path) -> None:
    logbook.record(ledger, judge(replace(WELL, golden_off_years=0.3), BASELINE))
    assert "the golden outputs are off by 0.300 years" in problems(ledger)[0].what


def test_a_job_that_failed_is_no_problem_before_it_was_tried_again(ledger: Path) -> None:
    ended(ledger, Ending.FAILED)
    assert problems(ledger) == []
    ended(ledger, Ending.FAILED, message="the disk is full")
    assert "the job backup failed 2 times" in problems(ledger)[0].what
    assert "the disk is full" in problems(ledger)[0].what


def test_a_run_by_hand_that_went_well_ends_it_and_one_that_failed_is_the_person_s(ledger: Path) -> None:
    ended(ledger, Ending.FAILED, slot=None)
    assert problems(ledger) == []
    ended(ledger, Ending.FAILED)
    ended(ledger, Ending.FAILED)
    ended(ledger, Ending.STOPPED, slot="2026-06-02T02:30")
    assert len(problems(ledger)) == 1
    ended(ledger, Ending.DONE, slot=None)
    assert problems(ledger) == []
