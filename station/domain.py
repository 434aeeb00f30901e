"""The words of the station, as frozen data without input or output.

A *camera* is one mounted camera trap; a *frame* is one picture of it, a file or a message; a *face* is one
animal face in a frame; an *estimate* is the age of one face by one model version; an *observation* is a face
with its estimate and its *individual*.  What becomes of a frame is its *outcome*: `Observed`, `Duplicate`
or `Rejection`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class StationError(Exception):
    """Something a person must act on; the message says what is wrong and what would be right.

    ```
    StationError
    ├── SettingsError      station.settings   the configuration is wrong
    ├── BundleError        station.bundles    a bundle is incomplete, foreign, or fails its golden check
    ├── PromotionError     station.promotions the model in service cannot be changed
    ├── FactsError         station.lifetime   nothing is known that would tell an animal's age
    ├── SpeciesError       station.species    a species file is missing or wrong
    ├── BackupError        station.backup     a backup cannot be written, or is damaged
    ├── StoreError         station.schema     the database is in use, foreign or newer than the program
    │   └── ReadOnlyError  it can be read, but nothing can be noted in it
    ├── WordError          station.hearing    what was said of a face or an individual cannot be
    ├── BrokerError        station.broker     the broker's password, certificates or key cannot be read
    ├── SpoolError         station.spool      the spool cannot be used
    ├── FullError          station.shortage   the disk is full
    ├── JobError           station.errand     a job is unknown, or cannot be begun
    │   └── BusyError      it runs already
    ├── FolderError        station.intake     a watched folder cannot be read
    ├── ReviewError        station.review     a file of answers cannot be read or written
    ├── PreviewError       station.report.preview  there is nothing to preview, or no page can be written
    ├── CensusError        station.census     there can be no census, or it cannot be written
    ├── ExportError        station.camtrap.package  the data cannot be handed over
    ├── DetectionsError    station.megadetector     the results file cannot be written
    ├── ManifestError      training.manifest  a training manifest is wrong
    ├── NetworkError       training.networks  a network is unknown or does not fit
    ├── WeightsError       training.weights   pretrained weights cannot be had
    ├── LossError          training.losses    there is no loss of that name
    ├── ScheduleError      training.schedule  a recipe asks for what cannot be
    ├── CheckpointError    training.checkpoints  where training stood cannot be read
    ├── StudyError         training.plan      a study cannot be begun or gone on with
    ├── RetrainingError    training.retraining.base  a retraining cannot begin
    ├── LeakError          training.audit     a bundle would be judged by animals that it knows
    └── ReportError        training.report.write  what the page of a study is made with is not installed
    ```
    A bad picture is not among them: it is an outcome (`Rejection`), recorded with its reason.
    """


class Lane(IntEnum):
    """Which frames go first: the lower number."""

    LIVE = 0
    BACKLOG = 1


class Reason(StrEnum):
    """Why a frame was rejected."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    CHANGED = "changed"
    NO_DETECTIONS = "no_detections"
    CRASHED = "crashed"


class Flaw(StrEnum):
    """Why a face that was found cannot be used: it gets no age, and nobody is recognised by it."""

    TOO_SMALL = "too small"
    BLURRED = "blurred"
    TOO_DARK = "too dark"
    OVEREXPOSED = "overexposed"
    OTHER_SPECIES = "not of the species"


class TimeSource(StrEnum):
    """Where a frame's capture time comes from."""

    MESSAGE = "message"
    EXIF_OFFSET = "exif+offset"
    EXIF = "exif"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the upright picture, origin top left, as MegaDetector and Camtrap DP give it."""

    x: float
    y: float
    width: float
    height: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Face:
    """One animal face in a frame; `confidence` is the finder's (0 to 1), None where nothing was to be found."""

    box: Box
    confidence: float | None = None
    quality: float | None = None
    """How good a picture of a face it is, 0 to 1; None: nobody asked."""
    flaw: Flaw | None = None
    """None: it can be used."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One admitted picture: a file as it was (`path`, `size_bytes`, `modified_ns`) when it was admitted."""

    id: int
    camera: str
    path: str
    size_bytes: int
    modified_ns: int
    individual: str | None = None
    """Who a person says it shows (from the path); None: nobody said."""
    suspect: bool = False
    """It was in flight at two crashes and is tried alone."""
    topic: str | None = None
    """It came as a message on this topic (empty: nobody knows which); None: it is a file of its camera's folder."""
    file_name: str | None = None
    """What its sender called it."""
    given_at: str | None = None
    """When its sender says it was taken."""


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """When a picture was taken, and how far that can be trusted."""

    utc: datetime | None
    """After the camera's zone and clock correction; None: unknown."""
    as_recorded: str | None
    """The local time as the camera wrote it, uncorrected."""
    source: TimeSource
    impossible: bool = False
    """Before 2000 or after now: kept, flagged, and left out of ages."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a frame from its content."""

    digest: str
    """SHA-256 of the bytes: the frame's identity."""
    width_px: int
    """Of the upright picture, at full resolution."""
    height_px: int
    captured: CaptureTime
    make: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Portraits:
    """A frame's faces, ready for the age model: `crops` is uint8, N x 3 x S x S, N = `len(faces)`."""

    frame: Frame
    facts: Facts
    faces: tuple[Face, ...]
    crops: Pixels
    people: int = 0
    """How many the finder saw; with people in it, a frame has no faces."""
    unusable: tuple[Face, ...] = ()
    """Faces with a flaw."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The age of one face by one model version, in years."""

    age_years: float
    sd_years: float
    low_years: float | None
    """Of the 90% interval; None where the model had too few calibration animals to know it."""
    high_years: float | None
    life_stage: str | None
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the age model says of one face; `embedding` is float32, E."""

    estimate: Estimate
    embedding: Floats


class Verdict(StrEnum):
    """What the machine can say of whom a face shows."""

    KNOWN = "known"
    NEW = "new"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Recognition:
    """Whom a face shows, by its embedding."""

    identity: str
    """The version of the embedding."""
    verdict: Verdict
    individual: str | None
    """Of `unsure`: the likeliest, if anybody is known."""
    similarity: float | None = None
    runner_up: str | None = None
    runner_up_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A face with its age and, where known, its individual."""

    face: Face
    reading: Reading
    individual: str | None = None
    recognition: Recognition | None = None
    """None: the bundle has no identity part."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Outcome: the frame was read; it shows `observations`, perhaps none."""

    frame: Frame
    facts: Facts
    observations: tuple[Observation, ...] = field(default=())
    people: int = 0
    unusable: tuple[Face, ...] = ()
    """Faces with a flaw; in the ledger they come after the others."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Outcome: the frame's content was there before."""

    frame: Frame
    digest: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Outcome: the frame cannot be used; kept with its reason, and can be retried."""

    frame: Frame
    reason: Reason
    detail: str
    digest: str | None = None
    consulted: str | None = None
    """Which state of a results file was looked at: with another, the frame is looked at again."""


@dataclass(frozen=True, slots=True)
class Message:
    """What subscribers are told: JSON in `payload`; `rank` says what goes first, the lower number."""

    topic: str
    payload: str
    retained: bool
    rank: int


@dataclass(frozen=True, slots=True)
class Away:
    """For how long there is no connection to the broker, and what was said last about it."""

    seconds: float
    why: str


Outcome = Observed | Duplicate | Rejection
