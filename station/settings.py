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

    def watched(self) -> dict[str, Camera]:
        """The cameras that have a folder."""
        return {name: camera for name, camera in self.cameras.items() if camera.folder}

    def places(self) -> list[Path]:
        """Below these folders lie the pictures whose settings are known."""
        folders = [camera.folder for camera in self.cameras.values() if camera.folder]
        return [*folders, *([self.mqtt.spool.absolute()] if self.mqtt.host else [])]

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
    cameras = raw.get("cameras", {})
    if isinstance(cameras, dict):
        cameras = {name: _anchored_camera(c, home) if isinstance(c, dict) else c for name, c in cameras.items()}
    faces = {"faces": _anchored_faces(raw["faces"], home)} if "faces" in raw else {}
    return raw | {"station": station, "mqtt": mqtt, "cameras": cameras} | faces


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
