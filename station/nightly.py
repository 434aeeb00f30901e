"""The census of a day, from the ledger and back into it: read, counted, and kept for the next one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import numpy as np
from sqlite_utils import Database

from station import population, portraits
from station.bundles import OUT_OF_FOLD, BundleError
from station.census import WINDOW_DAYS, Census, CensusError, Ledger, Question, census
from station.changes import Before
from station.confusion import Confusion, confusion
from station.identities import Trust
from station.leeway import starts
from station.lifetime import Facts, Season, birth_date
from station.place import Place, reading
from station.report.exports import as_json
from station.response import read_calibration
from station.schema import beside
from station.species import Species
from station.times import iso

SEED = 1
"""The same for every census: the same night gives the same bytes."""


@dataclass(frozen=True, slots=True)
class Night:
    """Which census is wanted."""

    on: date
    zone: tzinfo
    window_days: int = WINDOW_DAYS
    then: bool = False
    """As known at the end of that day, not as known now."""

    @property
    def as_known(self) -> datetime | None:
        """The end of that day, where only what was known by then counts."""
        if not self.then:
            return None
        return datetime.combine(self.on + timedelta(days=1), time(), self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Taken:
    """A census, and the faces of its animals as addresses that hold the pictures."""

    census: Census
    portraits: dict[str, str]


def night(known: Place, on: date | None, now: datetime, window_days: int, then: bool) -> Night:
    """With what was left open: today in the station's zone."""
    today = now.astimezone(known.zone).date()
    if on and on > today:
        raise CensusError(f"{on} is still to come: a census counts what was seen")
    return Night(on or today, known.zone, window_days, then)


def take(known: Place, wanted: Night, pictures: bool = True) -> Taken:
    """Reads the ledger and counts; nothing is written.  Raises `StationError`."""
    species = known.species
    if species is None:
        raise CensusError("life stages are counted, and nothing says of which species: --species giant_panda names one")
    cameras = {id: camera.name for id, camera in known.settings.cameras.items()} if known.settings else {}
    confused, ages_by = _calibration(known, species)
    asked = population.Reading(
        wanted.on, wanted.zone, species, known.response(), wanted.window_days, wanted.as_known,
        trust=_trust(known), station=known.settings.station.id if known.settings else known.database.stem,
        cameras=cameras, ages_by=ages_by,
    )  # fmt: skip
    with reading(known.database) as db:
        found = population.read(db, asked)
        question = Question(
            wanted.on, species, wanted.window_days, _prior(asked, known.season),
            starts(asked.response, species, np.random.default_rng(SEED)), confused, found.doubt, SEED,
        )  # fmt: skip
        ledger = _by_another(found.ledger, known)
        made = census(found.animals, found.efforts, ledger, question, before(db, wanted), found.absent)
        faces = {animal.id: animal.sightings.face.tolist() for animal in found.animals}
        order = [(one.id, faces[one.id]) for one in made.individuals]
        return Taken(made, portraits.portraits(db, order) if pictures else {})


def _calibration(known: Place, species: Species) -> tuple[Confusion | None, str]:
    """How the model confuses life stages, and a sentence on where its errors are known from."""
    card = (
        "how it errs is taken from its card alone, and brackets do not carry that it may be off for all animals alike"
    )
    if known.bundle is None:
        return None, f"its bundle is not at hand, so {card}"
    try:
        table = read_calibration(known.bundle / OUT_OF_FOLD)
    except BundleError:
        return None, f"its bundle has no estimates out of fold, so {card}"
    animals = f"{len(set(table.individuals.tolist()))} animals"
    if not table.enough:
        return confusion(table, species), f"of {animals} it was judged on too few have several pictures, so {card}"
    return confusion(table, species), f"how it errs is learnt from {animals} that it was not fitted on"


def _by_another(ledger: Ledger, known: Place) -> Ledger:
    """Says so where the ages are of another model than the one that it is known how it errs."""
    if known.card is None or ledger.model in (None, known.card.version):
        return ledger
    return replace(ledger, ages_by=f"how it errs is taken from another model, {known.card.version}: take its bundle")


def _trust(known: Place) -> Trust:
    """How far the machine's names go, as the bundle's identity did on animals it was not fitted on.

    Of what it called new the share that was new is that of as many new faces as known ones.
    """
    identity = getattr(known.card, "identity", None)
    told = {name: figure.value for name, figure in identity.metrics.items()} if identity else {}
    usual = Trust()
    return replace(
        usual,
        known_right=_share(told.get("known_named"), told.get("known_misnamed"), usual.known_right),
        new_right=_share(told.get("new_called_new"), told.get("known_called_new"), usual.new_right),
    )


def _share(right: float | None, wrong: float | None, otherwise: float) -> float:
    return otherwise if not right or wrong is None else right / (right + wrong)


def _prior(asked: population.Reading, season: Season) -> dict[str, float]:
    """The share of each life stage among animals of which nothing is known but that they live."""
    nothing = birth_date((), asked.response, Facts(seen_first=asked.on, seen_last=asked.on), season)
    return nothing.stages(asked.species, asked.on)


def before(db: Database, wanted: Night) -> Before | None:
    """The newest census of an earlier day; as known then, among those made by then."""
    if "censuses" not in db.table_names():
        return None
    until = iso(wanted.as_known) if wanted.as_known else None
    row = db.execute(
        """SELECT census FROM censuses WHERE day < ? AND (? IS NULL OR made_at <= ?)
        ORDER BY day DESC, id DESC LIMIT 1""",
        [wanted.on.isoformat(), until, until],
    ).fetchone()
    return Before.of(json.loads(row[0])) if row else None


def keep(known: Place, made: Census, now: datetime) -> bool:
    """Notes the census in the ledger, unless the newest of that day says the same.  Raises `StoreError`."""
    told = as_json(made)
    with beside(known.database) as db:
        newest = db.execute("SELECT census FROM censuses WHERE day = ? ORDER BY id DESC LIMIT 1", [made.on]).fetchone()
        if newest and newest[0] == told:
            return False
        db.execute("INSERT INTO censuses (day, made_at, census) VALUES (?, ?, ?)", [made.on, iso(now), told])
    return True
