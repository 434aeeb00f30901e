"""Simulated seasons in numbers: cameras that fail, animals that pass, estimates that err, names that are wrong.

The truth is known (`station.reserves.Lives`), no picture is drawn, and a year takes seconds even with thousands of
animals.  How the simulated model errs (`Eye`) is deliberately not of the form that `station.response` learns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from station.birth import Days
from station.learning import Calibration
from station.readings import Numbers
from station.reserves import Lives
from station.series import Series, bursts_averaged


@dataclass(frozen=True, slots=True)
class Eye:
    """How the simulated model sees an age: drawn to the middle, with a bias an animal and noise a picture."""

    ceiling_years: float = 20.0
    """The estimate that no age gets beyond, on average; infinite: it is right on average."""
    too_old_years: float = 0.5
    """What it says of the newly born."""
    tau_years: float = 0.25
    sigma_years: float = 0.25
    """Spreads of bias and noise at birth."""
    tau_share: float = 0.15
    sigma_share: float = 0.22
    """What they gain with each year of age."""
    fading: float = math.inf
    """As in `station.readings.Nature`."""
    freedom: float = 5.0
    """Degrees of freedom of the noise: few are heavy tails."""
    burst_share: float = 0.7
    """The part of the noise's variance that the pictures of one burst share."""

    @classmethod
    def drawn(cls, rng: Generator) -> Eye:
        """Some model or other."""
        ceiling, too_old, tau, sigma = rng.uniform((15, 0.2, 0.08, 0.12), (28, 1.2, 0.25, 0.35)).tolist()
        fading = math.inf if rng.random() < 0.5 else float(rng.uniform(0.5, 2.0))
        return cls(ceiling, too_old, 0.3, 0.3, tau, sigma, fading, float(rng.uniform(4, 12)))

    def mean_years(self, ages_years: Numbers) -> Numbers:
        """The mean estimate at a true age."""
        if math.isinf(self.ceiling_years):
            return self.too_old_years + ages_years
        mean: Numbers = self.too_old_years - self.ceiling_years * np.expm1(-ages_years / self.ceiling_years)
        return mean

    def estimates(self, ages_years: Numbers, who: Days, bursts: Days, rng: Generator) -> Numbers:
        """What it says of pictures that show `who` at their true ages; the bursts are numbered from 0."""
        shown = np.bincount(bursts).max(initial=0) > 1
        noise = math.sqrt(1 - self.burst_share) * self._noise(len(who), rng) if shown else 0
        share = math.sqrt(self.burst_share) if shown else 1.0
        noise = noise + share * self._noise(int(bursts.max(initial=-1)) + 1, rng)[bursts]
        bias = _fading(np.log1p(ages_years), who, self.fading, rng)
        tau = self.tau_years + self.tau_share * ages_years
        sigma = self.sigma_years + self.sigma_share * ages_years
        said: Numbers = self.mean_years(ages_years) + tau * bias + sigma * noise
        return np.maximum(said, 0)

    def _noise(self, count: int, rng: Generator) -> Numbers:
        noise: Numbers = rng.standard_t(self.freedom, count) * math.sqrt((self.freedom - 2) / self.freedom)
        return noise


def calibration(eye: Eye, animals: int, pictures: int, oldest_years: float, rng: Generator) -> Calibration:
    """A table out of fold: animals of known ages, each with pictures from some years of its life."""
    first = oldest_years * rng.random(animals) ** 1.5
    span = np.minimum(rng.exponential(5.0, animals), oldest_years - first)
    who = np.repeat(np.arange(animals), pictures)
    ages = first[who] + span[who] * rng.random(len(who))
    said = eye.estimates(ages, who, np.arange(len(who)), rng)
    return Calibration(np.array([f"known{number:03}" for number in who]), ages, said)


@dataclass(frozen=True, slots=True)
class Watch:
    """Cameras, and what becomes of a picture."""

    cameras: int = 20
    reach: float = 0.12
    """How far from its home an animal roams; the reserve is a square of side 1."""
    visits_a_year: float = 40.0
    """To all cameras together, of an animal with a camera at its home."""
    fails_a_year: float = 1.5
    repaired_after_days: float = 15.0
    mistaken: float = 0.03
    """Share of the events in which an animal is taken for another one that is there."""
    split: float = 0.0
    """Share of the events in which a known animal is taken for a new one."""


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """A picture a row, in order of time."""

    start: int
    """The day on which the season began, a date ordinal."""
    days: Numbers
    """When it was taken: a date ordinal with its fraction, UTC."""
    cameras: Days
    events: Days
    who: Days
    """The truth: which animal of `Lives`."""
    claimed: Days
    """Who the station takes it for; numbers beyond the animals are animals that are not."""
    estimates_years: Numbers
    up: npt.NDArray[np.bool_]
    """Cameras x days of the season: whether a camera worked."""

    def __len__(self) -> int:
        return len(self.days)

    def at(self, row: int) -> datetime:
        """When a picture was taken."""
        whole, part = divmod(float(self.days[row]), 1)
        return datetime.fromordinal(int(whole)).replace(tzinfo=UTC) + timedelta(days=part)

    def by_claim(self) -> Iterator[tuple[int, Days, Series]]:
        """Each animal that the station believes in: its number, its rows, and its readings, one a burst."""
        order = np.argsort(self.claimed, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.claimed[order])) + 1) if len(order) else []:
            bursts = np.unique(self.events[rows], return_inverse=True)[1]
            yield int(self.claimed[rows[0]]), rows, bursts_averaged(self.days[rows], self.estimates_years[rows], bursts)


