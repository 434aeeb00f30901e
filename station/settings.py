"""The configuration: one TOML file, one typed tree, read once.

Every mistake is reported at once, each with its key, its value and what would be right.  Unknown keys are
refused.  `config/station.toml` documents every key; a test holds it equal to what stands here.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from station.domain import StationError
from station.times import CameraClock, zone
from station.when import when

NAME = re.compile(r"[A-Za-z0-9_-]+")
WHOLE, MEGADETECTOR, BESIDE = "whole", "megadetector", "file"
"""The finders that are no bundle; and where MegaDetector's boxes are read from, if not had from its weights."""


class SettingsError(StationError):
    """The configuration is wrong; the message lists every mistake."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("use letters, digits, - and _ only")
    return value


def _zone(value: str | None) -> str | None:
    if value is not None:
        zone(value)
    return value


class Station(_Section):
    """The box itself."""

    id: str = Field("station", description="unique name of this station: letters, digits, - and _")
    timezone: str = Field("UTC", description="zone of the station and its cameras: a name or an offset like +08:00")
    database: Path = Field(Path("station.db"), description="the SQLite database")
    bundle: Path = Field(
        Path("models/current"), description="the age model in service: a bundle folder or a link to one"
    )
    species: str = Field(
        "", description="a species file's name or path; empty: the one the bundle names, if there is one"
    )

    _id = field_validator("id")(_name)
    _timezone = field_validator("timezone")(_zone)


class Line(_Section):
    """How the pictures are worked on."""

    device: str = Field("auto", description="auto, cpu, cuda or cuda:N", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    program: Literal["fastest", "exported"] = Field(
        "fastest",
        description="how the model runs; fastest: measured here, within 0.05 years of exported: as the bundle holds it",
    )
    workers: int = Field(2, ge=1, le=64, description="threads that read and decode pictures")
    batch_faces: int = Field(32, ge=1, le=4096, description="faces in a batch at most")
    linger_s: float = Field(0.2, ge=0, le=60, description="seconds a face waits for others to fill its batch")
    max_file_mb: float = Field(100, gt=0, description="larger files are rejected unread")
    max_megapixels: float = Field(100, gt=0, description="larger pictures are rejected undecoded")


class Faces(_Section):
    """Where the faces are in a frame."""

    finder: str = Field(
        WHOLE,
        description="whole: the picture is one face; megadetector: its boxes of animals; else the folder of a finder",
        min_length=1,
    )
    megadetector: str = Field(
        "",
        description="file: its boxes from megadetector.json beside the pictures; or its weights, which are run here; "
        "empty: none, so a finder looks at whole frames (for finder megadetector: file)",
    )
    threshold: float = Field(0.2, ge=0, le=1, description="MegaDetector boxes below this confidence are passed over")


class Mqtt(_Section):
    """The broker; without a host the station works alone."""

    host: str = Field("", description="the broker's name or address; empty: no broker")
    port: int = Field(1883, ge=1, le=65535, description="the broker's port; 8883 is usual with TLS")
    client_id: str = Field("", description="unique at the broker; empty: the station's id")
    username: str = Field("", description="empty: anonymous")
    password_file: Path | None = Field(
        None, description="a file with the password; the environment's STATION_MQTT_PASSWORD goes before it"
    )
    tls: bool = Field(False, description="encrypt, and check the broker's certificate")
    ca_file: Path | None = Field(None, description="certificates to trust, if not the system's")
    cert_file: Path | None = Field(None, description="the station's own certificate, where the broker asks for one")
    key_file: Path | None = Field(None, description="the key of cert_file")
    keepalive_s: int = Field(60, ge=5, le=3600, description="seconds after which a silent broker is given up")
    images: tuple[str, ...] = Field(
        ("station/{station}/camera/{camera}/image",),
        description="topics that carry pictures; {camera} and {individual} are taken from them, {station} is this one",
    )
    receive_maximum: int = Field(16, ge=1, le=65535, description="pictures the broker may send ahead")
    max_message_mb: float = Field(32, gt=0, description="larger messages are refused")
    spool: Path = Field(Path("spool"), description="where pictures from topics are kept")
    spool_max_mb: float = Field(2000, gt=0, description="beyond this the oldest recorded pictures make room")
    when_full: Literal["wait", "refuse"] = Field(
        "wait", description="no room for a picture: wait, so that the broker keeps it, or refuse it with a reason"
    )
    outbox_max: int = Field(
        200_000, ge=100, description="messages kept for an absent broker; beyond it the oldest estimates go unsent"
    )

    homeassistant: bool = Field(False, description="let Home Assistant find the station by itself")

    _client_id = field_validator("client_id")(lambda value: value and _name(value))

    @field_validator("images")
    @classmethod
    def _topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            levels = pattern.split("/")
            named = [level for level in levels if level.startswith("{")]
            if unknown := set(named) - {"{station}", "{camera}", "{individual}", "{label}"}:
                known = "{station}, {camera}, {individual}, {label}"
                raise ValueError(f"{pattern!r}: {sorted(unknown)[0]} is none of {known}")
            if "{camera}" not in named or any("{" in level and level not in named for level in levels):
                raise ValueError(f"{pattern!r}: a level must be {{camera}}, and names stand alone in their level")
            if "#" in pattern or "+" in pattern:
                raise ValueError(f"{pattern!r}: use {{label}} for a level that may be anything, not + or #")
        return value


class Privacy(_Section):
    """Frames that show a person, where the finder can tell; their people are never cropped or published."""

    people: Literal["metadata", "keep"] = Field(
        "metadata", description="metadata: a spooled picture with a person is deleted once recorded; keep: it stays"
    )
    labels: tuple[str, ...] = Field(
        ("person", "people", "human", "face", "license_plate"),
        description="{label}s of topics that mean people: such a picture is counted, and neither kept nor looked at",
    )


class Health(_Section):
    """How the station watches itself."""

    listen: str = Field(
        "127.0.0.1:9109", description="where /healthz and /metrics answer, for this machine only; empty: nowhere"
    )
    every_s: float = Field(60, ge=1, le=3600, description="seconds between two looks at itself")
    silent_after_h: float = Field(
        0, ge=0, description="hours of silence that are reported whatever a camera's rhythm; 0: its rhythm alone says"
    )
    silent_floor_h: float = Field(24, ge=0, description="hours for which any camera's rhythm lets it be silent")
    live_wait_s: float = Field(900, gt=0, description="seconds that a live picture may wait for its turn")
    outbox_wait_h: float = Field(6, gt=0, description="hours that a message may wait for the broker")
    free_mb: float = Field(500, ge=0, description="MB of free space that are wanted for the database and for the spool")

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (port.isdecimal() and int(port) < 65536):
            raise ValueError("write an address and a port, such as 127.0.0.1:9109")
        if value and not re.fullmatch(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]", host):
            raise ValueError(
                "others could read it: use 127.0.0.1, and an SSH tunnel, a Prometheus agent on this machine or a "
                "proxy that asks for a password to read it from elsewhere"
            )
        return value


def _when(value: str) -> str:
    when(value)
    return value


def _hours(value: str) -> str:
    found = re.fullmatch(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})", value)
    if value and not (found and all(int(found[i]) < 24 and int(found[i + 1]) < 60 for i in (1, 3))):
        raise ValueError("write two times of the day, such as 22:00-05:00")
    return value


Job = Literal["census", "selfcheck", "retraining", "backup", "retention"]


class Schedule(_Section):
    """What happens by the clock."""

    census: str = Field("nightly at 02:30", description="the census of the day before, and of nights that were missed")
    selfcheck: str = Field("weekly on Sunday at 03:00", description="the box's speed, against its baseline")
    retraining: str = Field("never", description="a new model from what people confirmed, if it passes the gate")
    backup: str = Field("never", description="database, bundle and configuration in one file")
    retention: str = Field(
        "never", description="old spooled pictures, models and census folders go; camera folders are never touched"
    )
    census_into: Path | None = Field(
        None, description="a folder in which each night gets one of its own; none: census, beside the database"
    )
    backup_into: Path | None = Field(
        None, description="the folder of the backups, better on another disk; none: backups, beside the database"
    )
    backups_kept: int = Field(7, ge=1, description="so many of the newest scheduled backups stay")
    spool_days: int = Field(
        365, ge=1, description="days after which a recorded picture of the spool goes, unless something rests on it"
    )
    nights_kept: int = Field(
        400,
        ge=1,
        description="so many of the newest nights' census folders stay, and the first of each month for good",
    )
    retries: int = Field(2, ge=0, le=10, description="how often a job that failed is tried again before it is reported")
    retry_after_min: float = Field(10, gt=0, description="minutes before the first of them, doubled each time")
    after_start_s: float = Field(
        60, ge=0, description="seconds after a start in which pictures have the box to themselves"
    )

    _words = field_validator("census", "selfcheck", "retraining", "backup", "retention")(_when)

    def words(self) -> dict[str, str]:
        """When each job is to run."""
        return {
            "census": self.census, "selfcheck": self.selfcheck, "retraining": self.retraining,
            "backup": self.backup, "retention": self.retention,
        }  # fmt: skip


class Energy(_Section):
    """When jobs have to wait for power, for a cooler box, or for the night."""

    jobs: tuple[Job, ...] = Field(("retraining",), description="the jobs that all of this holds for")
    hours: str = Field("", description="of the day in which they may run, such as 22:00-05:00; empty: all")
    power_file: Path | None = Field(None, description="a file with a number, such as a battery's charge or voltage")
    power_command: tuple[str, ...] = Field((), description="or a command, word by word, that prints it")
    power_at_least: float = Field(0, description="below this number they wait")
    temperature_file: Path | None = Field(
        None, description="a file with degrees Celsius, or thousandths of them as /sys/class/thermal has"
    )
    temperature_command: tuple[str, ...] = Field((), description="or a command, word by word, that prints them")
    temperature_at_most: float = Field(80, description="above so many degrees they wait")

    _of_the_day = field_validator("hours")(_hours)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        for what in ("power", "temperature"):
            if getattr(self, f"{what}_file") and getattr(self, f"{what}_command"):
                raise ValueError(f"energy: give {what}_file or {what}_command, not both")
        return self


class Retraining(_Section):
    """How the station trains itself anew on what people confirmed, and what the gate asks of a new model."""

    base: tuple[Path, ...] = Field(
        (), description="the manifests that the first bundle was fitted on; they stay in the mix, and are known by hash"
    )
    faces: Literal["all", "vouched"] = Field(
        "all",
        description="all: every face of a confirmed individual; vouched: only those that a person or a path named",
    )
    least_faces: int = Field(100, ge=1, description="with fewer newly labelled faces nothing is trained")
    least_individuals: int = Field(3, ge=1, description="with newly labelled faces of fewer animals nothing is trained")
    holdout: float = Field(
        0.3, gt=0, lt=1, description="share of the animals that are never trained on, so that they can judge"
    )
    holdout_days: int = Field(
        60, ge=1, description="only pictures of so many days judge, and only older ones are trained on"
    )
    least_judges: int = Field(9, ge=2, description="with fewer animals to judge by nothing is trained")
    backbone: Literal["frozen", "trained"] = Field(
        "frozen", description="frozen: only the head is fitted; trained: the whole network, which takes long"
    )
    weights: str = Field("auto", description="what fitting starts from: auto (pretrained), none or a file")
    epochs: int = Field(8, ge=1, description="of training the whole network")
    folds: int = Field(5, ge=2, description="parts of the animals, each judged by a model fitted on the others")
    promote: Literal["gate", "person"] = Field(
        "gate", description="gate: a model that passes goes into service; person: it waits for `station models promote`"
    )
    certain: float = Field(0.95, ge=0.5, lt=1, description="how surely a new model must not be worse")
    tolerated: float = Field(
        0.05, ge=0, le=1, description="worse is more than this share of the old model's error above it"
    )
    better: float = Field(0.8, ge=0.5, lt=1, description="how surely it must be better")
    stage_margin: float = Field(
        0.15, ge=0, description="in a life stage it may be worse by this share of the old model's error there"
    )
    stage_margins_years: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="the same in years, for life stages by name"
    )
    coverage_least: float = Field(0.85, ge=0, le=1, description="share of true ages that its 90% intervals must hold")
    coverage_most: float = Field(0.95, ge=0, le=1, description="intervals that hold more are wider than need be")
    speed: float = Field(0.8, gt=0, description="pictures a second on this box, as a share of the old model's")
    shadow_faces: int = Field(
        200, ge=0, description="newest faces that a new model looks at beside the old one before it goes into service"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.coverage_least >= self.coverage_most:
            raise ValueError("coverage_least must be below coverage_most: write shares such as 0.85 and 0.95")
        return self


class Models(_Section):
    """The watch over a model after its promotion; where it made the station worse, the one of before comes back."""

    watch_days: float = Field(14, ge=0, description="days for which a promotion is watched; 0: it is not")
    watch_error_years: float = Field(
        0.5, gt=0, description="years by which the error on animals of known birth date may be above the former model's"
    )
    watch_animals: int = Field(
        3, ge=2, description="animals of known birth date that must have been seen since for that to count"
    )
    watch_speed: float = Field(
        0.8, ge=0, le=1, description="share of the former model's images/s below which a self-check counts against it"
    )
    kept: int = Field(
        5,
        ge=0,
        description="so many of the newest retrained bundles stay whole; of older ones that nothing needs, retention "
        "leaves the card and the gate's words",
    )


class Project(_Section):
    """What a package of data says of the study; `station export camtrap-dp` names what it misses."""

    title: str = Field("", description="the study's title")
    description: str = Field("", description="what it is for, in a few sentences")
    sampling_design: Literal[
        "", "simpleRandom", "systematicRandom", "clusteredRandom", "experimental", "targeted", "opportunistic"
    ] = Field(
        "",
        description="how the places were chosen: simpleRandom, systematicRandom, clusteredRandom, experimental, "
        "targeted or opportunistic",
    )
    capture_method: tuple[Literal["activityDetection", "timeLapse"], ...] = Field(
        ("activityDetection",),
        description="what made the cameras take pictures: activityDetection, timeLapse",
        min_length=1,
    )
    one_species: bool = Field(
        False, description="every animal that is boxed is of the station's species; false: only those that people know"
    )
    contact: str = Field("", description="the person to ask")
    email: str = Field("", description="of the contact")
    organization: str = Field("", description="that publishes the data; empty: the contact does")
    data_license: str = Field("", description="such as CC0-1.0 or CC-BY-4.0; empty: none is given")
    media_license: str = Field("", description="of the pictures; give both licences or none")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.data_license) != bool(self.media_license):
            raise ValueError("give data_license and media_license, or neither: a package names both")
        return self


class Folder(_Section):
    """How a camera folder is watched."""

    pattern: str = Field(
        "",
        description="what the folders below mean, such as {camera}/{individual}; DCIM and 100RECNX do not count",
    )
    recursive: bool = Field(True, description="look into the folders below")
    watch: Literal["inotify", "poll"] = Field("inotify", description="poll: for network shares, which send no events")
    settle_s: float = Field(2.0, ge=0, description="seconds a file keeps its size and time before it is taken unclosed")
    rescan_s: float = Field(300.0, ge=1, description="seconds between two listings of the folder")

    @field_validator("pattern")
    @classmethod
    def _parts(cls, value: str) -> str:
        parts = [part for part in value.split("/") if part]
        known = {"{camera}", "{individual}", "*"}
        if wrong := [part for part in parts if part not in known]:
            raise ValueError(f"{wrong[0]!r} is none of {{camera}}, {{individual}} and *")
        if len(set(parts) - {"*"}) != len([p for p in parts if p != "*"]):
            raise ValueError("a name can stand in it once")
        return "/".join(parts)


class Camera(Folder):
    """One camera, or one folder of several."""

    name: str = Field("", description="what people call it; empty: its id")
    folder: Path | None = Field(None, description="where its pictures arrive; none: a camera that a pattern names")
    timezone: str | None = Field(None, description="zone of its clock, if not the station's")
    clock_shift_s: float = Field(0.0, description="seconds to add to what its clock writes")
    file_time: bool = Field(False, description="take the file's time where a picture has none")
    faces: Faces | None = Field(None, description="its own [faces]; what it leaves out is as in the station's")
    silent_after_h: float | None = Field(
        None,
        ge=0,
        description="hours of silence since a picture that are told, if not by its rhythm; 0: it may be silent",
    )

    latitude: float | None = Field(None, ge=-90, le=90, description="where it hangs, in decimal degrees (WGS 84)")
    longitude: float | None = Field(None, ge=-180, le=180, description="the same, positive to the east")
    deployment_start: datetime | None = Field(
        None, description="when it was put up there; none: with its first picture. A camera that moves gets a new id"
    )
    deployment_end: datetime | None = Field(None, description="when it was taken down; none: with its newest picture")

    _timezone = field_validator("timezone")(_zone)

    @field_validator("folder")
    @classmethod
    def _one_spelling(cls, value: Path | None) -> Path | None:
        return Path(os.path.abspath(value)) if value else None  # noqa: PTH100  `absolute` keeps `..`


class Settings(_Section):
    """The whole configuration."""

    station: Station = Station()
    line: Line = Line()
    faces: Faces = Faces()
    mqtt: Mqtt = Mqtt()
    privacy: Privacy = Privacy()
    health: Health = Health()
    schedule: Schedule = Schedule()
    energy: Energy = Energy()
    retraining: Retraining = Retraining()
    models: Models = Models()
    project: Project = Project()
    cameras: dict[Annotated[str, AfterValidator(_name)], Camera] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        folders = [(f"cameras.{name}.folder", c.folder) for name, c in self.cameras.items() if c.folder]
        if self.mqtt.host:
            folders.append(("mqtt.spool", self.mqtt.spool.absolute()))
        for i, (name, folder) in enumerate(folders):
            for other, its in folders[i + 1 :]:
                if folder == its or folder in its.parents or its in folder.parents:
                    raise ValueError(
                        f"{name} and {other} overlap ({folder}, {its}): "
                        "one camera a folder, or one folder with a pattern"
                    )
        return self

    @property
    def census_folder(self) -> Path:
        """Where each night's census gets a folder of its own."""
        return self.schedule.census_into or self.station.database.parent / "census"

    @property
    def backup_folder(self) -> Path:
        """Where scheduled backups lie."""
        return self.schedule.backup_into or self.station.database.parent / "backups"

    def watched(self) -> dict[str, Camera]:
        """The cameras that have a folder."""
        return {name: camera for name, camera in self.cameras.items() if camera.folder}

    def places(self) -> list[Path]:
        """Below these folders lie the pictures whose settings are known."""
        folders = [camera.folder for camera in self.cameras.values() if camera.folder]
        return [*folders, *([self.mqtt.spool.absolute()] if self.mqtt.host else [])]

    def finders(self) -> list[Path]:
        """The folders of the finders that it names."""
        said = {how.finder for how in (self.faces, *(camera.faces for camera in self.cameras.values())) if how}
        return sorted(Path(finder) for finder in said - {WHOLE, MEGADETECTOR})

    def name(self, camera: str) -> str:
        """What people call a camera."""
        return self.cameras.get(camera, Camera()).name or camera

    def clock(self, camera: str, group: str) -> CameraClock:
        """How the clock of a camera is read: each key by its own table, else by that of the folder it was found in."""
        its = Camera.model_construct(**_laid_over(*self._tables(camera, group)))
        return CameraClock(
            zone(its.timezone or self.station.timezone), timedelta(seconds=its.clock_shift_s), its.file_time
        )

    def finder(self, camera: str, group: str) -> Faces:
        """The same for where its faces are; what neither says, the station's [faces] does."""
        tables = [table.faces for table in self._tables(camera, group) if table.faces]
        return Faces.model_construct(**_laid_over(self.faces, *tables))

    def _tables(self, camera: str, group: str) -> list[Camera]:
        """Those that speak of a camera, its own last."""
        return [self.cameras[name] for name in (group, camera) if name in self.cameras]


