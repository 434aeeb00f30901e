"""The configuration: one TOML file, one typed tree, read once.

Every mistake is reported at once, each with its key, its value and what would be right.  Unknown keys are
refused.  `config/station.toml` documents every key; a test holds it equal to what stands in `station.sections`.
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from station.domain import StationError
from station.sections.anchoring import anchored
from station.sections.box import Station
from station.sections.cameras import Camera
from station.sections.health import Health
from station.sections.learning import Models, Retraining
from station.sections.line import MEGADETECTOR, WHOLE, Faces, Line
from station.sections.mistakes import in_words
from station.sections.mqtt import Mqtt, Privacy
from station.sections.project import Project
from station.sections.schedule import Energy, Schedule
from station.sections.section import Section, plain_name
from station.times import CameraClock, zone


class SettingsError(StationError):
    """The configuration is wrong; the message lists every mistake."""


class Settings(Section):
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
    cameras: dict[Annotated[str, AfterValidator(plain_name)], Camera] = Field(default_factory=dict)

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


def _laid_over(*sections: Section) -> dict[str, Any]:
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
    return of(anchored(raw, file.absolute().parent), f"the configuration {file}")


def of(raw: dict[str, Any], name: str = "the settings") -> Settings:
    """Settings from their plain form.  Raises `SettingsError` with every mistake."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        mistakes = "\n".join(f"  {in_words(e, Settings)}" for e in error.errors())
        raise SettingsError(f"{name} is wrong:\n{mistakes}") from error
