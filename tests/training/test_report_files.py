from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bare import run_without
from tests.training.studied import data_set, drawn_faces, measures, study
from training.files import replacing
from training.report import exports
from training.report.write import write
from training.results import Study

FILES = {"report.html", "results.csv", "results.json", "folds.csv", "out_of_fold.csv"}


@pytest.fixture(scope="module")
def two() -> Study:
    return study([data_set(drawn_faces()), data_set(drawn_faces(7, 4, seed=3), "lite")])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_results_have_a_row_a_trial_with_value_low_and_high(two: Study) -> None:
    found = rows(exports.results_csv(two))
    assert len(found) == len(two.trials)
    best = two.on("full")[0]
    assert found[0]["network"] == best.network
    assert float(found[0]["mae_years"]) == pytest.approx(best.figures["mae_years"].value, abs=1e-6)
    assert float(found[0]["mae_years_low"]) < float(found[0]["mae_years"]) < float(found[0]["mae_years_high"])


def test_exactly_the_chosen_trial_is_marked(two: Study) -> None:
    chosen = [row for row in rows(exports.results_csv(two)) if row["chosen"] == "1"]
    assert two.chosen is not None
    assert [(row["data"], row["network"]) for row in chosen] == [(two.chosen.data, two.chosen.network)]


def test_a_figure_that_only_some_trials_have_is_empty_in_the_others(two: Study) -> None:
    widths = {row["data"]: row["width_95_years"] for row in rows(exports.results_csv(two))}
    assert widths["full"] != ""
    assert widths["lite"] == ""


def test_every_face_has_its_fold(two: Study) -> None:
    found = [row for row in rows(exports.folds_csv(two)) if row["data"] == "full"]
    assert [int(row["fold"]) for row in found] == two.data[0].fold.tolist()
    assert found[0]["individual"] == "<b>bao & co</b>"


def test_every_estimate_of_every_trial_is_there(two: Study) -> None:
    found = rows(exports.out_of_fold_csv(two))
    assert len(found) == sum(len(trial.judged.individuals) for trial in two.trials)
    trial = two.on("lite")[0]
    mine = [row for row in found if (row["data"], row["network"]) == ("lite", trial.network)]
    assert [float(row["estimate_years"]) for row in mine] == pytest.approx(trial.judged.estimates_years, abs=1e-6)


def test_an_unknown_end_of_an_interval_is_empty(two: Study) -> None:
    assert {row["low_95_years"] for row in rows(exports.out_of_fold_csv(two)) if row["data"] == "lite"} == {""}


def test_a_name_with_comma_quote_and_line_break_comes_back_as_it_was() -> None:
    known = drawn_faces(4, 2)
    name = 'a,"b"\nc'
    odd = replace(known, individuals=np.array([name] * 2 + known.individuals[2:].tolist()))
    assert rows(exports.folds_csv(study([data_set(odd)])))[0]["individual"] == name


def test_the_keys_of_the_json_stay(two: Study) -> None:
    found = json.loads(exports.results_json(two, measures("it learnt")))
    assert list(found) == ["schema", "protocol", "planned", "findings", "chosen", "data", "trials", "closer"]
    assert {"data", "network", "loss", "weights", "figures", "random_split_mae_years", "beside_the_best",
            "parameters", "macs", "speed", "fitting_s"} == set(found["trials"][0])  # fmt: skip
    assert set(found["trials"][0]["figures"]["mae_years"]) == {"value", "low", "high"}
    assert set(found["closer"][0]) == {"data", "network", "loss", "weights", "stages", "individuals"}


def test_only_the_best_of_a_data_set_is_compared_with_nothing(two: Study) -> None:
    found = json.loads(exports.results_json(two, measures()))
    alone = [(trial["data"], trial["network"]) for trial in found["trials"] if trial["beside_the_best"] is None]
    assert alone == [(name, two.on(name)[0].network) for name in ("full", "lite")]


def test_no_number_of_the_json_is_unreadable_elsewhere(two: Study) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(exports.results_json(two, measures()), parse_constant=refuse)


def test_all_files_are_written_and_nothing_else(two: Study, tmp_path: Path) -> None:
    write(two, measures(), tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == FILES


def test_writing_again_gives_the_same_bytes(two: Study, tmp_path: Path) -> None:
    write(two, measures(), tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    write(two, measures(), tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "results.csv"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(file) as handle:
        handle.write("new \udcff".encode())
    assert [(left.name, left.read_text()) for left in tmp_path.iterdir()] == [("results.csv", "old")]


def test_without_what_draws_the_page_the_tables_are_written_and_it_says_what_to_install(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tests.training.studied import data_set, drawn_faces, measures, study
from training.report.write import ReportError, write
try:
    write(study([data_set(drawn_faces(4, 2))], ["resnet18"]), measures(), Path({str(tmp_path)!r}))
except ReportError as error:
    print(error)
"""
    done = run_without({"matplotlib", "jinja2"}, program, OMP_NUM_THREADS="1")
    assert "Install matplotlib and jinja2" in done.stdout, done.stderr
    assert {file.name for file in tmp_path.iterdir()} == FILES - {"report.html"}
