"""What a face finder's bundle says of itself.

```
program.pt2    torch.export, dynamic batch: uint8[B,3,S,S] -> boxes float32[B,N,4], scores float32[B,N]
gate.pt2       where the card has a gate: uint8[B,3,G,G] -> float32[B], how sure a crop shows the species
card.json      the card below
golden.npz     inputs uint8[n,3,S,S] with the boxes and scores they must give; gate_inputs and gate, of the gate
weights.pt     what further training starts from
MODEL_CARD.md  what it is for and what not, for people
```
Boxes are x, y, width and height in fractions of the square view, origin top left; scores lie in 0 to 1, the surest
first; N is fixed, and second sights of one face are suppressed inside the program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from station.bundles import CARD, FORMAT, GOLDEN, PROGRAM, BundleError, Figure
from station.views import Looking

FINDER = "finder"
GATE = "gate.pt2"


@dataclass(frozen=True, slots=True)
class FrameData:
    """One manifest of frames a finder was fitted on."""

    name: str
    sha256: str
    frames: int
    """With those that show no face."""
    faces: int


@dataclass(frozen=True, slots=True)
class Gate:
    """Asks of a found face whether it is of the species at all: `gate.pt2` gives 0 to 1 for a square crop."""

    input_px: int
    """G: the side of the crop."""
    crop_margin: float
    """Around the face's box, as in an age bundle."""
    least: float
    """Below it the face is of something else."""
    what: str
    """What is asked, for people: such as `ImageNet class 388, giant panda`."""


@dataclass(frozen=True, slots=True)
class FinderCard:
    """What a finder says of itself."""

    version: str
    architecture: str
    species: str
    """As its species file is called, such as `giant_panda`; empty: faces of none in particular."""
    input_px: int
    """S: the side of the square views."""
    threshold: float
    """The score at or above which a box is a face."""
    least_face_share: float
    """The smallest face that it is made to find, as a share of the frame's width."""
    views: Looking
    training: tuple[FrameData, ...]
    metrics: dict[str, Figure]
    """Measured on frames that it was not fitted on; intervals over frames."""
    created_at: str
    libraries: dict[str, str]
    quality: dict[str, float] = field(default_factory=dict)
    """Limits below which a face is unusable, by what `station.quality` measures; empty: the station's own."""
    gate: Gate | None = None
    format: int = FORMAT
    kind: str = FINDER

    def to_json(self) -> str:
        """The card as it stands in the bundle."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> FinderCard:
        """Reads a card; raises `BundleError` where it is not a finder's."""
        try:
            raw: dict[str, Any] = json.loads(text)
            _refuse_others(raw)
            raw = _known(cls, raw)
            raw["views"] = Looking(**_known(Looking, raw["views"]))
            raw["training"] = tuple(FrameData(**_known(FrameData, data)) for data in raw["training"])
            raw["metrics"] = {name: Figure(**_known(Figure, figure)) for name, figure in raw["metrics"].items()}
            raw["gate"] = Gate(**_known(Gate, raw["gate"])) if raw.get("gate") else None
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(f"not a finder's card: {error!r}") from error


def _refuse_others(raw: dict[str, Any]) -> None:
    if raw.get("format") != FORMAT:
        raise BundleError(f"format {raw.get('format')!r} is not {FORMAT}: made by another version of the training")
    if raw.get("kind") != FINDER:
        raise BundleError("this is an age model's bundle, not a finder's: make one with `training finder`")


def _known(kind: type, raw: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of it: later ones may say more."""
    names = {each.name for each in fields(kind)}
    return {key: value for key, value in raw.items() if key in names}


def foreign(card: FinderCard, species: str) -> str:
    """Why a finder and an age model of this species do not go together; empty: they do, or nobody knows."""
    if not card.species or not species or card.species == species:
        return ""
    return (
        f"it finds faces of {card.species!r}, and the age model was made for {species!r}: the age of another species' "
        "face would be wrong; take a finder and an age model of one species"
    )


def refuse_foreign(finders: Iterable[Path], species: str) -> None:
    """Raises `BundleError` where one of these finders does not go with an age model of this species."""
    for bundle in finders:
        if why := foreign(read_finder_card(bundle), species):
            raise BundleError(f"the finder {bundle}: {why}")


def read_finder_card(bundle: Path) -> FinderCard:
    """The card of a finder's folder; raises `BundleError` where the folder is not a complete finder's bundle."""
    missing = [name for name in (PROGRAM, CARD, GOLDEN) if not (bundle / name).is_file()]
    if missing:
        raise BundleError(
            f"{bundle} is not a finder's bundle: {', '.join(missing)} missing; make one with `training finder`"
        )
    try:
        card = FinderCard.from_json((bundle / CARD).read_text(encoding="utf-8"))
    except (BundleError, OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bundle / CARD}: {error}") from error
    if card.gate and not (bundle / GATE).is_file():
        raise BundleError(f"{bundle} is not complete: {GATE} missing; copy the bundle afresh")
    return card
