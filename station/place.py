"""Where a command finds what it needs: the database, the model's card, the species."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from sqlite_utils import Database

from station import history, schema, settings, species
from station.bundles import OUT_OF_FOLD, Card, read_card
from station.domain import StationError
from station.doubts import Odds
from station.lifetime import Season
from station.response import Response
from station.settings import Settings
from station.species import Species
from station.times import zone


@dataclass(frozen=True, slots=True)
class Place:
    """What a command works on."""

    database: Path
    settings: Settings | None
    """None: no configuration was named."""
    card: Card | None
    """Of the bundle in service, or of the one that the database knows last."""
    bundle: Path | None
    species: Species | None

    @property
    def zone(self) -> tzinfo:
        """In which days are told: the station's."""
        return zone(self.settings.station.timezone) if self.settings else UTC

    @property
    def season(self) -> Season:
        """When the species is born."""
        return Season.of(self.species)

    def response(self) -> Response:
        """What the model says of an animal of a true age."""
        return Response.of(self.card, self.bundle / OUT_OF_FOLD if self.bundle else None)

    def unnamed(self) -> str:
        """Why nobody is known, where that lies in the model; empty: it does not."""
        if self.card is None or self.card.identity:
            return ""
        return (
            "the model tells no animals apart, for its bundle has no identity (`training identity` makes one with it); "
            "until then folders name them, or `station individuals confirm NAME FACE --new`"
        )

    def odds(self) -> Odds:
        """How likely two faces are one animal, by their likeness, as far as the bundle knows."""
        identity = self.card.identity if self.card else None
        return Odds(identity.slope, identity.intercept) if identity else Odds()


def database_of(db: Path | None, config: Path | None) -> Path:
    """The database that was named, or that the configuration names.  Raises `StationError`."""
    if not db and not config:
        raise StationError("which database? Say --db FILE, or --config FILE")
    return db or settings.load(config or Path()).station.database


@contextmanager
def reading(file: Path) -> Iterator[Database]:
    """A connection that cannot write, to a database of this program's schema.  Raises `StoreError`."""
    with history.reading(file) as db:
        schema.check_current(file)
        yield db


def place(db: Path | None, config: Path | None, model: Path | None = None, kind: str = "") -> Place:
    """All of it.  Raises `StationError`."""
    read = settings.load(config) if config else None
    database = database_of(db, config)
    bundle = model or (read.station.bundle if read and read.station.bundle.is_dir() else None)
    card = read_card(bundle) if bundle else _newest_card(database)
    wanted = kind or (read.station.species if read else "")
    return Place(database, read, card, bundle, species.chosen(wanted, card.species if card else ""))


def _newest_card(database: Path) -> Card | None:
    with reading(database) as db:
        row = db.execute("SELECT card FROM models ORDER BY first_used_at DESC LIMIT 1").fetchone()
    return Card.from_json(row[0]) if row else None
