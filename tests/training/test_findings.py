from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from station.bundles import Figure
from tests.training.simulated import data_set, judged, study, trial, with_estimates
from training.findings import findings
from training.judged import Judged
from training.metrics import figures
from training.results import Study, Twin


def told(of: Judged) -> str:
    return "\n".join(findings(study(trial(of))))


def guessing(of: Judged) -> Judged:
    """A network that says nothing of age: about the median, with noise."""
    chance = np.random.default_rng(1)
    return with_estimates(of, of.guesses_years + chance.normal(0, 0.5, len(of.ages_years)))


GOOD = judged(animals=60)
TABLE = [
    (GOOD, "it has learnt something about age, beyond chance"),
    (guessing(GOOD), "nothing was shown to be learnt"),
    (with_estimates(GOOD, GOOD.ages_years + 40), "it must not be used"),
    (with_estimates(GOOD, GOOD.guesses_years + 0.05 * (GOOD.ages_years - GOOD.guesses_years)), "but very little"),
    (judged(animals=12), "That is a hint and no proof: it takes some 20 individuals to be sure of others"),
    (judged(animals=60, slope=1.0), "without being drawn much to the middle"),
    (judged(animals=60, slope=0.6), "are drawn to the middle: of ten years between two animals the network sees 5."),
    (judged(animals=60, slope=0.0), "do not follow age"),
    (judged(animals=60, slope=1.5), "exaggerate differences of age"),
    (judged(animals=12, slope=0.8, tau=15.0, seed=2), "Whether the estimates are drawn to the middle cannot be told"),
    (judged(animals=400), "They are as sure as they say"),
    (judged(animals=60, width=0.5), "too narrow at 80%, 90% and 95%"),
    (judged(animals=60, width=3.0), "wider than need be at 80%, 90% and 95%"),
    (judged(animals=12), "With 12 individuals that is no test of them"),
    (judged(animals=60, tau=4, sigma=0.5), "Errors come by individual: of animal-"),
    (judged(animals=60, tau=4, sigma=1), "the mean of 10 pictures is off by"),
    (judged(animals=7), "From 7 individuals no interval can be given at 90% (it takes 9) and 95% (it takes 19)"),
    (judged(animals=7), "Intervals over 7 individuals are too narrow and unstable"),
    (
        judged(animals=7),
        "Nothing can be said of a life stage by itself where it has fewer than 9 individuals, as all have",
    ),
    (judged(animals=7, one_age=True), "it takes more individuals, or the same ones over years"),
    (judged(animals=1), "1 individual can show that everything runs"),
]


@pytest.mark.parametrize(("of", "sentence"), TABLE, ids=[sentence[:40] for _, sentence in TABLE])
def test_what_is_so_is_said(of: Judged, sentence: str) -> None:
    assert sentence in told(of)


@pytest.mark.parametrize(
    "sentence",
    [
        "nothing was shown to be learnt",
        "no interval can be given",
        "too narrow",
        "life stage by itself",
        "everything runs",
        "contradict",
        "leak",
        "was chosen among",
        "two names",
        "not finished",
    ],
)
def test_of_a_good_network_on_many_animals_no_doubt_is_invented(sentence: str) -> None:
    assert sentence not in told(GOOD)


def test_seven_animals_with_noisy_ages_get_all_their_cautions() -> None:
    """The whole of it, as a reader sees it: what was measured first, then each doubt."""
    faces = guessing(judged(animals=7, pictures=30, one_age=True))
    first = faces.ages_years.copy()
    first[3] += 29
    said = "\n".join(findings(study(trial(replace(faces, ages_years=first), leaky_mae=0.5))))
    for sentence in (
        "nothing was shown to be learnt",
        "no interval can be given at 90% (it takes 9)",
        "Nothing can be said of a life stage by itself",
        "not how it would fare on others of their kind",
        "Intervals over 7 individuals are too narrow and unstable",
        "Nearly every individual has a single age",
        "The ages of animal-000 contradict each other, unless so many years lie between its pictures: 29 of 30 say",
        "to recognise it is to know its age",
    ):
        assert sentence in said


def test_the_doubt_about_few_animals_stands_right_after_what_was_measured() -> None:
    said = findings(study(trial(judged(animals=7))))
    assert said[0].startswith("On individuals it had not seen")
    assert "hint" in said[1]
    assert "no interval" in said[2]


def test_an_interval_that_cannot_be_tested_is_said_to_be_so() -> None:
    faces = judged(animals=10)
    unknown = replace(faces, low_years=np.full_like(faces.low_years, np.nan))
    assert "The interval at 80% and 90% can be given but not tested" in told(unknown)


def test_a_thin_life_stage_is_named_with_its_individuals() -> None:
    faces = judged(animals=60)
    stages = np.where(faces.ages_years > faces.ages_years.max() - 1, "ancient", faces.stages)
    said = told(replace(faces, stages=stages, stage_names=("young", "adult", "old", "ancient")))
    assert "Nothing can be said of a life stage by itself where it has fewer than 9 individuals: ancient (" in said


def test_the_ends_of_the_ages_are_named_where_the_pull_to_the_middle_shows() -> None:
    assert "the stage young is made too old by" in told(judged(animals=100, slope=0.5))


def test_identity_that_leaks_is_told_with_both_figures() -> None:
    (said,) = [text for text in findings(study(trial(GOOD, leaky_mae=0.4))) if "dentity" in text]
    assert "only 0.40 years (0.36 to 0.44)" in said
    assert f"{figures(GOOD)['mae_years'].value:.2f} years" in said
    assert "not of seeing age" in said


