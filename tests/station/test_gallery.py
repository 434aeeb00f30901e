"""Animals of one colour each, from pictures to individuals, with a real database and a real (tiny) program."""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from station import daemon, settings
from station.bundles import CARD, writing
from station.embeddings import packed, unpacked
from station.hearing import hearing
from station.pictures import save_jpeg
from tests.station.test_flow import until
from tests.station.test_line import configured, observed, rows, scan, started
from tests.tiny import card, identity, tiny_bundle
from training import export
from training.__main__ import main as train
from training.export import AgeProgram
from training.head import Head
from training.networks import build

RED, GREEN, BLUE = (150, 60, 60), (60, 150, 60), (60, 60, 150)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "colours", identity=identity())


def portrait(
    colour: tuple[int, int, int], seed: int, taken: str | None = "2026:05:01 10:00:00", light: float = 1.0
) -> bytes:
    noise = np.random.default_rng(seed).integers(-8, 9, (48, 48, 3))
    return save_jpeg(np.clip(light * np.array(colour) + noise, 0, 255).astype(np.uint8), taken)


def day(number: int) -> str:
    return f"2026:05:{1 + number:02} 10:00:00"


def individuals(database: Path) -> list[tuple[Any, ...]]:
    sql = "SELECT frames.path, faces.individual FROM faces JOIN frames ON frames.id = faces.frame ORDER BY frames.path"
    return [(Path(path).stem, individual) for path, individual in rows(database, sql)]


def test_animals_are_told_apart_and_get_provisional_names(tmp_path: Path, colours: Path) -> None:
    read = configured(tmp_path, colours)
    for number, colour in enumerate((RED, GREEN, BLUE, RED, GREEN, BLUE)):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(portrait(colour, number, day(number)))
    scan(read)
    names = [name for _, name in individuals(tmp_path / "station.db")]
    assert len(set(names)) == 3
    assert names[:3] == names[3:]
    assert all(str(name).startswith("giant-panda-") for name in names)
    assert rows(tmp_path / "station.db", "SELECT count(*), sum(provisional) FROM individuals") == [(3, 3)]
    verdicts = rows(tmp_path / "station.db", "SELECT verdict, count(*) FROM recognitions GROUP BY 1 ORDER BY 1")
    assert verdicts == [("known", 3), ("new", 3)]


def test_what_a_path_says_goes_before_and_feeds_the_gallery(tmp_path: Path, colours: Path) -> None:
    read = configured(tmp_path, colours, pattern="{individual}")
    bao, unsorted = tmp_path / "pictures" / "bao", tmp_path / "pictures"
    bao.mkdir()
    (bao / "1.jpg").write_bytes(portrait(RED, 1, day(1)))
    scan(read)
    (unsorted / "2.jpg").write_bytes(portrait(RED, 2, day(2)))
    scan(read)
    assert individuals(tmp_path / "station.db") == [("2", "bao"), ("1", "bao")]
    assert rows(tmp_path / "station.db", "SELECT id, provisional FROM individuals") == [("bao", 0)]


def test_a_face_unlike_its_name_keeps_it_and_is_unsure(tmp_path: Path, colours: Path) -> None:
    read = configured(tmp_path, colours, pattern="{individual}")
    bao = tmp_path / "pictures" / "bao"
    bao.mkdir()
    for number, colour in enumerate((RED, GREEN)):
        (bao / f"{number}.jpg").write_bytes(portrait(colour, number, day(number)))
        scan(read)
    assert individuals(tmp_path / "station.db") == [("0", "bao"), ("1", "bao")]
    assert rows(tmp_path / "station.db", "SELECT verdict, individual FROM recognitions ORDER BY face") == [
        ("new", "bao"),
        ("unsure", "bao"),
    ]


def test_a_copy_in_the_same_batch_makes_no_second_animal(tmp_path: Path, colours: Path) -> None:
    read = configured(tmp_path, colours)
    for name in ("a", "b"):
        (tmp_path / "pictures" / f"{name}.jpg").write_bytes(portrait(RED, 1))
    scan(read)
    assert rows(tmp_path / "station.db", "SELECT count(*) FROM individuals") == [(1,)]
    assert rows(tmp_path / "station.db", "SELECT count(*) FROM recognitions") == [(1,)]


