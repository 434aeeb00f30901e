from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bare import ROOT, run_without
from tests.training.drawn import drawn_manifest
from training.__main__ import main


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--help"])
    assert ended.value.code == 0
    assert "training fit faces/manifest.csv" in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    done = run_without(("torch", "timm", "torchvision"), "from training.__main__ import main\nmain(['fit', '--help'])")
    assert done.returncode == 0, done.stderr


def test_a_mistake_is_one_message_and_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.csv").write_text("path,individual\ngone.jpg,ling\n")
    assert main(["fit", str(tmp_path / "manifest.csv"), "--out", str(tmp_path / "bundle")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("the training manifest has 1 mistake:")
    assert "Traceback" not in told
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    "wrong",
    [["--epochs", "0"], ["--folds", "1"], ["--crop-margin", "2"], ["--species", "Giant Panda"], ["--input-px", "x"]],
)
def test_an_option_that_cannot_be_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fit", "manifest.csv", "--out", "bundle", *wrong])
    assert ended.value.code == 2
    assert wrong[1] in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_leaves_no_half_bundle(tmp_path: Path) -> None:
    manifest = drawn_manifest(tmp_path, animals=2, pictures=1)
    with manifest.open("a", encoding="utf-8") as lines:
        lines.write("manifest.csv,animal-0,4\n")  # not a picture: that it is reported says that work has begun
    command = ["env", "--default-signal=INT"]  # which a shell's background jobs ignore
    command += [sys.executable, "-m", "training", "fit", str(manifest), "--out", str(tmp_path / "out" / "bundle")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert any("left out" in line for line in child.stderr)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=60) == 130
        assert "no bundle was written" in child.stderr.read()
    assert list((tmp_path / "out").iterdir()) == []


def test_training_needs_nothing_of_the_service() -> None:
    service = ("pydantic", "typer", "rich", "sqlite_utils", "watchdog", "sklearn", "paho", "apscheduler")
    done = run_without(service, "import training.fit, training.export, training.summary, station.domain")
    assert done.returncode == 0, done.stderr
