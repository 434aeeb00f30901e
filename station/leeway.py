"""What the life stages would be, had the model's answers been learnt from other animals."""

from __future__ import annotations

import numpy as np

from station.response import Response
from station.species import Species

CASES = 20


def starts(
    response: Response, species: Species, rng: np.random.Generator, cases: int = CASES
) -> tuple[tuple[float, ...], ...]:
    """In each case, the ages by the response as it was learnt at which the life stages but the first begin.

    An animal at the beginning of a life stage has, in truth, another mean estimate than was learnt; the response takes
    that for an age a little before or after it.  Of a response that was not learnt nothing is known: no case.
    """
    curves = response.curves
    if curves is None:
        return ()
    begin = np.array([stage.from_years for stage in species.life_stages[1:]])
    drawn = rng.multivariate_normal(np.zeros(len(curves.mean)), curves.covariance, cases, method="eigh")
    told = curves.at(begin)[0] + drawn @ curves.basis.at(begin).T
    ages = [np.maximum.accumulate(response.age_at(case)) for case in told]
    return tuple(tuple(round(float(age), 3) for age in case) for case in ages)
