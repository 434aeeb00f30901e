from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.bare import run_without
from tests.training.drawn import drawn_manifest
from tests.training.studied import data_set, drawn_faces, measures, study
from training import accuracy
from training.__main__ import main
from training.plan import StudyError
from training.protocol import Asked, Plan, Run, paper, quick
from training.report.exports import results_json
from training.throughput import Precision, Preset

CPU = torch.device("cpu")
TWO = ("mnasnet1_0", "resnet18")
SMALL = Plan("small", Preset(2, 1, 1, 2), (Preset(1, 1, 1, 1),), 8)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    whole = study([data_set(drawn_faces()), data_set(drawn_faces(7, 4, seed=3), "lite")], networks=TWO)
    (folder / accuracy.RESULTS).write_text(results_json(whole, measures()))
    return folder


@pytest.fixture(scope="module")
def written(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a real quick run, from the command."""
    out = tmp_path_factory.mktemp("qps")
    manifest = drawn_manifest(tmp_path_factory.mktemp("faces"), animals=2, pictures=2)
    command = ["qps", "--study", str(studied), "--input", "jpeg", "--manifest", str(manifest), "--device", "cpu"]
    assert main([*command, "--input-px", "32", "--out", str(out)]) == 0
    return out


def run(plan: Plan, networks: tuple[str, ...] = TWO) -> Run:
    return Run(Asked(networks, CPU, plan, None, input_px=32), lambda _: None)


def test_every_network_is_measured_in_every_precision_and_at_every_batch_size() -> None:
    found = [(row.network, row.precision, row.alone.batch, row.main) for row in run(SMALL)]
    sizes = [(2, True), (1, False)]
    assert found == [
        (name, precision, *size) for name in TWO for precision in (Precision.FLOAT32, Precision.BF16) for size in sizes
    ]


def test_what_no_time_is_left_for_is_named() -> None:
    ticks = iter(range(10**6))
    late = run(replace(SMALL, sweep=(), budget_s=12))
    late.clock = lambda: float(next(ticks))  # each look at the clock takes a second
    rows = list(late)
    assert {row.network for row in rows} == {"mnasnet1_0"}
    assert late.missing == ["resnet18"]


def test_the_paper_is_followed_and_quick_is_bounded() -> None:
    assert (paper().main.batch, paper().main.warm, paper().main.timed, paper().pictures) == (400, 50, 100, 40_010)
    assert all(preset.runs >= 5 for preset in (paper().main, *paper().sweep))
    assert quick(CPU).budget_s < 60


def test_the_table_of_a_run_has_a_row_for_each_network_and_precision(written: Path, studied: Path) -> None:
    with (written / "qps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["network"], row["precision"]) for row in rows] == [
        (name, precision) for name in accuracy.of_study(studied).networks for precision in ("float32", "bf16")
    ]
    for row in rows:
        assert float(row["alone_slowest"]) <= float(row["alone_images_per_s"]) <= float(row["alone_fastest"])
        assert float(row["from_jpeg_images_per_s"]) > 0
        assert float(row["mae_years_full_low"]) < float(row["mae_years_full"]) < float(row["mae_years_full_high"])
        assert float(row["mae_years_lite"]) > 0


def test_the_json_says_on_what_and_how_it_was_measured(written: Path) -> None:
    whole = json.loads((written / "qps.json").read_text())
    assert set(whole) == {"schema", "created_at", "machine", "protocol", "rows", "missing"}
    assert {"device", "processor", "workers", "torch", "torchvision", "timm"} <= set(whole["machine"])
    assert whole["protocol"]["expanded_to"] == 256
    assert whole["protocol"]["pictures"] == "4 of the manifest's 4 pictures"
    assert whole["rows"][0]["alone"]["runs"] >= 2
    assert whole["rows"][0]["mae_years"]["full"]["value"] > 0


def test_the_plot_has_a_side_for_each_data_set(written: Path) -> None:
    plot = (written / "qps.svg").read_text()
    assert plot.startswith("<svg ") and "against its mean absolute error" in plot
    assert plot.count("<clipPath ") == 2


def test_without_a_study_the_plot_shows_speeds_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["qps", "--backbones", "resnet18", "--device", "cpu", "--input-px", "32", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "images a second of each network alone" in (tmp_path / "qps.svg").read_text()
    told = capsys.readouterr().out
    assert "resnet18" in told and "name a study's folder with --study" in told
    assert "from JPEG" not in told


def test_without_what_draws_the_plot_the_tables_are_written(tmp_path: Path) -> None:
    command = ["qps", "--backbones", "resnet18", "--device", "cpu", "--input-px", "32", "--out", str(tmp_path)]
    done = run_without(
        ("matplotlib", "jinja2"), f"import sys\nfrom training.__main__ import main\nsys.exit(main({command!r}))"
    )
    assert done.returncode == 2
    assert "qps.svg was not drawn" in done.stderr and "is not installed here" in done.stderr
    assert "alone, images/s" in done.stdout
    assert {file.name for file in tmp_path.iterdir()} == {"qps.csv", "qps.json"}


def test_a_plot_can_be_drawn_later_with_the_errors_of_a_study(
    written: Path, studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads((written / "qps.json").read_text())
    for row in whole["rows"]:
        row["mae_years"] = {}
    (tmp_path / "qps.json").write_text(json.dumps(whole))
    assert main(["qps", "--redraw", "--out", str(tmp_path), "--study", str(studied)]) == 0
    assert (tmp_path / "qps.json").read_bytes() == (written / "qps.json").read_bytes()
    assert (tmp_path / "qps.svg").read_bytes() == (written / "qps.svg").read_bytes()
    assert "MAE lite, years" in capsys.readouterr().out


def test_nothing_can_be_drawn_where_nothing_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qps", "--redraw", "--out", str(tmp_path)]) == 2
    assert "qps.json cannot be read" in capsys.readouterr().err


def test_a_folder_without_results_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qps", "--study", str(tmp_path)]) == 2
    assert "results.json cannot be read" in capsys.readouterr().err


def test_a_network_that_is_not_there_is_told_before_any_other_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qps", "--backbones", "resnet18,resnet81", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("there is no network called resnet81")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_does_not_take_so_small_a_picture_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["qps", "--backbones", "timm:inception_v3", "--input-px", "32", "--device", "cpu"]) == 2
    assert "does not take pictures of 32 pixels" in capsys.readouterr().err


def test_results_that_are_damaged_are_refused(tmp_path: Path) -> None:
    (tmp_path / accuracy.RESULTS).write_text('{"data": []}')
    with pytest.raises(StudyError, match="not what a study writes"):
        accuracy.of_study(tmp_path)


def test_the_error_of_a_network_is_that_of_its_best_loss(tmp_path: Path) -> None:
    data = data_set(drawn_faces())
    whole = study([data], networks=("resnet18", "resnet18"))
    (tmp_path / accuracy.RESULTS).write_text(results_json(whole, measures()))
    best = min(trial.figures["mae_years"].value for trial in whole.trials)
    assert accuracy.of_study(tmp_path).mae_years["full"]["resnet18"].value == pytest.approx(best, abs=1e-6)