def season(animals: Lives, watch: Watch, eye: Eye, start: int, days: int, rng: Generator) -> Sightings:
    """What the cameras see in the `days` days from `start` on, a date ordinal."""
    up = _working(watch, days, rng)
    who, camera, when = _passages(animals, watch, start, days, rng)
    seen = animals.about(when, who) & up[camera, (when - start).astype(np.int64)]
    order = np.flatnonzero(seen)[np.argsort(when[seen], kind="stable")]
    who, camera, when = who[order], camera[order], when[order]
    claimed = _claims(animals, watch, who, when, rng)
    pictures = rng.integers(1, 5, len(who))
    event = np.repeat(np.arange(len(who)), pictures)
    seconds = np.concatenate([np.arange(count) for count in pictures.tolist()] or [np.zeros(0)]) * 2.0
    who, camera, when = who[event], camera[event], when[event] + seconds / 86_400
    said = eye.estimates(animals.ages_years(when, who), who, event, rng)
    return Sightings(start, when, camera, event, who, claimed[event], said, up)


def _working(watch: Watch, days: int, rng: Generator) -> npt.NDArray[np.bool_]:
    """Cameras x days."""
    up = np.ones((watch.cameras, days), dtype=bool)
    for camera, failures in enumerate(rng.poisson(watch.fails_a_year * days / 365, watch.cameras).tolist()):
        for day, gone in zip(
            rng.integers(0, days, failures), rng.exponential(watch.repaired_after_days, failures), strict=True
        ):
            up[camera, day : day + math.ceil(gone)] = False
    return up


def _passages(animals: Lives, watch: Watch, start: int, days: int, rng: Generator) -> tuple[Days, Days, Numbers]:
    """Who passes which camera when, were they always there: an animal roams about its home."""
    homes, places = rng.random((len(animals), 2)), rng.random((watch.cameras, 2))
    distance = ((homes[:, None] - places) ** 2).sum(axis=2)
    boldness = rng.gamma(2.0, 0.5, len(animals))
    rates = watch.visits_a_year * boldness[:, None] * np.exp(-distance / (2 * watch.reach**2))
    counts = rng.poisson(rates * days / 365)
    who, camera = np.nonzero(counts)
    again = counts[who, camera]
    who, camera = np.repeat(who, again), np.repeat(camera, again)
    return who, camera, start + days * rng.random(len(who))


def _claims(animals: Lives, watch: Watch, who: Days, when: Numbers, rng: Generator) -> Days:
    """The right animal but for mistakes: another one that was seen before and is still there, or one that is not."""
    claimed = who.copy()
    fate = rng.random(len(who))
    known = np.full(len(animals), np.inf)
    np.minimum.at(known, who, when)
    for row in np.flatnonzero(fate < watch.mistaken):
        others = np.flatnonzero((known < when[row]) & (when[row] < animals.died))
        claimed[row] = rng.choice(others) if len(others) else who[row]
    new = (fate >= watch.mistaken) & (fate < watch.mistaken + watch.split)
    claimed[new] = len(animals) + np.arange(int(new.sum()))
    return claimed


def _fading(x: Numbers, who: Days, fading: float, rng: Generator) -> Numbers:
    """A bias an animal: constant, or an Ornstein-Uhlenbeck process in x."""
    order = np.lexsort((x, who))
    first = np.diff(who[order], prepend=-1) != 0
    bias = rng.normal(size=len(who))
    if math.isinf(fading):
        starts = np.maximum.accumulate(np.where(first, np.arange(len(who)), 0))
        bias = bias[starts]
    else:
        kept = np.exp(-np.diff(x[order], prepend=0) / fading)
        rank = np.arange(len(who)) - np.maximum.accumulate(np.where(first, np.arange(len(who)), 0))
        for step in range(1, int(rank.max(initial=0)) + 1):
            rows = np.flatnonzero(rank == step)
            bias[rows] = kept[rows] * bias[rows - 1] + np.sqrt(1 - kept[rows] ** 2) * bias[rows]
    found = np.empty_like(bias)
    found[order] = bias
    return found
