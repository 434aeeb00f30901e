"""How likely a row of age estimates of one animal is, if its true ages were known.

An estimate y is looked at on a scale f(y) = c log(1 + y / c), which is y for large c: where c is small, estimates err
in proportion, and further upwards than downwards.  On it f(y) = mean(age) + tau(age) u + sigma(age) e.

The bias u is shared by the animal's pictures and fades as the animal changes: between two ages its correlation is
exp(-|x - x'| / fading) with x = log(1 + age), an Ornstein-Uhlenbeck process.  The noise e is each picture's own; a
share of the pictures shows something else and tells nothing.  One pass through time integrates the bias out: a Kalman
filter whose two outcomes at each step (a right picture, a wrong one) are put back into one normal distribution of the
same mean and variance (generalised pseudo-Bayes of first order; Bar-Shalom, Li and Kirubarajan 2001, section 11.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
_STRAIGHT = 1e9
_LOG_TWO_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Nature:
    """What does not depend on age."""

    fading: float
    """How far apart in log(1 + age) two biases of one animal are a stranger's; infinite: it never fades."""
    wrong: float
    """The share of pictures that show another animal, or nothing."""
    span_years: float
    """The estimate from a wrong picture may lie anywhere from 0 to this."""
    bend_years: float = math.inf
    """c of the scale: estimates beyond it err in proportion."""

    def scaled(self, estimates_years: Numbers) -> Numbers:
        """Estimates on the scale on which their errors are alike upwards and downwards."""
        return scaled(estimates_years, np.array(self.bend_years))


def scaled(estimates_years: Numbers, bend_years: Numbers) -> Numbers:
    """f(y); `bend_years` may be infinite, which leaves them as they are."""
    bent = np.minimum(bend_years, _STRAIGHT)
    found: Numbers = np.where(
        np.isinf(bend_years), estimates_years, bent * np.log1p(np.maximum(estimates_years, 0) / bent)
    )
    return found


@dataclass(slots=True)
class Filter:
    """What is believed of the animal's bias, and the logarithm of the likelihood so far; arrays of one shape."""

    nature: Nature
    bias: Numbers
    variance: Numbers
    log_likelihood: Numbers
    """Of the estimates on the scale."""
    _bend: Numbers
    _before: Numbers | None = None

    @classmethod
    def start(cls, nature: Nature, shape: tuple[int, ...], bend_years: Numbers | None = None) -> Filter:
        """Before the first reading; `bend_years` in place of the one that nature has, where there are several."""
        bend = np.array(nature.bend_years) if bend_years is None else bend_years
        return cls(nature, np.zeros(shape), np.ones(shape), np.zeros(shape), bend)

    def fade(self, x: Numbers) -> None:
        """The animal has come to x = log(1 + age)."""
        if self._before is not None and math.isfinite(self.nature.fading):
            kept = np.exp(-np.abs(x - self._before) / self.nature.fading)
            self.bias *= kept
            self.variance = 1 + kept * kept * (self.variance - 1)
        self._before = x

    def read(self, estimate: Numbers, mean: Numbers, tau: Numbers, variance: Numbers, present: Numbers) -> None:
        """Takes in one reading, on the scale; `variance` is that of its noise; where `present` is 0 there is none."""
        wrong = self.nature.wrong
        surprise = estimate - mean - tau * self.bias
        carried = tau * self.variance
        total = tau * carried + variance
        right = math.log1p(-wrong) - 0.5 * (_LOG_TWO_PI + np.log(total) + surprise * surprise / total)
        both = np.logaddexp(right, math.log(wrong / self.nature.span_years) + estimate / self._bend)
        weight = np.exp(right - both) * present
        gain = carried / total
        step = gain * surprise
        self.log_likelihood += both * present
        self.bias += weight * step
        self.variance += weight * ((1 - weight) * step * step - gain * carried)