def test_a_running_station_takes_up_what_people_say(tmp_path: Path, colours: Path) -> None:
    """Red and green are one animal, says a person; the next green one is called red's name."""
    read = configured(tmp_path, colours)
    folder = tmp_path / "pictures"
    for number, colour in enumerate((RED, GREEN)):
        (folder / f"{number}.jpg").write_bytes(portrait(colour, number, day(number)))
    scan(read)
    red, green = (str(name) for _, name in individuals(tmp_path / "station.db"))
    with daemon.composed(read, now) as station:
        said = [sys.executable, "-m", "station", "individuals", "merge", green, red]
        subprocess.run([*said, "--db", str(tmp_path / "station.db")], check=True, capture_output=True)
        (folder / "2.jpg").write_bytes(portrait(GREEN, 2, day(2)))
        list(station.scan())
    assert individuals(tmp_path / "station.db") == [("0", red), ("1", red), ("2", red)]


def test_a_folder_of_an_animal_that_was_merged_feeds_the_one_it_is(tmp_path: Path, colours: Path) -> None:
    """The folder keeps the old name; what comes after it in the same run and looks the same has the one of today."""
    read = configured(tmp_path, colours, pattern="{individual}")
    for name, number in (("xin", 0), ("bao", 1)):
        (tmp_path / "pictures" / name).mkdir()
        (tmp_path / "pictures" / name / f"{number}.jpg").write_bytes(portrait(RED, number, day(number)))
    scan(read)
    with hearing(tmp_path / "station.db", "wei", now()) as heard:
        heard.merge("bao", "xin")
    with daemon.composed(read, now) as station:
        (tmp_path / "pictures" / "bao" / "2.jpg").write_bytes(portrait(GREEN, 2, day(2)))
        for folder in station.folders.values():
            station.lister(folder).list_all()
        (tmp_path / "pictures" / "3.jpg").write_bytes(portrait(GREEN, 3, day(3)))
        list(station.scan())
    assert dict(individuals(tmp_path / "station.db")) == dict.fromkeys("0123", "xin")
    said = rows(tmp_path / "station.db", "SELECT individual FROM recognitions ORDER BY face DESC LIMIT 1")
    assert said == [("xin",)]


def test_a_new_version_of_the_embedding_still_knows_the_animals(tmp_path: Path, colours: Path) -> None:
    read = configured(tmp_path, colours)
    (tmp_path / "pictures" / "1.jpg").write_bytes(portrait(RED, 1, day(1)))
    scan(read)
    other = tiny_bundle(tmp_path / "other", identity=identity(version="tiny-2/colour"), version="tiny-2")
    (tmp_path / "pictures" / "2.jpg").write_bytes(portrait(RED, 2, day(2)))
    scan(configured(tmp_path, other))
    assert len({name for _, name in individuals(tmp_path / "station.db")}) == 1
    assert rows(tmp_path / "station.db", "SELECT face, identity FROM reembeddings") == [(1, "tiny-2/colour")]


def test_a_ledger_of_names_alone_is_looked_at_again_by_the_first_bundle_with_an_identity(
    tmp_path: Path, colours: Path, bundle: Path
) -> None:
    (tmp_path / "pictures" / "bao").mkdir(parents=True)
    (tmp_path / "pictures" / "bao" / "1.jpg").write_bytes(portrait(RED, 1, day(1)))
    scan(configured(tmp_path, bundle, pattern="{individual}"))
    (tmp_path / "pictures" / "2.jpg").write_bytes(portrait(RED, 2, day(2)))
    scan(configured(tmp_path, colours, pattern="{individual}"))
    assert {name for _, name in individuals(tmp_path / "station.db")} == {"bao"}


def test_an_adult_is_not_the_cub_of_the_same_looks(tmp_path: Path, colours: Path) -> None:
    """Brightness is age here: ten years apart within a week, and as sure of it as can be."""
    read = configured(tmp_path, colours)
    for number, light in enumerate((0.3, 2.6)):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(portrait(RED, number, day(number), light))
    scan(read)
    assert len({name for _, name in individuals(tmp_path / "station.db")}) == 2


def test_an_embedding_comes_back_from_the_ledger_as_it_was_stored() -> None:
    vector = np.array([0.6, -0.8, 0.0], np.float32)
    once = unpacked(packed(vector))
    assert np.allclose(once, vector, atol=1e-3)
    assert (unpacked(packed(once)) == once).all()


def now() -> datetime:
    return datetime.now(UTC)


