from __future__ import annotations

import pytest

from training.losses import LossError
from training.schedule import Schedule, ScheduleError


@pytest.mark.parametrize("shape", ["one-cycle", "cosine"])
def test_the_rate_rises_once_and_then_falls_to_nearly_nothing(shape: str) -> None:
    rates = [Schedule(shape=shape).rate(step, 200) for step in range(200)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(1.0)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.001


def test_a_run_of_one_step_has_a_rate() -> None:
    assert Schedule().rate(0, 1) > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"shape": "linear"}, "no schedule called 'linear'.*one-cycle"),
        ({"averaging": 1.0}, "averaging 1:.*below 1"),
        ({"augmentation": "wild"}, "no augmentation called 'wild'.*camera_trap"),
        ({"epochs": 3, "head_first_epochs": 3}, "leave none of 3"),
    ],
)
def test_what_cannot_be_is_refused_in_words(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ScheduleError, match=says):
        Schedule(**wrong)  # type: ignore[arg-type]


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(LossError):
        Schedule(loss="guess")
