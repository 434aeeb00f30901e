from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.training.simulated import judged, with_estimates
from training.folds import Numbers
from training.gate import Bout, Evidence, Rule, Thresholds, Verdict, judge, macro_mae
from training.judged import Judged

CHAMPION = judged(animals=40, pictures=6, tau=3.0, sigma=1.0, width=0.85)


def better_by(share: float, of: Judged = CHAMPION) -> Judged:
    """Every error a little smaller; its intervals hold what those of the champion do."""
    return with_estimates(of, of.ages_years + (1 - share) * of.errors_years)


def evidence(challenger: Judged, champion: Judged = CHAMPION, **changes: Any) -> Evidence:
    usual = Evidence(Bout(champion, challenger), None, None, champion_per_s=100.0, challenger_per_s=100.0)
    return replace(usual, **changes)


def broken(verdict: Verdict) -> list[str]:
    return [rule.name for rule in verdict.broken]


def test_a_challenger_that_is_better_everywhere_passes() -> None:
    verdict = judge(evidence(better_by(0.1)), Thresholds())
    assert verdict.passed, verdict.broken


def test_the_champion_itself_is_not_better_than_itself() -> None:
    assert broken(judge(evidence(CHAMPION), Thresholds())) == ["better"]


def test_a_better_average_does_not_buy_a_worse_cub_class() -> None:
    """Cubs are told worse by half a year; all the others so much better that the average gains."""
    cubs = CHAMPION.stages == "young"
    errors: Numbers = CHAMPION.errors_years * 0.6
    errors[cubs] = (CHAMPION.errors_years + 0.9 * np.sign(CHAMPION.errors_years))[cubs]
    challenger = with_estimates(CHAMPION, CHAMPION.ages_years + errors)
    assert macro_mae(challenger) < macro_mae(CHAMPION)
    verdict = judge(evidence(challenger), Thresholds())
    assert broken(verdict) == ["stage young"]
    assert "it may be worse" in verdict.broken[0].says


def test_a_stage_has_the_margin_that_it_was_given() -> None:
    cubs = CHAMPION.stages == "young"
    errors: Numbers = CHAMPION.errors_years * 0.6
    errors[cubs] = (CHAMPION.errors_years + 0.9 * np.sign(CHAMPION.errors_years))[cubs]
    challenger = with_estimates(CHAMPION, CHAMPION.ages_years + errors)
    assert judge(evidence(challenger), Thresholds(stage_margins_years={"young": 1.0})).passed


def test_a_gain_that_may_be_chance_is_none() -> None:
    verdict = judge(evidence(judged(animals=40, pictures=6, tau=3.0, noise=1)), Thresholds(stage_margin=9))
    assert "not worse" in broken(verdict)


@pytest.mark.parametrize("width", [0.7, 1.6])
def test_intervals_that_are_too_narrow_or_too_wide_hold_it_back(width: float) -> None:
    other = better_by(0.05)
    middle, half = (other.low_years + other.high_years) / 2, width * (other.high_years - other.low_years) / 2
    verdict = judge(evidence(replace(other, low_years=middle - half, high_years=middle + half)), Thresholds())
    assert broken(verdict) == ["coverage"], verdict.rules
    assert "of the true ages" in verdict.broken[0].says


def test_a_few_judges_all_inside_do_not_prove_intervals_too_wide() -> None:
    few, many = judged(animals=25, pictures=1, tau=3.0), judged(animals=200, pictures=1, tau=3.0)
    assert [coverage_of_all_inside(some).held for some in (few, many)] == [True, False]


def coverage_of_all_inside(champion: Judged) -> Rule:
    """The rule, where the holdout's intervals hold every true age and those of the folds are as they should be."""
    other = better_by(0.1, champion)
    wide = replace(other, low_years=other.low_years * 0, high_years=other.high_years + 99)
    everybody = judged(animals=300, pictures=6, tau=3.0, width=0.8)
    verdict = judge(evidence(wide, champion, out_of_fold=everybody), Thresholds(coverage=(0.5, 0.96)))
    return next(rule for rule in verdict.rules if rule.name == "coverage")


def test_unknown_intervals_hold_it_back() -> None:
    other = better_by(0.1)
    unknown = replace(other, low_years=other.low_years * np.nan)
    assert "too few animals to calibrate" in judge(evidence(unknown), Thresholds()).broken[0].says


def test_a_slow_challenger_is_held_back() -> None:
    verdict = judge(evidence(better_by(0.1), challenger_per_s=79.0), Thresholds())
    assert broken(verdict) == ["speed"]
    assert "0.79 of it; 0.8 is wanted" in verdict.broken[0].says


def test_golden_outputs_that_are_off_hold_it_back() -> None:
    verdict = judge(evidence(better_by(0.1), fault="an estimate is off by 2 years"), Thresholds())
    assert [(rule.name, rule.says) for rule in verdict.broken] == [("golden outputs", "an estimate is off by 2 years")]


def test_one_that_cannot_tell_individuals_apart_as_the_champion_does_is_held_back() -> None:
    assert broken(judge(evidence(better_by(0.1), forgets_individuals="it cannot"), Thresholds())) == ["individuals"]


def test_too_few_judges_are_no_judges() -> None:
    few = judged(animals=9)
    verdict = judge(evidence(better_by(0.1, few), few), Thresholds(least_judges=10))
    assert broken(verdict) == ["judges"]


def test_folds_and_holdout_are_judged_together_and_each_animal_weighs_the_same() -> None:
    folds = judged(animals=20, pictures=3, tau=3.0, seed=5)
    folds = replace(folds, individuals=np.char.add("fold-", folds.individuals))
    both = Bout(folds, better_by(0.1, folds))
    said = judge(evidence(better_by(0.1), folds=both), Thresholds()).rules[3].says
    expected = (40 * macro_mae(CHAMPION) + 20 * macro_mae(folds)) / 60
    assert f"the champion's {expected:.2f}, on 60 animals" in said


def test_folds_do_not_outvote_a_holdout_that_is_surely_worse() -> None:
    folds = judged(animals=60, pictures=6, tau=3.0, seed=5)
    folds = replace(folds, individuals=np.char.add("fold-", folds.individuals))
    verdict = judge(evidence(better_by(-0.03), folds=Bout(folds, better_by(0.5, folds))), Thresholds())
    assert "holdout" in broken(verdict)


def test_nobody_judges_twice() -> None:
    with pytest.raises(ValueError, match="animal-000 would judge twice"):
        judge(evidence(better_by(0.1), folds=Bout(CHAMPION, CHAMPION)), Thresholds())
