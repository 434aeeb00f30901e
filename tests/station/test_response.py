from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from station.bundles import BundleError, Figure
from station.learning import Calibration
from station.response import Response, read_calibration
from station.seasons import Eye, calibration
from tests.tiny import card

AGES = np.array([0.5, 2.0, 5.0, 10.0, 20.0])


def table(eye: Eye, animals: int = 150, seed: int = 0) -> Calibration:
    return calibration(eye, animals, 10, 30.0, np.random.default_rng(seed))


def test_what_a_model_answers_on_average_is_learnt() -> None:
    eye = Eye(ceiling_years=18.0)
    response = Response.learnt(table(eye))
    found = response.age_of(eye.mean_years(AGES))
    assert found == pytest.approx(AGES, rel=0.2, abs=0.2)


@pytest.mark.parametrize(("tau", "sigma"), [(1.0, 3.0), (3.0, 1.0)])
def test_what_an_animals_pictures_share_is_told_from_what_they_do_not(tau: float, sigma: float) -> None:
    eye = Eye(math.inf, 0, tau, sigma, 0, 0, math.inf, 1e6)
    response = Response.learnt(table(eye))
    mean, found_tau, found_sigma = response.at(np.array([8.0, 15.0]))
    years = np.exp(mean / response.nature.bend_years)
    assert found_tau * years == pytest.approx([tau, tau], rel=0.35)
    assert found_sigma * years == pytest.approx([sigma, sigma], rel=0.2)


def test_a_bias_that_fades_is_found_out() -> None:
    lasting, fading = (Response.learnt(table(Eye(fading=length))) for length in (math.inf, 0.2))
    assert fading.nature.fading < 0.5 < lasting.nature.fading


def test_the_mean_estimate_rises_with_age_however_few_animals_there_are() -> None:
    for seed in range(5):
        response = Response.learnt(table(Eye(), animals=9, seed=seed))
        assert (np.diff(response.mean) >= 0).all()


def test_beyond_the_oldest_animal_of_the_table_less_is_known() -> None:
    _, tau, _ = Response.learnt(table(Eye())).at(np.array([30.0, 40.0, 60.0]))
    assert tau[0] < tau[1] < tau[2]


def test_without_a_table_the_cards_spreads_stand() -> None:
    response = Response.of(replace(card(), tau_years=1.5, sigma_years=2.5), None)
    assert response.at(AGES)[0] == pytest.approx(AGES)
    assert response.at(AGES)[1] == pytest.approx(np.full(5, 1.5))
    assert response.at(AGES)[2] == pytest.approx(np.full(5, 2.5))


def test_without_measured_spreads_the_cards_error_stands() -> None:
    known = replace(card(), tau_years=None, sigma_years=None, metrics={"mae_years": Figure(3.0, None, None)})
    _, tau, sigma = Response.of(known, None).at(AGES)
    expected_error = np.hypot(tau, sigma) * math.sqrt(2 / math.pi)
    assert expected_error == pytest.approx(np.full(5, 3.0))


def test_a_table_of_too_few_animals_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "out_of_fold.csv"
    rows = [f"a{i % 8},0,{i}.0,{i}.5,1.0" for i in range(40)]
    file.write_text("\n".join(["individual,fold,age_years,estimate_years,sd_years", *rows]) + "\n")
    assert Response.of(None, file).at(AGES)[0] == pytest.approx(AGES)


def test_a_bundles_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "out_of_fold.csv"
    file.write_text("individual,fold,age_years,estimate_years,sd_years\nMei,0,2.000,2.500,1.0\nBao,1,9.0,8.0,2.0\n")
    found = read_calibration(file)
    assert found.individuals.tolist() == ["Mei", "Bao"]
    assert found.ages_years.tolist() == [2, 9]
    assert found.estimates_years.tolist() == [2.5, 8]
    assert found.without("Mei").individuals.tolist() == ["Bao"]


@pytest.mark.parametrize("text", ["individual,age_years\nMei,2\n", "individual,age_years,estimate_years\nMei,two,3\n"])
def test_what_is_not_such_a_table_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "out_of_fold.csv"
    file.write_text(text)
    with pytest.raises(BundleError, match="not a table of estimates out of fold"):
        read_calibration(file)
