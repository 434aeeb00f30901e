from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from training import networks, throughput
from training.networks import Backbone
from training.throughput import PAPER, QUICK, Form, Precision, Preset, halving, measure

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return networks.build("tf_efficientnet_lite0", networks.SCRATCH, input_px=32)


@pytest.fixture(scope="module")
def form(backbone: Backbone) -> Form:
    return Form.of(backbone, CPU)


class Greedy(nn.Module):
    """Wants more memory than any machine has, where more than `most` pictures come at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, pictures: Tensor) -> Tensor:
        if len(pictures) > self.most:
            torch.empty(2**60, dtype=torch.uint8)
        return pictures.flatten(1)


def greedy(most: int) -> Form:
    ones = (1.0, 1.0, 1.0)
    return Form(Backbone("greedy", Greedy(most), ones, ones, 4), CPU)


def clock(*took_s: float) -> Callable[[], float]:
    """Of a device that takes so long for the warm-up, then for each run."""
    return iter(chain.from_iterable((0.0, took) for took in took_s)).__next__


def test_the_speed_is_the_median_of_runs_with_the_extremes(form: Form) -> None:
    speed = measure(form, Preset(batch=2, warm=1, timed=2, runs=3), clock=clock(9, 2, 1, 4))
    assert (speed.slowest, speed.images_per_s, speed.fastest) == (1, 2, 4)
    assert (speed.runs, speed.batch, speed.device) == (3, 2, throughput.describe(CPU))


def test_a_slow_network_is_timed_for_fewer_batches(form: Form) -> None:
    """A batch takes 4 s, so three runs of one batch are what 10 s allow."""
    preset = Preset(batch=1, warm=1, timed=3, runs=5, limit_s=10)
    speed = measure(form, preset, clock=clock(4, 4, 4, 4))
    assert (speed.runs, speed.images_per_s) == (3, 0.25)


def test_a_fast_network_has_all_its_runs(form: Form) -> None:
    preset = Preset(batch=1, warm=1, timed=3, runs=5, limit_s=10)
    assert measure(form, preset, clock=clock(*[0.1] * 6)).runs == 5


def test_a_real_clock_gives_real_speeds(form: Form) -> None:
    speed = measure(form, Preset(batch=2, warm=1, timed=1, runs=3))
    assert 0 < speed.slowest <= speed.images_per_s <= speed.fastest


def test_half_precision_is_said(form: Form) -> None:
    speed = measure(form, Preset(batch=1, warm=1, timed=1, runs=1), Precision.BF16)
    assert speed.device.endswith("bf16")


def test_the_backbone_can_still_be_trained(backbone: Backbone) -> None:
    measure(Form.of(backbone, CPU), Preset(batch=1, warm=1, timed=1, runs=1))
    assert backbone.training and all(p.requires_grad for p in backbone.parameters())


def test_the_presets_are_the_papers_and_a_bounded_one() -> None:
    assert (PAPER.batch, PAPER.warm, PAPER.timed, PAPER.runs) == (400, 50, 100, 5)
    assert QUICK.limit_s <= 10


def test_a_run_may_be_content_with_fewer_repetitions(form: Form) -> None:
    preset = Preset(batch=1, warm=1, timed=3, runs=5, limit_s=10, least_runs=2)
    assert measure(form, preset, clock=clock(8, 8, 8)).runs == 2


def test_the_memory_that_was_needed_is_told(form: Form) -> None:
    peak_mb = measure(form, Preset(batch=1, warm=1, timed=1, runs=1)).peak_mb
    assert peak_mb is not None and 10 < peak_mb < 1e6


def test_a_batch_that_the_memory_does_not_hold_is_halved_until_it_fits_and_that_is_said() -> None:
    told: list[str] = []
    speed = measure(greedy(most=5), Preset(batch=32, warm=1, timed=1, runs=1), say=told.append)
    assert speed.batch == 4
    assert [line.rsplit(": ")[-1] for line in told] == [f"{size} pictures are taken" for size in (16, 8, 4)]


def test_where_not_one_picture_fits_the_device_says_so() -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        measure(greedy(most=0), Preset(batch=2, warm=1, timed=1, runs=1))


def test_a_card_without_memory_is_understood() -> None:
    def attempt(batch: int) -> int:
        if batch > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch

    assert halving(400, attempt, lambda _: None) == 100


def test_another_error_is_no_reason_to_halve() -> None:
    def attempt(batch: int) -> int:
        raise RuntimeError("the network does not take this")

    with pytest.raises(RuntimeError, match="does not take"):
        halving(400, attempt, lambda _: None)
