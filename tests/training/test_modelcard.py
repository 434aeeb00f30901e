from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from station.bundles import Card, Figure, TrainingData
from tests.tiny import card
from tests.training.measured import figures
from tests.training.studied import data_set, drawn_faces, judged
from training.cautions import cautions
from training.faces import Faces
from training.judged import Judged
from training.modelcard import model_card

VALIDATED = "Five folds, subject-exclusive: every face was judged by a model fitted on other individuals."


def made(animals: int = 24, pictures: int = 6, error_years: float = 2.0) -> tuple[Card, Faces, Judged]:
    known = drawn_faces(animals, pictures)
    said = judged(data_set(known), error_years)
    told = card(
        metrics=figures(said), training=(TrainingData("reserve/manifest.csv", "ab" * 32, 150, animals),),
        loss="dldl", tau_years=1.4, sigma_years=0.9, individuals=tuple(np.unique(known.individuals).tolist()),
    )  # fmt: skip
    return told, known, said


def test_it_says_what_the_model_is_and_what_it_was_fitted_on() -> None:
    text = model_card(*made(), VALIDATED)
    assert text.startswith("# tiny-1\n")
    assert "giant panda" in text
    assert "| `reserve/manifest.csv` | 150 | 24 | `" + "ab" * 32 + "` |" in text
    assert "Used: 144 faces of 24 individuals" in text


def test_it_is_never_for_people_nor_for_other_species() -> None:
    text = model_card(*made(), VALIDATED)
    assert "- **People.** Never" in text
    assert "Other species than the one it was fitted on (giant panda)" in text


def test_every_figure_stands_there_with_its_interval_and_meaning() -> None:
    told, known, said = made()
    text = model_card(told, known, said, VALIDATED)
    mae = told.metrics["mae_years"]
    row = f"| MAE | {mae.value:.2f} ({mae.low:.2f} to {mae.high:.2f}) | mean absolute error per image, in years |"
    assert row in text
    assert VALIDATED in text


def test_a_model_that_was_fitted_alone_has_no_section_of_findings() -> None:
    assert "What the study found" not in model_card(*made(), VALIDATED)
    assert "## What the study found\n\n- It learnt." in model_card(*made(), VALIDATED, ["It learnt."])


def test_what_no_better_than_guesses_is_for_trying_only() -> None:
    text = model_card(*made(error_years=30.0), VALIDATED)
    assert "**For trying the method only:**" in text
    assert "age structure of a population" not in text


def test_what_was_fitted_on_people_is_for_trying_only() -> None:
    told, known, said = made()
    text = model_card(replace(told, species="human"), known, said, VALIDATED)
    assert "**For trying the method only:** it was fitted on people" in text


def test_what_was_tested_on_few_animals_is_for_trying_only() -> None:
    assert "tested on seven individuals, too few to speak for others" in model_card(*made(7), VALIDATED)


def test_an_interval_that_is_unknown_is_said_to_be() -> None:
    told, known, said = made()
    assert "The 90% interval is unknown" in model_card(replace(told, interval_quantile=None), known, said, VALIDATED)


def test_repeated_pictures_are_said_to_share_an_error() -> None:
    assert "even any number of pictures leaves 1.40 years" in model_card(*made(), VALIDATED)


def test_names_from_outside_stay_text() -> None:
    told, known, said = made()
    hostile = replace(told, loss="<script>|`\n# x", training=(TrainingData("a`|b\n# c", "0" * 64, 1, 1),))
    text = model_card(hostile, known, said, VALIDATED)
    assert "\\<script\\>\\|\\` \\# x" in text
    assert "| `a'\\|b # c` |" in text


def told_of(animals: int, **changes: Figure) -> str:
    _, known, said = made(animals)
    return " ".join(cautions(known, said, figures(said) | changes))


def test_few_animals_are_spoken_of() -> None:
    assert "7 individuals can show that everything runs" in told_of(7)


def test_many_animals_are_not() -> None:
    assert "can show that everything runs" not in told_of(60)


def test_a_slope_below_one_is_drawn_to_the_middle() -> None:
    assert "rise by 0.71 (0.65 to 0.77) years" in told_of(24, slope=Figure(0.71, 0.65, 0.77))


@pytest.mark.parametrize("slope", [Figure(0.97, 0.9, 1.05), Figure(1.2, 1.1, 1.3), Figure(0.9, None, None)])
def test_a_slope_that_may_be_one_is_not_spoken_of(slope: Figure) -> None:
    assert "drawn to the middle" not in told_of(24, slope=slope)


def test_the_range_of_ages_is_told() -> None:
    _, known, _ = made()
    assert f"{known.ages_years.min():.3g} to {known.ages_years.max():.3g} years old" in told_of(24)


def test_life_stages_with_few_individuals_are_named() -> None:
    assert "Nothing can be said of a life stage by itself" in told_of(12)
