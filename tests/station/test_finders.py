"""What the configuration says of finders is used, or refused at the start with key, value and remedy."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from station import settings
from station.detections import ResultsFile
from station.domain import Face, Frame
from station.faces import Animals, Whole, as_found
from station.finders import Finders
from station.finding import FacesOfAnimals, TrainedFinder
from station.on_megadetector import MegaDetectorRun
from station.pictures import Picture
from station.settings import Settings, SettingsError
from tests.discs import with_card


def configured(**faces: Any) -> Settings:
    return settings.of(
        {
            "station": {"timezone": "+08:00"},
            "line": {"device": "cpu"},
            "faces": faces,
            "cameras": {"den": {"faces": {"finder": "whole"}, "clock_shift_s": 60}},
        }
    )


def refused(**faces: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        Finders(configured(**faces), "giant_panda")
    return str(caught.value)


def test_each_camera_has_its_own_finder_and_clock(discs: Path, tmp_path: Path) -> None:
    finders = Finders(configured(finder=str(discs)), "giant_panda")
    ridge, den = finders.camera("ridge", "", tmp_path), finders.camera("den", "", tmp_path)
    assert isinstance(ridge.finder, TrainedFinder)
    assert ridge.judge == ridge.finder.judge
    assert isinstance(den.finder, Whole)
    assert den.judge is as_found
    assert (ridge.clock.shift, den.clock.shift) == (timedelta(0), timedelta(minutes=1))


def test_a_bundle_is_loaded_once_for_all_its_cameras(discs: Path, tmp_path: Path) -> None:
    finders = Finders(configured(finder=str(discs)), "giant_panda")
    assert finders.camera("ridge", "", tmp_path).finder is finders.camera("creek", "", tmp_path).finder
    assert len(finders.programs) == 2


def test_with_boxes_of_animals_faces_are_looked_for_inside_them(discs: Path, tmp_path: Path) -> None:
    finders = Finders(configured(finder=str(discs), megadetector="file"), "giant_panda")
    assert isinstance(finders.camera("ridge", "", tmp_path).finder, FacesOfAnimals)


def test_megadetector_alone_takes_its_boxes_from_the_file(tmp_path: Path) -> None:
    finders = Finders(configured(finder="megadetector"), "giant_panda")
    assert isinstance(finders.camera("ridge", "", tmp_path).finder, Animals)


def test_a_folder_that_is_not_there_is_refused() -> None:
    told = refused(finder="/nowhere/finder")
    assert "faces.finder = '/nowhere/finder': there is no such folder; make one with `training finder`" in told


def test_a_word_written_wrongly_is_told_with_the_nearest() -> None:
    assert "faces.finder = 'megadetecter': there is no such folder; did you mean 'megadetector'?" in refused(
        finder="megadetecter"
    )


def test_the_bundle_of_an_age_model_is_refused(bundle: Path) -> None:
    told = refused(finder=str(bundle))
    assert f"faces.finder = '{bundle}'" in told
    assert "an age model's bundle, not a finder's: make one with `training finder`" in told


def test_a_finder_of_another_species_is_refused_with_the_reason(discs: Path, tmp_path: Path) -> None:
    other = with_card(discs, tmp_path / "other", species="brown_bear")
    assert "finds faces of 'brown_bear', and the age model was made for 'giant_panda'" in refused(finder=str(other))


def test_a_finder_of_no_species_goes_with_every_age_model(discs: Path, tmp_path: Path) -> None:
    other = with_card(discs, tmp_path / "other", species="")
    assert Finders(configured(finder=str(other)), "giant_panda").programs


def test_all_that_is_wrong_is_told_at_once(discs: Path) -> None:
    told = refused(finder="/nowhere", megadetector="/nowhere/md.pt")
    assert "faces.finder = '/nowhere'" in told
    assert "faces.megadetector = '/nowhere/md.pt'" in told


class Recorded:
    """MegaDetector's own answers for real pictures, given as its detectors give them, by the file that they are of."""

    def __init__(self, results: Path) -> None:
        raw = json.loads(results.read_text())
        self.categories = raw["detection_categories"]
        self.images = {str(results.parent / image["file"]): image for image in raw["images"]}
        self.sizes: list[tuple[int, int]] = []

    def generate_detections_one_image(self, image: Any, image_id: str, detection_threshold: float) -> dict[str, Any]:
        self.sizes.append(image.size)
        given = dict(self.images[image_id])
        kept = [one for one in given["detections"] if one["conf"] >= detection_threshold]
        return given | {"detections": kept, "max_detection_conf": max((one["conf"] for one in kept), default=0.0)}


def test_megadetector_as_it_runs_gives_what_its_file_gives(data: Path) -> None:
    folder = data / "camera_traps" / "field"
    recorded = Recorded(folder / "megadetector.json")
    read, run = ResultsFile(folder), MegaDetectorRun(recorded, recorded.categories)
    seen: list[Face] = []
    for file in recorded.images:
        frame, picture = Frame(1, "cam", file, 0, 0), Picture(Path(file).read_bytes())
        told = run.detect(frame, picture)
        assert told == read.detect(frame, picture)
        seen += [*told.animals, *told.people]
    assert len(seen) > 29
    assert all(1000 <= max(size) <= 2560 for size in recorded.sizes)
