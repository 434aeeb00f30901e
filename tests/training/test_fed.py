from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
import torch

from station.domain import StationError
from tests.training.drawn import drawn_manifest
from training import fed, manifest, networks
from training.crops import cut
from training.fed import Album, Feeding
from training.throughput import Form, Preset

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def form() -> Form:
    return Form.of(networks.build("resnet18", networks.SCRATCH, input_px=32), CPU)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[manifest.Row, ...]:
    return manifest.read([drawn_manifest(tmp_path, animals=2, pictures=2)])[0].rows


@pytest.fixture
def album(rows: tuple[manifest.Row, ...]) -> Album:
    return fed.photographed(rows, 100, pytest.fail)


def clock(*took_s: float) -> Callable[[], float]:
    return iter(chain.from_iterable((0.0, took) for took in took_s)).__next__


def test_the_speed_counts_the_pictures_of_each_run(form: Form, album: Album) -> None:
    preset = Preset(batch=3, warm=1, timed=2, runs=3)
    speed = fed.measure(form, Feeding(album, 10, 2), preset, clock=clock(9, 3, 1, 2))
    assert (speed.slowest, speed.images_per_s, speed.fastest) == (2, 3, 6)


def test_a_real_clock_gives_a_real_speed(form: Form) -> None:
    speed = fed.measure(form, Feeding(fed.drawn(), 16, 2), Preset(batch=2, warm=1, timed=2, runs=3))
    assert 0 < speed.slowest <= speed.images_per_s <= speed.fastest


def test_pictures_come_again_and_again_in_their_order(album: Album) -> None:
    batches = album.batches(range(10), 4, 32, 2)
    crops = np.concatenate(list(islice(batches, 3)))
    assert crops.shape == (10, 3, 32, 32)
    assert np.array_equal(crops[:4], crops[4:8]) and not np.array_equal(crops[0], crops[1])


def test_they_are_cut_as_they_are_for_training(rows: tuple[manifest.Row, ...], album: Album) -> None:
    cuts = [crop.pixels for _, crop in cut(rows, 32, album.margin) if not isinstance(crop, str)]
    assert np.array_equal(next(album.batches(range(4), 4, 32, 1)), np.stack(cuts))


def test_a_picture_that_cannot_be_used_is_told_and_left_out(rows: tuple[manifest.Row, ...]) -> None:
    rows[1].path.write_bytes(rows[1].path.read_bytes()[:200])
    told: list[str] = []
    assert len(fed.photographed(rows, 100, told.append).files) == 3
    assert str(rows[1].path) in told[0]


def test_no_more_than_is_asked_for_is_read(rows: tuple[manifest.Row, ...]) -> None:
    assert len(fed.photographed(rows, 2, pytest.fail).files) == 2


def test_without_any_usable_picture_nothing_is_measured(rows: tuple[manifest.Row, ...]) -> None:
    for row in rows:
        row.path.write_bytes(b"no picture")
    with pytest.raises(StationError, match="none of the manifest's pictures"):
        fed.photographed(rows, 100, lambda _: None)


def test_a_batch_that_does_not_fit_is_halved(album: Album) -> None:
    class Greedy(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if len(pictures) > 2:
                torch.empty(2**60, dtype=torch.uint8)
            return pictures.flatten(1)

    ones = (1.0, 1.0, 1.0)
    greedy = Form(networks.Backbone("greedy", Greedy(), ones, ones, 4), CPU)
    told: list[str] = []
    speed = fed.measure(greedy, Feeding(album, 10, 2), Preset(8, 1, 1, 1), say=told.append)
    assert speed.batch == 2
    assert len(told) == 2
