from __future__ import annotations

import numpy as np
import pytest

from training.labels import Bins


@pytest.mark.parametrize(("oldest", "width"), [(69, 1.0), (11, 1.0), (10, 0.5), (4, 0.25), (0.5, 0.1)])
def test_the_bins_are_as_fine_as_the_ages_are_short(oldest: float, width: float) -> None:
    years = Bins.for_ages(np.array([0.2, oldest])).years
    assert np.diff(years) == pytest.approx(width)
    assert years[0] == 0


def test_the_bins_leave_room_above_the_oldest() -> None:
    bins = Bins.for_ages(np.array([3.0, 44.0]))
    assert bins.years[-1] >= 44 + 2 * bins.sigma_years


def test_a_soft_label_is_a_distribution_around_its_age() -> None:
    bins = Bins.for_ages(np.array([60.0]))
    labels = bins.labels(np.array([20.0, 33.4]))
    assert labels.sum(axis=1) == pytest.approx([1, 1])
    assert labels @ bins.years == pytest.approx([20.0, 33.4], abs=1e-3)


def test_the_nearest_bin_is_the_nearest() -> None:
    assert Bins.for_ages(np.array([30.0])).nearest(np.array([0.4, 7.6, 30.0])).tolist() == [0, 8, 30]
