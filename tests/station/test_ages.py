from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from station.ages import Ages
from station.bundles import CARD, GOLDEN, PROGRAM, BundleError, Card, read_card
from station.domain import (
    WHOLE,
    CaptureTime,
    Duplicate,
    Face,
    Facts,
    Floats,
    Frame,
    Observed,
    Pixels,
    Portraits,
    Rejection,
    TimeSource,
)
from station.golden import NoMemory
from station.prepare import EXPORTED
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


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (PROGRAM, b""), (PROGRAM, b"nonsense"), (CARD, b""), (CARD, b"{}"), (CARD, b"[1]"), (CARD, b"\xff"),
        (GOLDEN, b""), (GOLDEN, b"nonsense"), (GOLDEN, b"PK\x03\x04 cut off"),
    ],
)  # fmt: skip
def test_a_damaged_bundle_is_refused(tmp_path: Path, file: str, content: bytes) -> None:
    folder = tiny_bundle(tmp_path / "b")
    (folder / file).write_bytes(content)
    with pytest.raises(BundleError):
        Ages(folder, "cpu")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_golden_outputs_that_are_cut_short_are_refused(tmp_path: Path, share: float) -> None:
    golden = tiny_bundle(tmp_path / "b") / GOLDEN
    golden.write_bytes(golden.read_bytes()[: int(share * golden.stat().st_size)])
    with pytest.raises(BundleError, match="copy the bundle afresh"):
        Ages(tmp_path / "b", "cpu")


def test_golden_outputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    golden = tiny_bundle(tmp_path / "b") / GOLDEN
    with np.load(golden) as kept:
        inputs, wanted = kept["inputs"], kept["probabilities"]
    np.savez(golden, inputs=inputs, probabilities=wanted[:2])
    with pytest.raises(BundleError, match="golden outputs where"):
        Ages(tmp_path / "b", "cpu")


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
import math
from pathlib import Path
import station.daemon
from station.ages import Ages
print(Ages(Path({str(bundle)!r}), "cpu").run(np.zeros((3, 3, {SIZE_PX}, {SIZE_PX}), np.uint8))[0].shape)
"""
    done = run_without(("torchvision", "timm", "training"), program)
    assert done.stdout.strip() == "(3, 11)", done.stderr


@pytest.fixture(scope="module")
def convolving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose program is worth preparing: a convolution, slow enough for a difference to be measured."""

    class Convolving(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first = torch.nn.Conv2d(3, 32, 3, 2)
            self.second = torch.nn.Conv2d(32, 32, 3)
            self.head = torch.nn.Linear(32, 11)

        def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen = self.second(torch.relu(self.first(crops.float() / 255))).relu().mean((2, 3))
            return torch.softmax(self.head(seen), dim=1), seen

    return tiny_bundle(
        tmp_path_factory.mktemp("convolving") / "b", network=Convolving().eval().requires_grad_(False), size_px=128
    )


def test_every_form_gives_what_the_program_gives(convolving: Path, tmp_path: Path) -> None:
    ages = Ages(convolving, "cpu")
    makers = ages.makers(tmp_path / "cache")
    assert {"openvino f32", "openvino bf16", "channels-last", "channels-last bf16"} < set(makers)
    for name, make in makers.items():
        assert ages.golden.fault(make()) == "", name


@pytest.mark.parametrize("count", [1, 2, 5, 33])
def test_a_form_takes_any_batch(convolving: Path, tmp_path: Path, count: int) -> None:
    ages = Ages(convolving, "cpu")
    crops = ages.golden.batch(count)
    wanted = ages.run(crops)
    for make in ages.makers(tmp_path / "cache").values():
        for got, want in zip(make()(crops), wanted, strict=True):
            assert got == pytest.approx(want, abs=0.02)


def test_a_batch_that_does_not_lie_in_one_piece_is_read_the_same(convolving: Path, tmp_path: Path) -> None:
    ages = Ages(convolving, "cpu")
    turned = ages.golden.inputs[..., ::-1]
    for make in ages.makers(tmp_path / "cache").values():
        form = make()
        for got, want in zip(form(turned), form(turned.copy()), strict=True):
            assert got == pytest.approx(want, abs=1e-6)


@pytest.fixture
def never_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.prepare.FAST_ENOUGH", math.inf)


@pytest.mark.usefixtures("never_fast_enough")
def test_what_was_chosen_serves_and_is_taken_again(convolving: Path, tmp_path: Path) -> None:
    ages = Ages(convolving, "cpu")
    before = ages.run(ages.golden.batch(8))[0]
    choice = ages.prepare(tmp_path / "cache")
    assert ages.run(ages.golden.batch(8))[0] == pytest.approx(before, abs=0.02)
    assert set(choice.rates) | set(choice.refused) == set(ages.makers(tmp_path / "cache"))
    assert Ages(convolving, "cpu").prepare(tmp_path / "cache") == choice


def test_of_a_program_that_is_fast_enough_nothing_is_kept(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.prepare.FAST_ENOUGH", 0)
    assert Ages(bundle, "cpu", limit=256).prepare(tmp_path / "cache").form == EXPORTED
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("never_fast_enough")
def test_a_damaged_memory_is_made_anew(convolving: Path, tmp_path: Path) -> None:
    Ages(convolving, "cpu").makers(tmp_path / "cache")["openvino f32"]()
    (kept,) = (tmp_path / "cache").rglob("program.bin")
    kept.write_bytes(b"")
    (kept.parent.parent / "choice.json").write_text('{"form": "openvino f32"}')
    choice = Ages(convolving, "cpu").prepare(tmp_path / "cache")
    assert "openvino f32" in choice.rates
    assert kept.stat().st_size > 0


def test_without_memory_for_a_batch_the_half_of_it_is_run_and_remembered(bundle: Path) -> None:
    ages = Ages(bundle, "cpu")
    sizes: list[int] = []
    whole = ages.form

    def small(crops: Pixels, /) -> tuple[Floats, ...]:
        sizes.append(len(crops))
        if len(crops) > 5:
            raise NoMemory("out of memory")
        return whole(crops)

    ages.form = small
    shades = crops(*range(0, 200, 10))
    assert [round(ages.estimate(p).age_years) for p in ages.run(shades)[0]][::10] == [1, 4]
    assert sizes == [20, 10, 5, 5, 5, 5]


def test_a_form_that_fails_while_it_serves_gives_way_to_the_program(bundle: Path) -> None:
    ages = Ages(bundle, "cpu")
    wanted = ages.run(crops(51))[0]

    def broken(crops: Pixels, /) -> tuple[Floats, Floats]:
        raise RuntimeError("an unexpected shape")

    ages.form = broken
    assert ages.run(crops(51))[0] == pytest.approx(wanted)
    assert ages.choice.form == EXPORTED
