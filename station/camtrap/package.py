"""Writes a package beside its place, checks it, and only then puts it there."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from station.camtrap import tables
from station.camtrap.check import mistakes
from station.camtrap.schema import ADDRESS, OWN, PROFILE, STANDARD, columns, of_table
from station.camtrap.shots import Event, cameras, events, judges
from station.camtrap.tables import Deployment, Known
from station.domain import StationError
from station.durable import sync
from station.profiles import Profile, listed
from station.sections.cameras import Camera
from station.settings import Settings
from station.species import Species
from station.times import zone

TOLD = 3


class ExportError(StationError):
    """The data cannot be handed over."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the package is to be."""

    step_degrees: float | None = None
    """Coordinates are rounded to this; None: they are as configured."""
    pictures: bool = False
    """Copy the pictures into it, but for those with people."""


@dataclass
class Written:
    """What went into it."""

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*STANDARD, *OWN), 0))
    pictures: int = 0
    missing: int = 0
    """Pictures that are not where they were."""
    begin: datetime | None = None
    end: datetime | None = None
    people: bool = False
    deployments: list[tables.Row] = field(default_factory=list)
    individuals: set[str] = field(default_factory=set)


def export(
    db: Database, settings: Settings, species: Species | None, profiles: list[Profile], folder: Path, wanted: Wanted,
    now: datetime,
) -> Written:  # fmt: skip
    """Makes the package.  Raises `ExportError`, and then nothing of it is there."""
    seen = cameras(db)
    if lacking := list(_lacking(settings, seen)):
        raise ExportError("the package needs more than the configuration says:\n  " + "\n  ".join(lacking))
    if not seen:
        raise ExportError("there is nothing to export: no picture with a believable time was looked at yet")
    if wanted.pictures and wanted.step_degrees:
        raise ExportError("pictures may carry the exact place: take --round or --pictures, not both")
    with _place(folder) as scratch:
        written = _write(db, settings, species, profiles, scratch, wanted, seen, now)
        descriptor = _descriptor(settings, species, written, wanted, now)
        (scratch / "datapackage.json").write_text(
            json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        if wrong := list(mistakes(scratch)):
            more = f"\n  and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
            raise ExportError(
                "the package is not valid, so it is not handed over; this is the station's mistake:\n  "
                + "\n  ".join(wrong[:TOLD]) + more
            )  # fmt: skip
    return written


def _lacking(settings: Settings, seen: list[str]) -> Iterator[str]:
    for key in ("title", "sampling_design", "contact"):
        if not getattr(settings.project, key):
            yield f"project.{key} ({type(settings.project).model_fields[key].description})"
    for name in seen:
        camera = settings.cameras.get(name, Camera())
        for key in ("latitude", "longitude"):
            if getattr(camera, key) is None:
                yield f"cameras.{name}.{key} ({Camera.model_fields[key].description})"


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """A scratch folder that becomes `folder` when the block ends well, and vanishes when it does not."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} exists already and is left as it is: take another folder")
    scratch = folder.absolute().with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        yield scratch
        for file in scratch.iterdir():
            if file.is_file():
                sync(file)
        scratch.replace(folder.absolute())
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(
    db: Database, settings: Settings, species: Species | None, profiles: list[Profile], folder: Path, wanted: Wanted,
    seen: list[str], now: datetime,
) -> Written:  # fmt: skip
    written = Written()
    known, named = _known(profiles, species, settings.project.one_species), judges(db)
    with ExitStack() as stack:
        out = {table: stack.enter_context(_table(folder, table, written)) for table in (*STANDARD, *OWN)}
        for camera in seen:
            of = _deployment(settings, camera)
            first = last = None
            for event in events(db, camera, named, _moment(of.begin, of), _moment(of.end, of)):
                first, last = first or event.shots[0], event.shots[-1]
                _write_event(out, event, of, known, settings, written)
                if wanted.pictures:
                    _copy(event, folder, written)
            if first and last:
                row = tables.deployment(of, first, last, wanted.step_degrees)
                out["deployments"].writerow(row)
                written.deployments.append(row)
        told = [
            listed(p, species, now.astimezone(zone(settings.station.timezone)))
            for p in profiles
            if p.id in written.individuals
        ]
        for row in tables.individuals(told, species):
            out["individuals"].writerow(row)
    return written


def _write_event(
    out: Mapping[str, _Rows], event: Event, of: Deployment, known: Known, settings: Settings, written: Written
) -> None:
    for shot in event.shots:
        out["media"].writerow(tables.media(shot, of.zone, settings.project.capture_method))
        for row in tables.age_estimates(shot, of.zone):
            out["age-estimates"].writerow(row)
        written.people |= bool(shot.people)
    for row in tables.observations(event, known, of.zone):
        out["observations"].writerow(row)
        written.individuals |= {row["individualID"]} if row.get("individualID") else set()


class _Rows:
    """A table's file; counts its rows."""

    def __init__(self, writer: csv.DictWriter[str], table: str, written: Written) -> None:
        self._writer = writer
        self._table = table
        self._written = written

    def writerow(self, row: tables.Row) -> None:
        self._writer.writerow(row)
        self._written.rows[self._table] += 1


@contextmanager
def _table(folder: Path, table: str, written: Written) -> Iterator[_Rows]:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(table), restval="", lineterminator="\n")
        writer.writeheader()
        yield _Rows(writer, table, written)


