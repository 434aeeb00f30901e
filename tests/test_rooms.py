"""Structure that a reader may rely on: one library, one room; what a bare machine can import; a quick --help."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bare import ROOT, run_with_only, with_dependencies

ROOMS = {
    "apscheduler": {"station/when.py", "station/jobs.py"},
    "watchdog": {"station/intake.py"},
    "paho": {"station/broker.py"},
    "torch": {"station/on_torch.py", "station/on_openvino.py", "training"},
    "openvino": {"station/on_openvino.py"},
    "megadetector": {"station/on_megadetector.py"},
    "PIL": {"station/pictures.py"},
    "sqlite_utils": {
        "station/schema.py",
        "station/migrations.py",
        "station/first_migrations.py",
        "station/counts.py",
        "station/store.py",
        "station/entries.py",
        "station/history.py",
        "station/vitals.py",
        "station/herald.py",
        "station/jobbook.py",
        "station/notices.py",
        "station/retention.py",
        "station/doctor.py",
        "station/logbook.py",
        "station/people.py",
        "station/place.py",
        "station/profiles.py",
        "station/doubts.py",
        "station/review.py",
        "station/camtrap",
        "station/megadetector.py",
        "station/hearing.py",
        "station/columns.py",
        "station/watch.py",
        "station/unused.py",
        "station/identities.py",
        "station/population.py",
        "station/portraits.py",
        "station/nightly.py",
        "station/embeddings.py",
        "training/retraining/ledger.py",
        "station/promotions.py",
        "station/models.py",
    },
    "usearch": {"station/gallery.py"},
    "sqlite3": {
        "station/copies.py",
        "station/doctor.py",
        "station/numbering.py",
        "station/salvage.py",
        "station/schema.py",
        "station/store.py",
        "station/history.py",
        "station/shortage.py",
        "station/passing.py",
    },
    "pydantic": {"station/settings.py", "station/sections", "station/messages.py", "station/replay.py"},
    "prometheus_client": {"station/metrics.py"},
    "typer": {"station/__main__.py", "station/commands"},
    "frictionless": {"station/camtrap/check.py"},
    "jsonschema": {"station/camtrap/check.py"},
    "rich": {"station/terminal.py"},
    "scipy": {"station/learning.py", "station/confusion.py"},
    "timm": {"training/from_timm.py", "training/served.py"},
    "torchvision": {"training/from_torchvision.py"},
    "tqdm": {"training"},
    "matplotlib": {"training/report"},
    "jinja2": {"training/report", "station/report"},
}
BARE_MACHINE = ("torch", "torchvision", "timm", "numpy", "pillow")
BARE = """
import importlib, pkgutil, training
import station.domain, station.faces, station.ages, station.pictures, station.bundles, station.species
for module in pkgutil.iter_modules(training.__path__, "training."):
    importlib.import_module(module.name)
print("imported")
"""


def imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_imported_in_its_room_only(library: str) -> None:
    files = [f for folder in ("station", "training") for f in (ROOT / folder).rglob("*.py")]
    users = {f.relative_to(ROOT).as_posix() for f in files if library in imports(f)}
    assert users, f"{library} is used nowhere: strike it from the list"
    outside = {user for user in users if not any(user == r or user.startswith(f"{r}/") for r in ROOMS[library])}
    assert not outside


def test_what_runs_models_and_trains_them_imports_on_a_bare_gpu_machine() -> None:
    """Nothing but these, what they themselves require, and the standard library."""
    present = with_dependencies(BARE_MACHINE) | {"station", "training"}
    assert {"torch", "torchvision", "timm", "numpy", "PIL"} <= present
    assert not {"pydantic", "sqlite_utils", "watchdog", "matplotlib", "sklearn", "scipy"} & present
    done = run_with_only(present, BARE)
    assert done.stdout.strip() == "imported", done.stderr


def test_a_bare_machine_has_nothing_else() -> None:
    done = run_with_only({"numpy"}, "import numpy, json\nimport pydantic")
    assert "No module named 'pydantic'" in done.stderr


@pytest.mark.parametrize("command", ["station", "training"])
def test_help_imports_nothing_heavy(command: str) -> None:
    """What makes `--help` slow is imports: none of torch, numpy's users or pydantic is among them."""
    program = f"""
import runpy, sys
sys.argv = ["{command}", "--help"]
try:
    runpy.run_module("{command}", run_name="__main__")
except SystemExit:
    pass
heavy = {{"torch", "timm", "PIL", "pydantic", "watchdog", "sqlite_utils", "prometheus_client", "matplotlib", "jinja2",
    "frictionless"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]")
    assert "fit" in done.stdout or "scan" in done.stdout


def test_the_readme_names_every_command() -> None:
    program = (
        "from station.__main__ import app; print(*[c.name or c.callback.__name__ for c in app.registered_commands])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in done.stdout.split() if f"station {name}" not in readme]
    assert not missing


def test_the_tree_of_errors_names_every_error_and_its_room() -> None:
    domain = (ROOT / "station/domain.py").read_text()
    told = set(re.findall(r"^    [├└]── (\w+) +([\w.]+)", domain, re.MULTILINE))
    error = re.compile(r"^class (\w+)\(StationError\)", re.MULTILINE)
    files = [file for part in ("station", "training") for file in (ROOT / part).rglob("*.py")]
    rooms = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    assert told == {(name, room) for file, room in rooms.items() for name in error.findall(file.read_text())}
