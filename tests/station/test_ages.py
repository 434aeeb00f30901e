from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from station.ages import Ages
from station.bundles import CARD, PROGRAM, BundleError, Card, read_card
from station.domain import WHOLE, CaptureTime, Duplicate, Face, Facts, Frame, Observed, Portraits, Rejection, TimeSource
from station.species import find
from tests.bare import run_without
from tests.tiny import SIZE_PX, card, tiny_bundle


def crops(*shades: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([np.full((3, SIZE_PX, SIZE_PX), shade, np.uint8) for shade in shades])


def portraits(number: int, *shades: int) -> Portraits:
    facts = Facts(str(number), 10, 10, CaptureTime(None, None, TimeSource.NONE))
    faces = tuple(Face(WHOLE) for _ in shades)
    empty = np.empty((0, 3, SIZE_PX, SIZE_PX), np.uint8)
    return Portraits(Frame(number, "cam", "p", 0, 0), facts, faces, crops(*shades) if shades else empty)


def test_an_age_is_the_expectation_with_its_spread_interval_and_life_stage(bundle: Path) -> None:
    ages = Ages(bundle, "cpu", find("giant_panda"))
    estimate = ages.estimate(ages.run(crops(51))[0][0])
    assert estimate.age_years == pytest.approx(2.0, abs=0.1)
    assert estimate.sd_years == pytest.approx(1.0, abs=0.1)
    assert estimate.low_years == pytest.approx(estimate.age_years - 1.5 * estimate.sd_years)
    assert estimate.high_years == pytest.approx(estimate.age_years + 1.5 * estimate.sd_years)
    assert (estimate.life_stage, estimate.model) == ("subadult", "tiny-1")


def test_no_interval_begins_before_birth(bundle: Path) -> None:
    ages = Ages(bundle, "cpu")
    assert ages.estimate(ages.run(crops(0))[0][0]).low_years == 0


def test_an_unknown_interval_is_not_invented(tmp_path: Path) -> None:
    ages = Ages(tiny_bundle(tmp_path / "b", interval_quantile=None), "cpu")
    estimate = ages.estimate(ages.run(crops(51))[0][0])
    assert (estimate.low_years, estimate.high_years) == (None, None)


def test_every_face_gets_its_own_reading_whatever_the_batch(bundle: Path) -> None:
    batch: list[Portraits | Duplicate | Rejection] = [
        portraits(1, 0, 255),
        Duplicate(Frame(2, "cam", "p", 0, 0), "d"),
        portraits(3),
        portraits(4, 128),
    ]
    read = Ages(bundle, "cpu", limit=2).read(batch)
    assert [outcome.frame.id for outcome in read] == [1, 2, 3, 4]
    seen = [[round(o.reading.estimate.age_years) for o in r.observations] for r in read if isinstance(r, Observed)]
    assert seen == [[1, 9], [], [5]]
    assert read[1] == batch[1]


def test_a_batch_without_faces_needs_no_model(bundle: Path) -> None:
    assert len(Ages(bundle, "cpu").read([portraits(1)])) == 1


def test_a_bundle_that_fails_its_golden_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="fails its golden check"):
        Ages(tiny_bundle(tmp_path / "b", golden_is_wrong=True), "cpu")


@pytest.mark.parametrize(("file", "content"), [(PROGRAM, b"nonsense"), (CARD, b"{}"), (CARD, b"[1]"), (CARD, b"\xff")])
def test_a_damaged_bundle_is_refused(tmp_path: Path, file: str, content: bytes) -> None:
    folder = tiny_bundle(tmp_path / "b")
    (folder / file).write_bytes(content)
    with pytest.raises(BundleError):
        Ages(folder, "cpu")


def test_an_incomplete_bundle_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"program\.pt2, card\.json, golden\.npz missing"):
        read_card(tmp_path)


def test_a_bundle_is_never_written_over(bundle: Path) -> None:
    with pytest.raises(BundleError, match="never changed"):
        tiny_bundle(bundle)


def test_a_card_survives_the_file() -> None:
    assert Card.from_json(card().to_json()) == card()


def test_a_gpu_that_is_not_there_is_an_error_with_a_remedy(bundle: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BundleError, match="use device = 'auto' or 'cpu'"):
        Ages(bundle, "cuda")


def test_the_station_runs_a_bundle_without_torchvision_timm_or_training(bundle: Path) -> None:
    program = f"""
import numpy as np
from pathlib import Path
import station.daemon
from station.ages import Ages
print(Ages(Path({str(bundle)!r}), "cpu").run(np.zeros((3, 3, {SIZE_PX}, {SIZE_PX}), np.uint8))[0].shape)
"""
    done = run_without(("torchvision", "timm", "training"), program)
    assert done.stdout.strip() == "(3, 11)", done.stderr
