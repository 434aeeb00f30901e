from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training import twins
from training.bursts import Shot, bursts

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def shot(after_s: float | None = None, scene: int = 0, **changes: Any) -> Shot:
    """A picture some seconds after noon, or of no known time; those of one scene look the same."""
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(scene))
    pixels = (functional.interpolate(coarse, size=96, mode="bicubic").clamp(0, 1) * 255).to(torch.uint8).numpy()
    moment = None if after_s is None else NOON + timedelta(seconds=after_s)
    fields: dict[str, Any] = {"individual": "ling", "camera": "", "moment": moment, "age_years": 3.0}
    return Shot(**(fields | changes), looks=twins.looks(pixels))


def test_a_burst_goes_on_while_the_next_picture_is_near_in_time() -> None:
    shots = [shot(0, scene=0), shot(50, scene=1), shot(100, scene=2), shot(161, scene=3)]
    assert bursts(shots, 60).tolist() == [0, 0, 0, 3]


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert bursts([shot(161), shot(100), shot(0), shot(50)], 60).tolist() == [0, 2, 2, 2]


def test_other_individuals_and_other_cameras_are_other_bursts() -> None:
    shots = [shot(0), shot(1, individual="mei"), shot(2, camera="ridge")]
    assert bursts(shots, 60).tolist() == [0, 1, 2]


def test_where_the_time_is_known_looks_do_not_matter() -> None:
    assert bursts([shot(0, scene=0), shot(3600, scene=0)], 60).tolist() == [0, 1]


def test_where_no_time_is_known_the_looks_tell() -> None:
    shots = [shot(scene=0), shot(scene=1), shot(scene=0), shot(scene=0, individual="mei")]
    assert bursts(shots, 60).tolist() == [0, 1, 0, 3]


def test_looks_of_another_age_are_of_another_day() -> None:
    assert bursts([shot(), shot(age_years=4.0)], 60).tolist() == [0, 1]


def test_times_without_a_zone_are_compared_among_themselves() -> None:
    naive = NOON.replace(tzinfo=None)
    shots = [shot(0), shot(moment=naive), shot(moment=naive + timedelta(seconds=9))]
    assert bursts(shots, 60).tolist() == [0, 1, 1]


def test_no_picture_is_no_burst() -> None:
    assert bursts([], 60).tolist() == np.arange(0).tolist()
