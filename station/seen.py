"""From columns of the ledger to each animal's sightings and readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from itertools import pairwise

import numpy as np

from station.animals import Sightings
from station.columns import NONE, PEOPLE, TIMELESS, Estimates, Faces, Frames, Integers, Numbers
from station.series import Series, bursts_averaged

BURST_S = 120
"""Pictures of one animal at one camera less far apart are one reading of its age."""
APART_S = 1800
"""Pictures of one animal at one camera further apart are independent sightings."""
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Window:
    """The days looked at: ordinals of the first and the last, in a zone."""

    first: int
    last: int
    zone: tzinfo


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The usable, named faces of a believable time, by individual and time; columns of one length."""

    individual: Integers
    """Place in `Faces.individuals`."""
    at_s: Integers
    day: Integers
    """In the station's zone."""
    camera: Integers
    face: Integers
    age_years: Numbers
    """NaN: no estimate."""
    model: Integers
    cameras: tuple[str, ...]


def seen(frames: Frames, faces: Faces, estimates: Estimates, zone: tzinfo) -> Seen:
    """Faces of pictures with people in them, of which there should be none, are left out."""
    frame, there = _found(frames.id, faces.frame)
    named = there & (faces.individual != NONE) & (faces.unusable == NONE)
    rows = np.flatnonzero(named)
    rows = rows[~frames.having(TIMELESS | PEOPLE)[frame[rows]]]
    rows = rows[np.lexsort((faces.id[rows], frames.at_s[frame[rows]], faces.individual[rows]))]
    face, at_s = faces.id[rows], frames.at_s[frame[rows]]
    place, estimated = _found(estimates.face, face)
    age_years, model = np.full(len(rows), np.nan), np.full(len(rows), NONE)
    age_years[estimated] = estimates.age_years[place[estimated]]
    model[estimated] = estimates.model[place[estimated]]
    return Seen(
        faces.individual[rows], at_s, local_days(at_s, zone), frames.camera[frame[rows]], face, age_years, model,
        frames.cameras,
    )  # fmt: skip


def _found(rising: Integers, wanted: Integers) -> tuple[Integers, np.typing.NDArray[np.bool_]]:
    """Where the wanted numbers stand among rising ones, and which do."""
    place = np.searchsorted(rising, wanted)
    there = place < len(rising)
    there[there] = rising[place[there]] == wanted[there]
    return place, there


def local_days(at_s: Integers, zone: tzinfo) -> Integers:
    """The days (ordinals) on which moments lie in a zone."""
    if not len(at_s):
        return np.empty(0, np.int64)
    first, last = (int(end) // _DAY_S + _EPOCH for end in (at_s.min(), at_s.max()))
    days = range(first - 1, last + 3)
    midnights = [datetime.combine(date.fromordinal(day), time(), zone).timestamp() for day in days]
    return np.asarray(np.searchsorted(np.array(midnights), at_s, side="right") - 1 + days[0], np.int64)


def sightings(of: Seen) -> dict[int, Sightings]:
    """By individual."""
    event = _stretches(of, APART_S)
    day, camera = of.day.astype(np.int32), of.camera.astype(np.int32)
    return {
        int(of.individual[rows.start]): Sightings(
            of.at_s[rows], day[rows], camera[rows], event[rows], of.face[rows], of.cameras
        )
        for rows in _blocks(of.individual)
    }


def told_by(of: Seen, models: Sequence[str], last: int) -> dict[int, dict[str, int]]:
    """By individual: how many of its ages, up to the day `last`, each of the models told."""
    found = {}
    for rows in _blocks(of.individual):
        own = of.model[rows][(of.model[rows] != NONE) & (of.day[rows] <= last)]
        counts = np.bincount(own, minlength=len(models)).tolist()
        found[int(of.individual[rows.start])] = {model: n for model, n in zip(models, counts, strict=True) if n}
    return found


def readings(of: Seen) -> dict[int, Series]:
    """By individual: what the model said, a reading a burst."""
    burst = _stretches(of, BURST_S)
    days = of.at_s / _DAY_S + _EPOCH
    told = np.isfinite(of.age_years)
    found = {}
    for rows in _blocks(of.individual):
        own = told[rows]
        number = np.unique(burst[rows][own], return_inverse=True)[1]
        found[int(of.individual[rows.start])] = bursts_averaged(days[rows][own], of.age_years[rows][own], number)
    return found


def _stretches(of: Seen, apart_s: int) -> Integers:
    """A number for each row: pictures of one animal at one camera, each at most `apart_s` after the last, share it."""
    order = np.lexsort((of.at_s, of.camera, of.individual))
    new = np.diff(of.at_s[order], prepend=NONE) > apart_s
    for part in (of.individual, of.camera):
        new |= np.diff(part[order], prepend=-1) != 0
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new)
    return number


def _blocks(rising: Integers) -> list[slice]:
    """The rows of each number."""
    edges = np.append(np.flatnonzero(np.diff(rising, prepend=NONE)), len(rising)).tolist()
    return [slice(*edge) for edge in pairwise(edges)]
