"""A bundle: a trained age model as a folder of files, and the card that says what it is.

```
program.pt2    torch.export, dynamic batch: uint8[B,3,S,S] -> probabilities float32[B,K], embedding float32[B,E]
card.json      the card below
golden.npz     inputs uint8[n,3,S,S] with the probabilities and embedding they must give
weights.pt     what further training starts from
out_of_fold.csv    what models of the same kind said of faces that they were not fitted on
MODEL_CARD.md  what it is for and what not, for people
```
A bundle is immutable: it is written beside its place and renamed into it when complete.  Long out of service it may be
cleared: then `cleared.json` says when, the card and what the gate said stay, and the large files are gone.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from station.domain import StationError
from station.durable import sync

FORMAT = 1
PROGRAM, CARD, GOLDEN, WEIGHTS = "program.pt2", "card.json", "golden.npz", "weights.pt"
OUT_OF_FOLD, FOR_PEOPLE = "out_of_fold.csv", "MODEL_CARD.md"
CLEARED = "cleared.json"


class BundleError(StationError):
    """A folder is not a bundle this station can use."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with its 95% bootstrap interval over individuals."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One manifest a model was fitted on."""

    name: str
    sha256: str
    faces: int
    individuals: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What a bundle says of its embedding, with which individuals are told apart."""

    version: str
    """Vectors of different versions are never compared."""
    size: int
    """E: the embedding is float32, of unit length."""
    slope: float
    intercept: float
    """The log odds that a face is of an individual rather than of another, at a similarity: slope * it + intercept."""
    known_at: float
    """The probability from which on a face is given the name of the likeliest individual."""
    new_at: float
    """The probability of being none of the known from which on it is called new."""
    training: tuple[TrainingData, ...]
    individuals: tuple[str, ...]
    """Who the embedding was fitted on: nobody of these may judge it."""
    metrics: dict[str, Figure]
    """Measured on individuals that it was not fitted on."""


@dataclass(frozen=True, slots=True)
class Card:
    """What a bundle says of itself.  Ages and spreads are in years."""

    version: str
    architecture: str
    species: str
    bins_years: tuple[float, ...]
    """The age of each of the K outputs."""
    input_px: int
    """S: the side of the square crops."""
    crop_margin: float
    """Added around a face box on each side, as a fraction of the box's longer side."""
    temperature: float
    """Already inside the program; it divides what a picture adds to the prior over the training ages."""
    interval_quantile: float | None
    """Half the 90% interval in standard deviations (conformal by individual); None: too few animals to know."""
    loss: str
    training: tuple[TrainingData, ...]
    individuals: tuple[str, ...]
    """Who the model was fitted on: nobody of these may judge it."""
    metrics: dict[str, Figure]
    created_at: str
    libraries: dict[str, str]
    tau_years: float | None = None
    """Spread of the error that pictures of one animal share; None: not measured."""
    sigma_years: float | None = None
    """Spread of the error from picture to picture of one animal; None: not measured."""
    quantiles: tuple[float | None, ...] = ()
    """Half the 80%, 90% and 95% intervals in standard deviations."""
    repeats: dict[str, dict[str, float]] = field(default_factory=dict)
    """`tau_years` and `sigma_years` by life stage, where there were enough animals to tell."""
    median_age_years: float | None = None
    """Of the faces it was fitted on: what guessing would say."""
    identity: Identity | None = None
    """None: the bundle tells ages only, and individuals come from people's word alone."""
    format: int = FORMAT

    def to_json(self) -> str:
        """The card as it stands in the bundle."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Reads a card; raises `BundleError` where it is not one."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw.get("format") != FORMAT:
                raise BundleError(
                    f"format {raw.get('format')!r} is not {FORMAT}: made by another version of the training"
                )
            if raw.get("kind", "age") != "age":
                raise BundleError(f"this is the bundle of a {raw['kind']}, not of an age model")
            known = {f.name for f in fields(cls)}
            raw = {key: value for key, value in raw.items() if key in known}
            raw["bins_years"] = tuple(float(b) for b in raw["bins_years"])
            raw["training"] = tuple(TrainingData(**t) for t in raw["training"])
            raw["individuals"] = tuple(raw["individuals"])
            raw["quantiles"] = tuple(raw.get("quantiles", ()))
            raw["metrics"] = _figures(raw["metrics"])
            raw["identity"] = _identity(raw.get("identity"))
            return cls(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BundleError(f"not a bundle's card: {error!r}") from error


def _figures(raw: dict[str, Any]) -> dict[str, Figure]:
    return {name: Figure(**figure) for name, figure in raw.items()}


def _identity(raw: dict[str, Any] | None) -> Identity | None:
    if raw is None:
        return None
    raw = {key: value for key, value in raw.items() if key in Identity.__dataclass_fields__}
    training = tuple(TrainingData(**data) for data in raw["training"])
    return Identity(
        **(raw | {"training": training, "individuals": tuple(raw["individuals"]), "metrics": _figures(raw["metrics"])})
    )


def read_card(bundle: Path) -> Card:
    """The card of a bundle folder; raises `BundleError` where the folder is not a complete bundle."""
    missing = [name for name in (PROGRAM, CARD, GOLDEN) if not (bundle / name).is_file()]
    if missing and (bundle / CLEARED).is_file():
        raise BundleError(
            f"{bundle} was cleared by the retention of models, and only its card and what the gate said are left: "
            "bring its files back from a copy, or retrain"
        )
    if missing:
        raise BundleError(f"{bundle} is not a bundle: {', '.join(missing)} missing; make one with `training fit`")
    return card_alone(bundle)


def card_alone(bundle: Path) -> Card:
    """The card of a bundle whose other files may be gone; raises `BundleError`."""
    try:
        return Card.from_json((bundle / CARD).read_text(encoding="utf-8"))
    except (BundleError, OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{bundle / CARD}: {error}") from error


def is_cleared(bundle: Path) -> bool:
    """Whether only what is small is left of it."""
    return (bundle / CLEARED).is_file() and not all((bundle / name).is_file() for name in (PROGRAM, GOLDEN))


@contextmanager
def writing(bundle: Path) -> Iterator[Path]:
    """A scratch folder that becomes `bundle` when the block ends well, and vanishes when it does not.

    Raises `BundleError` where `bundle` exists already: bundles are never changed.
    """
    if bundle.exists():
        raise BundleError(f"{bundle} exists already, and a bundle is never changed: choose another --out")
    try:
        bundle.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{bundle.name}.", dir=bundle.parent))
    except OSError as error:
        raise BundleError(f"{bundle} cannot be written: {error.strerror}; choose another --out") from error
    try:
        yield scratch
        scratch.chmod(0o755)
        for file in scratch.iterdir():
            sync(file)
        scratch.rename(bundle)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
