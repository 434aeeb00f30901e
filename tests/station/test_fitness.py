"""What is thought of a self-check, from what was measured and the box's own baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from station.fitness import (
    COMMITS,
    DECODE,
    MODEL,
    SMALL,
    Baseline,
    BoxClock,
    Identity,
    Measured,
    Rate,
    Surroundings,
    baseline_of,
    judge,
    lines,
    listed,
)

BOX = Identity("pandas-1", "cpu: a processor, 2 cores", None, {"torch": "2.15.0"})
AT = "2026-06-01T12:00:00+00:00"


def rates(**changes: float) -> dict[str, Rate]:
    per_s = {MODEL: 100.0, SMALL: 60.0, DECODE: 400.0, COMMITS: 5000.0} | changes
    return {name: Rate(value, 0.9 * value, 1.1 * value, 5) for name, value in per_s.items()}


BASELINE = Baseline("2026-05-01T12:00:00+00:00", BOX, rates(), "openvino bf16")
WELL = Measured(
    at=AT, station="hut", identity=BOX, form="openvino bf16", rates=rates(), golden_off_years=0.001, failed=(),
    left_out=(), beside=False, busy=False, free_mb={"database": 9000.0}, wanted_mb=500,
    clock=BoxClock(None, None, True), surroundings=Surroundings(0.1, 0.02, 1.0, 0),
)  # fmt: skip


def test_the_first_one_becomes_the_baseline() -> None:
    check = judge(WELL, None)
    assert check.ok and check.becomes_baseline
    assert "recorded as the baseline of this box: it is the first" in check.remarks


def test_a_baseline_comes_back_from_its_report() -> None:
    assert baseline_of(judge(WELL, None).json()) == replace(BASELINE, at=AT)


def test_the_same_again_is_fine_and_no_new_baseline() -> None:
    check = judge(WELL, BASELINE)
    assert check.ok and not check.becomes_baseline
    assert set(check.shares.values()) == {1.0}


@pytest.mark.parametrize(("per_s", "ok"), [(320.0, True), (319.0, False)])
def test_less_than_four_fifths_of_the_baseline_is_worse(per_s: float, ok: bool) -> None:
    check = judge(replace(WELL, rates=rates(decode=per_s)), BASELINE)
    assert check.ok is ok
    assert check.worse == (() if ok else (DECODE,))


def test_golden_outputs_that_are_off_are_wrong_and_no_baseline() -> None:
    check = judge(replace(WELL, golden_off_years=0.2), None)
    assert not check.ok and not check.becomes_baseline
    assert "off by 0.200 years" in check.wrong[0]


def test_golden_outputs_that_are_no_numbers_are_wrong() -> None:
    assert not judge(replace(WELL, golden_off_years=float("nan")), BASELINE).ok


def test_what_could_not_be_measured_is_wrong() -> None:
    check = judge(replace(WELL, failed=("the bundle is damaged",)), BASELINE)
    assert check.wrong == ("the bundle is damaged",) and not check.ok


def test_what_was_left_out_for_the_station_s_sake_is_told_and_is_not_wrong() -> None:
    check = judge(replace(WELL, beside=True, left_out=("live pictures came without a pause",)), BASELINE)
    assert check.ok and "live pictures came without a pause" in check.remarks


SLOW = replace(WELL, rates=rates(model=50.0))


def test_beside_a_station_at_work_low_rates_are_told_and_do_not_count() -> None:
    check = judge(replace(SLOW, beside=True, busy=True), BASELINE)
    assert check.ok and check.shares[MODEL] == 0.5
    assert check.causes == ("the station was at work meanwhile",)


def test_beside_an_idle_station_they_count() -> None:
    assert judge(replace(SLOW, beside=True), BASELINE).worse == (MODEL,)


def test_beside_a_station_nothing_becomes_a_baseline() -> None:
    check = judge(replace(WELL, beside=True), None)
    assert not check.becomes_baseline
    assert "there is no baseline yet: run it once while the station stands still" in check.remarks


def test_with_another_library_it_is_compared_once_more_and_then_begins_anew() -> None:
    newer = replace(SLOW, identity=replace(BOX, libraries={"torch": "2.16.0"}))
    check = judge(newer, BASELINE)
    assert check.worse == (MODEL,) and check.becomes_baseline
    assert check.causes == ("torch is 2.16.0, was 2.15.0",)


def test_rates_of_another_bundle_are_not_compared_but_those_of_the_box_are() -> None:
    other = replace(SLOW, identity=replace(BOX, bundle="pandas-2"))
    check = judge(other, BASELINE)
    assert set(check.shares) == {DECODE, COMMITS}
    assert check.ok and check.becomes_baseline


def test_another_bundle_is_no_reason_for_slower_decoding() -> None:
    other = replace(WELL, identity=replace(BOX, bundle="pandas-2"), form="as exported", rates=rates(decode=100.0))
    assert judge(other, BASELINE).causes == ()


def test_a_person_may_say_that_this_is_what_the_box_can_do() -> None:
    check = judge(SLOW, BASELINE, record_baseline=True)
    assert check.ok and check.becomes_baseline


@pytest.mark.parametrize(
    ("around", "cause"),
    [
        (Surroundings(3.2, 0.6, None, None), "other programs used 60% of the processor meanwhile (load 3.2 before)"),
        (Surroundings(None, 0.6, None, None), "other programs used 60% of the processor meanwhile"),
        (Surroundings(0.1, 0.0, 0.5, 0), "its cores ran at 50% of their highest frequency: heat, or saving power"),
        (
            Surroundings(0.1, 0.0, 1.0, 3),
            "the processor was slowed down by heat 3 times: see to its fan and its place",
        ),
    ],
)
def test_what_was_seen_meanwhile_is_named(around: Surroundings, cause: str) -> None:
    assert judge(replace(SLOW, surroundings=around), BASELINE).causes == (cause,)


def test_a_slower_form_of_the_model_is_named() -> None:
    check = judge(replace(SLOW, form="as exported"), BASELINE)
    assert check.causes == ("the model runs as exported, was openvino bf16",)


def test_where_nothing_explains_it_that_is_said() -> None:
    check = judge(SLOW, BASELINE)
    assert not check.causes and "nothing that can be seen from here explains it" in check.remarks


def test_a_baseline_of_a_crowded_box_is_recorded_with_a_warning() -> None:
    check = judge(replace(WELL, surroundings=Surroundings(3.0, 0.5, None, None)), None)
    assert check.becomes_baseline
    assert any("the next self-check that has the box to itself" in remark for remark in check.remarks)


def test_a_quiet_box_takes_the_place_of_a_crowded_one_as_baseline() -> None:
    crowded = baseline_of(judge(replace(WELL, surroundings=Surroundings(3.0, 0.5, None, None)), None).json())
    assert judge(WELL, crowded).becomes_baseline
    assert not judge(replace(WELL, surroundings=Surroundings(3.0, 0.5, None, None)), crowded).becomes_baseline


def test_a_full_disk_a_clock_set_back_and_one_that_nobody_sets_are_told() -> None:
    late = BoxClock("2026-06-02T12:00:00+00:00", 86400.0, False)
    told = " ".join(judge(replace(WELL, free_mb={"database": 20.0}, clock=late), BASELINE).remarks)
    assert "20 MB are free for the database, 500 are wanted" in told
    assert "set back by 86400 s" in told
    assert "has it a time server" in told


def test_a_clock_that_is_corrected_by_a_little_is_not_worth_a_word() -> None:
    late = BoxClock("2026-06-01T12:00:02+00:00", 2.0, True)
    assert judge(replace(WELL, clock=late), BASELINE).remarks == ()


def test_the_terminal_shows_rates_shares_and_why() -> None:
    told = "\n".join(lines(judge(replace(SLOW, surroundings=Surroundings(3.0, 0.5, None, None)), BASELINE)))
    assert "50% of the baseline" in told
    assert "worse      model, full batches: 50% of the baseline, less than 80%" in told
    assert "perhaps    other programs used 50%" in told
    assert told.endswith("not fine")


def test_self_checks_of_before_are_one_a_line() -> None:
    raw = [json.loads(judge(measured, BASELINE).json()) | {"baseline": False} for measured in (WELL, SLOW)]
    head, well, slow = listed(raw)
    assert "decoding" in head
    assert well.endswith("fine") and "400" in well
    assert slow.endswith("worse: model, full batches")


def test_where_there_was_none_that_is_said() -> None:
    assert list(listed([])) == ["there was no self-check yet: `station selfcheck` makes one"]


def test_beside_a_settled_station_that_stood_idle_the_first_one_becomes_the_baseline() -> None:
    check = judge(replace(WELL, beside=True), None, settled=True)
    assert check.becomes_baseline
    assert not any("no figures for a baseline" in remark for remark in check.remarks)


@pytest.mark.parametrize("changes", [{"busy": True}, {"left_out": ("no time for commits",)}])
def test_beside_a_station_at_work_it_does_not(changes: dict[str, Any]) -> None:
    assert not judge(replace(WELL, beside=True, **changes), None, settled=True).becomes_baseline


def test_one_of_the_box_alone_takes_the_place_of_one_beside_a_station() -> None:
    beside = baseline_of(judge(replace(WELL, beside=True), None, settled=True).json())
    assert judge(WELL, beside).becomes_baseline
    assert not judge(replace(WELL, beside=True), beside, settled=True).becomes_baseline


def test_a_card_that_others_use_or_that_is_hot_is_named() -> None:
    around = replace(WELL.surroundings, card_users=("python3",), card_slowed=("heat",))
    assert judge(replace(SLOW, surroundings=around), BASELINE).causes == (
        "other programs compute on the card: python3",
        "the card is slowed down by heat",
    )


def test_heat_is_told_with_its_degrees() -> None:
    around = replace(WELL.surroundings, frequency=0.5, degrees=91.0)
    assert "it has 91 degrees" in judge(replace(SLOW, surroundings=around), BASELINE).causes[0]