def _copy(event: Event, folder: Path, written: Written) -> None:
    """Never a picture with people."""
    for shot in event.shots:
        if shot.people:
            continue
        target = folder / tables.file_path(shot)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(shot.path, target)
            written.pictures += 1
        except FileNotFoundError:
            written.missing += 1


def _deployment(settings: Settings, name: str) -> Deployment:
    camera = settings.cameras[name]
    zone = settings.clock(name, "").zone
    assert camera.latitude is not None and camera.longitude is not None  # `_lacking` has seen to that
    return Deployment(
        name,
        settings.name(name),
        camera.latitude,
        camera.longitude,
        camera.deployment_start,
        camera.deployment_end,
        zone,
    )


def _moment(given: datetime | None, of: Deployment) -> datetime | None:
    return given.replace(tzinfo=of.zone) if given and given.tzinfo is None else given


def _known(profiles: list[Profile], species: Species | None, one_species: bool) -> Known:
    births = {profile.id: profile.birth for profile in profiles}
    days: dict[tuple[str, date], str | None] = {}

    def stage(individual: str, on: date) -> str | None:
        birth = births.get(individual)
        if (individual, on) not in days:
            stages = birth.stages(species, on) if birth and species else {}
            days[individual, on] = max(stages, key=lambda name: stages[name]) if stages else None
        return days[individual, on]

    sex = {profile.id: profile.row["sex"] for profile in profiles}
    vouched = frozenset(profile.id for profile in profiles if not profile.row["provisional"])
    return Known(sex, stage, species, vouched, one_species)


def _descriptor(
    settings: Settings, species: Species | None, written: Written, wanted: Wanted, now: datetime
) -> dict[str, Any]:
    project = settings.project
    described: dict[str, Any] = {
        "resources": [*(_standard(table) for table in STANDARD), *(_own(table) for table in OWN)],
        "profile": f"{ADDRESS}/{PROFILE}",
        "name": f"{settings.station.id.lower()}-{now:%Y%m%d}",
        "created": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "title": project.title,
        "contributors": _contributors(settings),
        "sources": [{"title": "Age Station"}],
        "project": {
            "title": project.title,
            "samplingDesign": project.sampling_design,
            "captureMethod": list(project.capture_method),
            "individualAnimals": True,
            "observationLevel": ["media", "event"],
        },
        "spatial": _spatial(written.deployments),
        "temporal": {
            "start": min(row["deploymentStart"][:10] for row in written.deployments),
            "end": max(row["deploymentEnd"][:10] for row in written.deployments),
        },
        "taxonomic": _taxonomic(species, written.people),
    }
    if project.description:
        described |= {"description": project.description}
        described["project"] |= {"description": project.description}
    if wanted.step_degrees:
        described["coordinatePrecision"] = wanted.step_degrees
    if project.data_license:
        scopes = (("data", project.data_license), ("media", project.media_license))
        described["licenses"] = [{"name": name, "scope": scope} for scope, name in scopes]
    return described


def _standard(table: str) -> dict[str, Any]:
    return _resource(table) | {"schema": f"{ADDRESS}/{table}-table-schema.json"}


def _own(table: str) -> dict[str, Any]:
    return _resource(table) | {"schema": of_table(table)}


def _resource(table: str) -> dict[str, Any]:
    kind = {"profile": "tabular-data-resource", "format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
    return {"name": table, "path": f"{table}.csv"} | kind


def _contributors(settings: Settings) -> list[dict[str, str]]:
    project = settings.project
    contact = {"title": project.contact, "role": "contact"} | ({"email": project.email} if project.email else {})
    if not project.organization:
        return [contact]
    publisher = {"title": project.organization, "role": "publisher"}
    return [contact | {"organization": project.organization}, publisher]


def _spatial(deployments: list[tables.Row]) -> dict[str, Any]:
    """A box around the places, as rounded as they are."""
    east, north = [row["longitude"] for row in deployments], [row["latitude"] for row in deployments]
    left, right, low, high = min(east), max(east), min(north), max(north)
    if (left, low) == (right, high):
        return {"type": "Point", "coordinates": [left, low]}
    ring = [[left, low], [right, low], [right, high], [left, high], [left, low]]
    return {"type": "Polygon", "coordinates": [ring]}


def _taxonomic(species: Species | None, people: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if species:
        found.append(
            {
                "scientificName": species.scientific_name,
                "taxonRank": "species",
                "vernacularNames": {"eng": species.name},
            }
        )
    if people:
        found.append({"scientificName": tables.HUMAN, "taxonRank": "species", "vernacularNames": {"eng": "human"}})
    return found