def _laid_over(*sections: _Section) -> dict[str, Any]:
    """The keys that some section states; the last that states one has its way."""
    return {key: getattr(section, key) for section in sections for key in section.model_fields_set}


def load(file: Path) -> Settings:
    """Reads a configuration file; relative paths in it count from its folder.  Raises `SettingsError`."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"the configuration {file} cannot be read: {error.strerror}; "
            "--config names another, config/station.toml of the program shows how one is written"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the configuration {file} is not TOML: {error}") from error
    return of(_anchored(raw, file.absolute().parent), f"the configuration {file}")


def of(raw: dict[str, Any], name: str = "the settings") -> Settings:
    """Settings from their plain form.  Raises `SettingsError` with every mistake."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        mistakes = "\n".join(f"  {_mistake(e)}" for e in error.errors())
        raise SettingsError(f"{name} is wrong:\n{mistakes}") from error


def _anchored(raw: dict[str, Any], home: Path) -> dict[str, Any]:
    """With the relative paths of the file made absolute; defaults count from the same folder."""
    station = raw.get("station", {})
    if isinstance(station, dict):
        for key in ("database", "bundle"):
            value = station.get(key, str(Station.model_fields[key].default))
            station = station | ({key: home / value} if isinstance(value, str) else {})
        species = station.get("species")
        if isinstance(species, str) and species.endswith(".toml"):
            station = station | {"species": str(home / species)}
    mqtt = raw.get("mqtt", {})
    if isinstance(mqtt, dict):
        paths = {"spool": str(Mqtt.model_fields["spool"].default)} | mqtt
        names = ("spool", "password_file", "ca_file", "cert_file", "key_file")
        mqtt = mqtt | {key: home / paths[key] for key in names if isinstance(paths.get(key), str)}
    schedule = raw.get("schedule", {})
    if isinstance(schedule, dict):
        folders = {name: schedule.get(name) for name in ("census_into", "backup_into")}
        schedule = schedule | {name: home / folder for name, folder in folders.items() if isinstance(folder, str)}
    energy = raw.get("energy", {})
    if isinstance(energy, dict):
        files = {name: energy.get(name) for name in ("power_file", "temperature_file")}
        energy = energy | {name: home / file for name, file in files.items() if isinstance(file, str)}
    cameras = raw.get("cameras", {})
    if isinstance(cameras, dict):
        cameras = {name: _anchored_camera(c, home) if isinstance(c, dict) else c for name, c in cameras.items()}
    faces = {"faces": _anchored_faces(raw["faces"], home)} if "faces" in raw else {}
    anchored = {"station": station, "mqtt": mqtt, "schedule": schedule, "energy": energy, "cameras": cameras}
    if isinstance(retraining := raw.get("retraining"), dict):
        anchored["retraining"] = _anchored_retraining(retraining, home)
    return raw | anchored | faces


