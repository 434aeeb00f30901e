"""What the model in service was fitted on: its manifests, known by hash, and the station's own labels in its bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from pathlib import Path

from station.bundles import Card
from station.domain import StationError
from training import manifest
from training.manifest import Manifest
from training.retraining.jury import Acquainted

LABELS = "station-labels.csv"
"""The station's own labels of a retraining, a copy of which lies in its bundle."""


class RetrainingError(StationError):
    """A retraining cannot begin."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the model in service came from."""

    base: tuple[Manifest, ...]
    """What people labelled by hand; it stays in the mix."""
    acquainted: Acquainted
    until: tuple[datetime, ...]
    """Its pictures are not newer than the latest of these."""
    ages_years: dict[int, float]
    """The age that each of the station's faces had when the model was fitted on it."""


def past(bundle: Path, card: Card, files: Sequence[Path], others: Iterable[Card], zone: tzinfo) -> Past:
    """Of the bundle in service; `others`: cards of all bundles there are, for when a manifest was there first.

    Raises `RetrainingError` where a manifest is missing or is not the one that the card names; `ManifestError`.
    """
    base = _base(card, files)
    own = manifest.read([bundle / LABELS]) if (bundle / LABELS).is_file() else ()
    names = {*card.individuals, *(row.individual for one in base for row in one.rows)}
    aged = {int(row.extra["face"]): row.age_years or 0.0 for one in own for row in one.rows if row.extra.get("face")}
    cards = [card, *others]
    until = [moment for one in (*base, *own) for moment in _until(one, cards, zone)]
    return Past(base, Acquainted(frozenset(names), frozenset(aged)), tuple(until), aged)


def _base(card: Card, files: Sequence[Path]) -> tuple[Manifest, ...]:
    wanted = {data.sha256: data.name for data in card.training if Path(data.name).name != LABELS}
    if not files and wanted:
        raise RetrainingError(
            f"the bundle {card.version} was fitted on {', '.join(wanted.values())}: say where that lies, in "
            "[retraining] base, so that what it was fitted on stays in the mix"
        )
    found = manifest.read(files)
    for one in found:
        if one.sha256 not in wanted:
            known = ", ".join(f"{name} with {digest[:12]}" for digest, name in wanted.items()) or "none"
            raise RetrainingError(
                f"{one.file} (SHA-256 {one.sha256[:12]}...) is not what the bundle {card.version} was fitted on: its "
                f"card names {known}; bring back the file as it was, or fit a first bundle on the new one"
            )
    if missing := [name for digest, name in wanted.items() if digest not in {one.sha256 for one in found}]:
        raise RetrainingError(
            f"the bundle {card.version} was fitted on {', '.join(missing)} too: add it to [retraining] base"
        )
    return found


def _until(source: Manifest, cards: Iterable[Card], zone: tzinfo) -> Iterator[datetime]:
    """The newest of its pictures; of those without a time it is known only that the first bundle had them."""
    cells = manifest.table(source.file).lines
    days = [cells[row.line].get("captured_at") or "" for row in source.rows]
    stated = [_late(day, zone) for day in days if day]
    if stated:
        yield max(stated)
    if len(stated) < len(days):
        first = [c.created_at for c in cards if source.sha256 in {data.sha256 for data in c.training}]
        yield min(datetime.fromisoformat(at) for at in first)


def _late(text: str, zone: tzinfo) -> datetime:
    """A time as it is written; of a day alone its end."""
    moment = datetime.fromisoformat(text)
    if len(text) <= len("2026-01-01"):
        moment = datetime.combine(moment, time.max)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