CAMERA = """
[station]
database = "station.db"
bundle = "{bundle}"
[line]
batch_faces = 8
linger_s = 0.02
[health]
listen = ""
[cameras.ridge]
folder = {folder!r}
settle_s = 0.5
"""
SEEN = """SELECT frames.path, faces.individual, verdict, recognitions.individual
FROM faces JOIN frames ON frames.id = faces.frame JOIN recognitions ON recognitions.face = faces.id
ORDER BY frames.path"""


def test_kill_9_loses_no_individual_and_doubles_none(tmp_path: Path, colours: Path) -> None:
    """Killed again and again, it names every face as an undisturbed run does, in whatever batches."""
    chance, count = random.Random(3), 600
    folder, once, often = tmp_path / "pictures", tmp_path / "once", tmp_path / "often"
    for made in (folder, once, often):
        made.mkdir()
    for number in range(count):
        colour = (RED, GREEN, BLUE, (120, 120, 40))[chance.randrange(4)]
        picture = portrait(colour, number, day(number % 25), light=chance.uniform(0.9, 1.1))
        (folder / f"{number:04}.jpg").write_bytes(picture)
    for box in (once, often):
        (box / "station.toml").write_text(CAMERA.format(bundle=colours, folder=str(folder)))
    scan(settings.load(once / "station.toml"))
    for _ in range(4):
        process, before = started(often), observed(often)
        assert until(lambda start=before: observed(often) > start, 60)
        until(lambda: False, chance.uniform(0, 0.3))
        process.kill()
        process.communicate()
    scan(settings.load(often / "station.toml"))
    assert rows(often / "station.db", SEEN) == rows(once / "station.db", SEEN)
    assert rows(once / "station.db", "SELECT count(*) FROM individuals") == [(4,)]


def test_unsorted_pandas_get_the_names_of_the_sorted_ones(tmp_path: Path, data: Path) -> None:
    """An embedding fitted on fifteen animals meets five others: of each, half the pictures are sorted by name."""
    fitted, met = _panda_manifests(tmp_path, data)
    bundle = tmp_path / "identity"
    assert train(["identity", str(fitted), "--bundle", str(_ages(tmp_path)), "--out", str(bundle)]) == 0
    read = configured(tmp_path, bundle, pattern="{individual}")
    for sort in (True, False):
        for number, (individual, picture) in enumerate(met):
            folder = tmp_path / "pictures" / (individual if sort else "")
            folder.mkdir(exist_ok=True)
            if sort is bool(number % 2):
                shutil.copy(picture, folder / f"{individual}_{number}.jpg")
        scan(read)
    machine = """SELECT path, faces.individual FROM faces JOIN frames ON frames.id = faces.frame
        WHERE frames.individual IS NULL"""
    named = [(Path(path).stem.split("_")[0], found) for path, found in rows(tmp_path / "station.db", machine)]
    assert len(named) == sum(not number % 2 for number in range(len(met)))
    assert sum(found == truth for truth, found in named) > 0.7 * len(named)
    wrong = [found for truth, found in named if found != truth and not str(found or "").startswith("giant-panda")]
    assert len([name for name in wrong if name]) < 0.1 * len(named)


def _ages(tmp_path: Path) -> Path:
    """A bundle with the layers of a pretrained network, whose ages mean nothing."""
    backbone = build("tf_efficientnet_lite0").eval()
    program = AgeProgram(backbone, Head(torch.zeros(11, 1280), torch.zeros(11), torch.zeros(11)))
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), np.uint8)
    with writing(tmp_path / "ages") as folder:
        export.write(folder, program, crops)
        (folder / CARD).write_text(card(input_px=224).to_json())
    return tmp_path / "ages"


def _panda_manifests(tmp_path: Path, data: Path) -> tuple[Path, list[tuple[str, Path]]]:
    """Fifteen animals to fit on, and the pictures of the five others with whom they show."""
    with (data / "panda_faces/manifest.csv").open(encoding="utf-8") as table:
        faces = [(row["individual"], data / "panda_faces" / row["path"]) for row in csv.DictReader(table)]
    unseen = sorted({individual for individual, _ in faces})[::4]
    lines = [f"{picture},{individual}" for individual, picture in faces if individual not in unseen]
    (tmp_path / "fitted.csv").write_text("\n".join(["path,individual", *lines]) + "\n")
    return tmp_path / "fitted.csv", [face for face in faces if face[0] in unseen]
