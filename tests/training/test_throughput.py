from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import pytest
import torch

from training import networks, throughput
from training.networks import Backbone
from training.throughput import PAPER, QUICK, Preset, measure

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return networks.build("tf_efficientnet_lite0", networks.SCRATCH, input_px=32)


def clock(*took_s: float) -> Callable[[], float]:
    """Of a device that takes so long for the warm-up, then for each run."""
    return iter(chain.from_iterable((0.0, took) for took in took_s)).__next__


def test_the_speed_is_the_median_of_runs_with_the_extremes(backbone: Backbone) -> None:
    speed = measure(backbone, CPU, Preset(batch=2, warm=1, timed=2, runs=3), clock=clock(9, 2, 1, 4))
    assert (speed.slowest, speed.images_per_s, speed.fastest) == (1, 2, 4)
    assert (speed.runs, speed.batch, speed.device) == (3, 2, throughput.describe(CPU))


def test_a_slow_network_is_timed_for_fewer_batches(backbone: Backbone) -> None:
    """A batch takes 4 s, so three runs of one batch are what 10 s allow."""
    preset = Preset(batch=1, warm=1, timed=3, runs=5, limit_s=10)
    speed = measure(backbone, CPU, preset, clock=clock(4, 4, 4, 4))
    assert (speed.runs, speed.images_per_s) == (3, 0.25)


def test_a_fast_network_has_all_its_runs(backbone: Backbone) -> None:
    preset = Preset(batch=1, warm=1, timed=3, runs=5, limit_s=10)
    assert measure(backbone, CPU, preset, clock=clock(*[0.1] * 6)).runs == 5


def test_a_real_clock_gives_real_speeds(backbone: Backbone) -> None:
    speed = measure(backbone, CPU, Preset(batch=2, warm=1, timed=1, runs=3))
    assert 0 < speed.slowest <= speed.images_per_s <= speed.fastest


def test_half_precision_is_said(backbone: Backbone) -> None:
    speed = measure(backbone, CPU, Preset(batch=1, warm=1, timed=1, runs=1), bf16=True)
    assert speed.device.endswith("bf16")


def test_the_backbone_can_still_be_trained(backbone: Backbone) -> None:
    measure(backbone, CPU, Preset(batch=1, warm=1, timed=1, runs=1))
    assert backbone.training and all(p.requires_grad for p in backbone.parameters())


def test_the_presets_are_the_papers_and_a_bounded_one() -> None:
    assert (PAPER.batch, PAPER.warm, PAPER.timed, PAPER.runs) == (400, 50, 100, 5)
    assert QUICK.limit_s <= 10
