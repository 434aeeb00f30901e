"""Who a face shows.  Pure rules.

So far a person's word is all there is: the individual that the path names.
"""

from __future__ import annotations

from dataclasses import replace

from station.domain import Observed, Outcome


def recognise(outcome: Outcome) -> Outcome:
    """The outcome with its individual: the path's, if the frame shows one face; of two faces it names neither."""
    if isinstance(outcome, Observed) and outcome.frame.individual and len(outcome.observations) == 1:
        named = replace(outcome.observations[0], individual=outcome.frame.individual)
        return replace(outcome, observations=(named,))
    return outcome