def test_where_identity_does_not_help_that_is_told_too() -> None:
    mae = figures(GOOD)["mae_years"].value
    said = findings(study(trial(GOOD, leaky_mae=mae)))
    assert any("Identity leaks little or not at all" in text for text in said)


def with_others() -> Study:
    """The chosen network, one as good by chance, and one that is a third worse."""
    worse = with_estimates(GOOD, GOOD.ages_years + 1.33 * GOOD.errors_years)
    almost = with_estimates(GOOD, GOOD.estimates_years + np.random.default_rng(0).normal(0, 0.3, len(GOOD.ages_years)))
    return study(trial(GOOD), trial(worse, "vgg11_bn"), trial(almost, "mnasnet"))


def test_networks_that_cannot_be_told_apart_are_told() -> None:
    (said,) = [text for text in findings(with_others()) if text.startswith("Beside")]
    assert said.startswith("Beside resnet50, on the same draws of individuals, are surely worse: vgg11_bn (+0.")
    assert "not to be told apart from it: mnasnet (+0.0" in said


def test_a_network_that_is_better_than_the_chosen_one_is_told() -> None:
    better = with_estimates(GOOD, GOOD.ages_years + 0.5 * GOOD.errors_years)
    said = "\n".join(findings(study(trial(GOOD), trial(better, "vgg11_bn"))))
    assert "surely better: vgg11_bn (-0." in said
    assert "was chosen among" not in said


def test_the_best_of_several_is_said_to_be_a_little_too_good() -> None:
    assert any("resnet50 was chosen among 3 by the very figures" in text for text in findings(with_others()))


def test_without_a_choice_the_network_with_the_least_error_is_spoken_of() -> None:
    whole = with_others()
    assert findings(replace(whole, chosen=None, trials=whole.trials[::-1])) == findings(whole)


def test_the_loss_is_named_where_it_differs() -> None:
    other = replace(trial(judged(animals=60, noise=1)), loss="corn")
    said = "\n".join(findings(study(trial(GOOD), other)))
    assert "resnet50 (dldl) errs by" in said
    assert "resnet50 (corn) (" in said


def test_pictures_that_look_the_same_in_two_folds_are_named() -> None:
    whole = study(trial(GOOD))
    twins = (Twin(0, 6, 4), Twin(1, 7, 1))
    said = "\n".join(findings(replace(whole, data=(replace(whole.data[0], twins=twins),))))
    assert "2 pairs of pictures that look the same stand in different folds" in said
    assert "such as 1.jpg of animal-000 and 7.jpg of animal-001" in said
    rest = np.delete(np.abs(GOOD.errors_years), [0, 1, 6, 7]).mean()
    assert f"Without them the error is {rest:.2f} years." in said


def test_twins_that_make_the_figures_are_told() -> None:
    spoilt = GOOD.estimates_years.copy()
    spoilt[[0, 6]] += 500
    whole = study(trial(with_estimates(GOOD, spoilt)))
    said = "\n".join(findings(replace(whole, data=(replace(whole.data[0], twins=(Twin(0, 6, 0),)),))))
    assert "the figures lean on them" in said


def test_several_data_sets_are_spoken_of_each_by_its_name() -> None:
    said = findings(study(trial(GOOD, data="full"), trial(judged(animals=7), data="lite")))
    assert {text.split(":")[0] for text in said} == {"full", "lite"}
    assert not any(text.startswith("full: From") for text in said)
    assert any(text.startswith("lite: From 7 individuals") for text in said)


def test_a_study_that_is_not_finished_says_so_first() -> None:
    said = findings(study(trial(GOOD), planned=14))
    assert said[0].startswith("The study is not finished: 1 of 14 fits are complete")


def test_of_a_data_set_without_a_fit_nothing_is_claimed() -> None:
    whole = study(trial(GOOD))
    bare = replace(whole, data=(*whole.data, data_set(GOOD, "lite")))
    assert findings(bare)[-1] == "lite: Nothing has been fitted yet."


def labelled(ages: list[float]) -> str:
    """What is said of the ages of one animal among others."""
    faces = judged(animals=20, pictures=len(ages))
    ages_years = faces.ages_years.copy()
    ages_years[: len(ages)] = ages
    return told(replace(faces, ages_years=ages_years))


@pytest.mark.parametrize(
    "ages",
    [
        [3.0] * 29 + [32.0],
        [40.0] * 19 + [2.0],
        [3.0, 3.5, 4.0] * 10 + [30.0, 31.0],
    ],
)
def test_ages_that_contradict_each_other_are_named(ages: list[float]) -> None:
    assert "The ages of animal-000 contradict each other" in labelled(ages)


@pytest.mark.parametrize(
    "ages",
    [
        [3.0] * 30,
        [1.0, 4.0, 7.0, 11.0, 16.0, 18.0, 22.0, 30.0, 35.0, 61.0],  # over a life
        [3.0] * 20 + [15.0] * 20,  # two visits
        [3.0] * 4 + [30.0],  # too few pictures to tell which is odd
        [3.0] * 29 + [6.0],  # three years on
    ],
)
def test_ages_that_may_be_right_are_left_alone(ages: list[float]) -> None:
    assert "contradict" not in labelled(ages)


def test_a_figure_without_an_interval_is_told_without_one() -> None:
    one = trial(GOOD)
    bare = replace(one, figures={**one.figures, "mae_years": Figure(1.5, None, None)})
    assert "errs by 1.50 years on average" in findings(study(bare))[0]


def test_every_sentence_ends_and_none_is_empty() -> None:
    for whole in (with_others(), study(trial(judged(animals=7), leaky_mae=1.0)), study(trial(judged(animals=1)))):
        assert all(text.endswith((".", ")")) and text.strip() for text in findings(whole))
        assert not any("nan" in text or "None" in text for text in findings(whole))
