"""A trained finder finds its faces in frames, tiles and the boxes of animals, and says what they are worth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from station.bundles import BundleError
from station.detections import Detections
from station.domain import Box, Face, Flaw, Frame
from station.finding import FacesOfAnimals, TrainedFinder
from station.pictures import Picture
from tests.discs import GREEN, WHITE, Disc, photograph, with_card

FRAME = Frame(1, "cam", "/p/1.jpg", 0, 0)


@pytest.fixture(scope="module")
def finder(discs: Path) -> TrainedFinder:
    return TrainedFinder(discs, "cpu")


def picture(*discs: Disc, width: int = 640, height: int = 480) -> Picture:
    return Picture(photograph(width, height, list(discs)))


def centres(faces: tuple[Face, ...], of: Picture) -> list[tuple[int, int]]:
    middles = ((f.box.x + f.box.width / 2, f.box.y + f.box.height / 2) for f in faces)
    return sorted((round(x * of.width, -1), round(y * of.height, -1)) for x, y in middles)  # type: ignore[misc]


def test_large_faces_are_found_in_the_whole_frame(finder: TrainedFinder) -> None:
    shown = picture((160, 120, 150, WHITE), (480, 300, 100, WHITE))
    found = finder.find(FRAME, shown)
    assert centres(found.faces, shown) == [(160, 120), (480, 300)]
    assert (found.people, all(face.confidence and face.confidence > 0.5 for face in found.faces)) == (0, True)


def test_a_box_fits_its_face(finder: TrainedFinder) -> None:
    (face,) = finder.find(FRAME, picture((320, 240, 140, WHITE))).faces
    assert (face.box.width * 640, face.box.height * 480) == pytest.approx((140, 140), rel=0.2)


@pytest.mark.parametrize("at", [(40, 40), (610, 290), (1000, 740), (510, 380)])
def test_a_face_of_three_hundredths_of_the_width_is_found_wherever_it_is(
    finder: TrainedFinder, at: tuple[int, int]
) -> None:
    shown = picture((*at, 1024 * 0.032, WHITE), width=1024, height=768)
    assert centres(finder.find(FRAME, shown).faces, shown) == [(round(at[0], -1), round(at[1], -1))]


def test_an_empty_frame_shows_no_face(finder: TrainedFinder) -> None:
    assert finder.find(FRAME, picture()).faces == ()


class Said:
    """A detector that has been told what to say."""

    def __init__(self, **said: tuple[Face, ...]) -> None:
        self.said = Detections(**said)

    def detect(self, frame: Frame, picture: Picture) -> Detections:
        return self.said


ANIMAL = Face(Box(0.6, 0.2, 0.3, 0.5), 0.9)


def test_faces_are_looked_for_inside_the_boxes_of_animals_alone(finder: TrainedFinder) -> None:
    shown = picture((160, 120, 100, WHITE), (480, 200, 60, WHITE))
    found = FacesOfAnimals(finder, Said(animals=(ANIMAL,)), 0.2).find(FRAME, shown)
    assert centres(found.faces, shown) == [(480, 200)]


def test_a_face_too_small_for_the_frame_is_found_in_its_animal(finder: TrainedFinder) -> None:
    """At 12 of 1,600 pixels no tile of the whole frame would show it."""
    shown = picture((480, 360, 12, WHITE), width=1600, height=1200)
    animal = Face(Box(0.28, 0.28, 0.05, 0.05), 0.9)
    found = FacesOfAnimals(finder, Said(animals=(animal,)), 0.2).find(FRAME, shown)
    assert centres(found.faces, shown) == [(480, 360)]


def test_without_an_animal_nothing_is_looked_for(finder: TrainedFinder) -> None:
    seen = Said(animals=(Face(ANIMAL.box, 0.1),))
    assert FacesOfAnimals(finder, seen, 0.2).find(FRAME, picture((480, 200, 60, WHITE))).faces == ()


def test_a_frame_with_a_person_has_no_faces(finder: TrainedFinder) -> None:
    seen = Said(animals=(ANIMAL,), people=(Face(Box(0, 0, 0.1, 0.1), 0.3),))
    found = FacesOfAnimals(finder, seen, 0.2).find(FRAME, picture((480, 200, 60, WHITE)))
    assert (found.faces, found.people) == ((), 1)


def test_what_may_be_a_person_masks_what_it_covers(finder: TrainedFinder) -> None:
    seen = Said(animals=(ANIMAL,), people=(Face(Box(0.65, 0.3, 0.2, 0.3), 0.1),))
    found = FacesOfAnimals(finder, seen, 0.2).find(FRAME, picture((480, 200, 60, WHITE)))
    assert (found.faces, found.people) == ((), 0)


def judged(finder: TrainedFinder, shown: Picture) -> tuple[Face, ...]:
    faces = finder.find(FRAME, shown).faces
    return finder.judge(shown, faces, shown.crops([face.box for face in faces], 64, 0.1), 0.1)


def test_a_face_of_another_species_is_told_from_its_own(finder: TrainedFinder) -> None:
    both = judged(finder, picture((160, 120, 120, WHITE), (480, 300, 120, GREEN)))
    flaws = [face.flaw for face in sorted(both, key=lambda face: face.box.x)]
    assert flaws == [None, Flaw.OTHER_SPECIES]


def test_a_face_below_the_limits_of_the_bundle_cannot_be_used(discs: Path, tmp_path: Path) -> None:
    strict = TrainedFinder(with_card(discs, tmp_path / "strict", quality={"size_px": 130.0}), "cpu")
    both = judged(strict, picture((160, 120, 90, WHITE), (460, 300, 170, WHITE)))
    assert [face.flaw for face in sorted(both, key=lambda face: face.box.x)] == [Flaw.TOO_SMALL, None]
    assert all(face.quality is not None and 0 < face.quality <= 1 for face in both)


def regilded(discs: Path, folder: Path, **changes: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None) -> Path:
    """The same finder with other golden outputs; None: without them."""
    shutil.copytree(discs, folder)
    with np.load(folder / "golden.npz") as golden:
        kept = {name: golden[name] for name in golden.files} | changes
    np.savez(folder / "golden.npz", **{name: array for name, array in kept.items() if array is not None})
    return folder


def golden(discs: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with np.load(discs / "golden.npz") as arrays:
        return np.asarray(arrays[name])


def test_a_finder_that_finds_faces_elsewhere_is_refused(discs: Path, tmp_path: Path) -> None:
    wrong = regilded(discs, tmp_path / "wrong", boxes=golden(discs, "boxes") + np.float32(0.2))
    with pytest.raises(BundleError, match=r"fails its golden check .* a face is not where it must be"):
        TrainedFinder(wrong, "cpu")


def test_a_finder_that_is_less_sure_than_it_must_be_is_refused(discs: Path, tmp_path: Path) -> None:
    wrong = regilded(discs, tmp_path / "wrong", scores=golden(discs, "scores") + np.float32(0.1))
    with pytest.raises(BundleError, match=r"fails its golden check .* the surest score is off by 0.100"):
        TrainedFinder(wrong, "cpu")


def test_golden_outputs_that_do_not_go_together_are_refused(discs: Path, tmp_path: Path) -> None:
    wrong = regilded(discs, tmp_path / "wrong", scores=golden(discs, "scores")[:, 1:])
    with pytest.raises(BundleError, match="do not go together"):
        TrainedFinder(wrong, "cpu")


def test_a_gate_without_its_golden_outputs_is_refused(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="gate_inputs"):
        TrainedFinder(regilded(discs, tmp_path / "copy", gate_inputs=None), "cpu")


def test_a_gate_that_says_something_else_is_refused(discs: Path, tmp_path: Path) -> None:
    wrong = regilded(discs, tmp_path / "wrong", gate=1 - golden(discs, "gate"))
    with pytest.raises(BundleError, match="what the gate says is off by"):
        TrainedFinder(wrong, "cpu")


def test_every_form_of_a_finder_finds_the_same(finder: TrainedFinder, tmp_path: Path) -> None:
    for program in finder.programs:
        makers = program.makers(tmp_path / "cache")
        assert {"openvino f32", "channels-last"} < set(makers)
        for name, make in makers.items():
            if "bf16" not in name:  # a drawn disc's edge is one: real networks have none
                assert program.golden.fault(make()) == "", name