def _anchored_retraining(raw: dict[str, Any], home: Path) -> dict[str, Any]:
    base, weights = raw.get("base"), raw.get("weights", "auto")
    if isinstance(base, list):
        raw = raw | {"base": [home / one if isinstance(one, str) else one for one in base]}
    if isinstance(weights, str) and weights not in ("auto", "none"):
        raw = raw | {"weights": str(home / weights)}
    return raw


def _anchored_camera(camera: dict[str, Any], home: Path) -> dict[str, Any]:
    folder = {"folder": home / camera["folder"]} if isinstance(camera.get("folder"), str) else {}
    faces = {"faces": _anchored_faces(camera["faces"], home)} if "faces" in camera else {}
    return camera | folder | faces


def _anchored_faces(faces: Any, home: Path) -> Any:
    """A finder or weights that are a path; the words that are none stay."""
    words = {"finder": (WHOLE, MEGADETECTOR, ""), "megadetector": (BESIDE, "")}
    if not isinstance(faces, dict):
        return faces
    paths = {key: faces[key] for key in words if isinstance(faces.get(key), str) and faces[key] not in words[key]}
    return faces | {key: str(home / path) for key, path in paths.items()}


def _mistake(error: Any) -> str:
    """One mistake in words: key, value, remedy."""
    place = [str(part) for part in error["loc"]]
    if place[-1:] == ["[key]"]:  # pydantic's word for a mistake in a name, not in what it names
        place = place[:-2]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], _keys(place[:-1]), n=1, cutoff=0.5)
        known = (
            f"did you mean {'.'.join([*place[:-1], near[0]])}?" if near else f"known: {', '.join(_keys(place[:-1]))}"
        )
        return f"{key}: there is no such key; {known}"
    message = error["msg"].removeprefix("Value error, ")
    if not key:
        return str(message)
    return f"{key} = {_shown(error['input'])}: {message[0].lower()}{message[1:]}{_remedy(place)}"


def _shown(value: object) -> str:
    return str(value) if isinstance(value, Path) else repr(value)


def _remedy(place: list[str]) -> str:
    section = _section(place[:-1])
    field = section.model_fields.get(place[-1]) if section else None
    return f" ({field.description})" if field and field.description else ""


def _section(place: list[str]) -> type[_Section] | None:
    sections: dict[str, type[_Section]] = {
        "station": Station,
        "line": Line,
        "faces": Faces,
        "mqtt": Mqtt,
        "privacy": Privacy,
        "health": Health,
        "schedule": Schedule,
        "energy": Energy,
        "retraining": Retraining,
        "models": Models,
        "project": Project,
    }
    match place:
        case []:
            return Settings
        case ["cameras", _]:
            return Camera
        case ["cameras", _, "faces"]:
            return Faces
        case [name]:
            return sections.get(name)
        case _:
            return None


def _keys(place: list[str]) -> list[str]:
    section = _section(place)
    return list(section.model_fields) if section else []
