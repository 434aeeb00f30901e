"""Bundles made ready to read: loaded, checked, given whom they know, and brought into their fastest form."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from station import individuals, species
from station.ages import Ages
from station.bundles import read_card
from station.finder_card import refuse_foreign
from station.flow import Doorbell
from station.gallery import Recogniser
from station.prepare import cache_folder
from station.programs import Running
from station.reembedding import Reembedding
from station.settings import Settings
from station.store import Store
from station.succession import Reader, Recognise
from station.times import Clock

log = logging.getLogger(__name__)

_WORTH_IT_AFTER_S = 5
"""A scan of a few pictures ends before, and does not wait for what only the next ones would gain from."""
_PREPARING_ENDS_S = 10
"""How long a stop waits for a compiler, which cannot be interrupted."""


class Readers:
    """Makes the readers of one station."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock

    def reader(self, bundle: Path, ages: Ages, former: Reader | None = None) -> Reader:
        """Of a loaded bundle, noted in the ledger; who knows the same embedding as the `former` goes on knowing it."""
        identity = ages.card.identity
        same = former if former and identity and former.ages.card.identity == identity else None
        reader = Reader(bundle, ages, same.recognise if same else self._recognise(ages))
        self._store.use_model(ages.card, self._clock())  # last: what fails before leaves the former in service
        return reader

    def load(self, bundle: Path) -> Ages:
        """Raises `BundleError`, also where the finders in use look for another species, or `SpeciesError`."""
        refuse_foreign(self._settings.finders(), read_card(bundle).species)
        return loaded(self._settings, bundle)

    def look_again(self, reader: Reader) -> None:
        """Lets a reader know the animals whose faces another one has read meanwhile."""
        if isinstance(reader.recognise, Recogniser):
            self._reembed(reader.ages)
            reader.recognise.refresh()

    def _recognise(self, ages: Ages) -> Recognise:
        """By people's word and the bundle's embedding; by the word alone where it has none."""
        identity = ages.card.identity
        if identity is None:
            return lambda outcomes: [individuals.recognise(outcome) for outcome in outcomes]
        self._reembed(ages)
        kind = species.chosen(self._settings.station.species, ages.card.species)
        return Recogniser(self._store, identity, kind.name if kind else ages.card.species)

    def _reembed(self, ages: Ages) -> None:
        pixels = int(self._settings.line.max_megapixels * 1e6)
        if ages.card.identity:
            Reembedding(self._store, self._settings.station.database, ages, ages.card.identity, pixels).run()


def loaded(settings: Settings, bundle: Path) -> Ages:
    """A bundle on the station's device, checked.  Raises `BundleError` or `SpeciesError`."""
    how = settings.line
    kind = species.chosen(settings.station.species, read_card(bundle).species)
    return Ages(bundle, how.device, kind, how.batch_faces)


def prepare(
    programs: Sequence[Running], stopped: Callable[[], bool], worth_it: Callable[[], bool] = lambda: True
) -> None:
    """Looks for the fastest form of programs that run already."""
    cache = cache_folder(os.environ)
    unknown = [program for program in programs if not program.recall(cache)]
    for program in unknown:
        if worth_it():
            program.prepare(cache, stopped)
    for program in programs:
        log.info("%s runs %s", program.device, program.choice)


@contextmanager
def prepared(programs: Sequence[Running], bell: Doorbell, how: str) -> Iterator[Callable[[], bool]]:
    """The same beside the block, which does not wait for it; gives whether that has ended."""
    ended = threading.Event()

    def run() -> None:
        try:
            prepare(programs, ended.is_set, lambda: not ended.wait(_WORTH_IT_AFTER_S))
        except BaseException as error:  # noqa: BLE001  carried to the Line
            bell.fail(error)

    thread = threading.Thread(target=run, name="prepare", daemon=True)
    if how == "fastest":
        thread.start()
    try:
        yield lambda: not thread.is_alive()
    finally:
        ended.set()
        if how == "fastest":
            thread.join(_PREPARING_ENDS_S)
