"""Whether a package is one: its tables by frictionless, its descriptor by the standard's profile, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import frictionless
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from station.camtrap.schema import PROFILE, schema

SHOWN = 5
_OF_FRICTIONLESS = "https://specs.frictionlessdata.io/schemas/data-package.json"
_GEOJSON = "http://json.schemastore.org/geojson.json"


def mistakes(folder: Path) -> Iterator[str]:
    """What is wrong with a package, in words; nothing: it is valid."""
    descriptor = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    yield from _of_profile(descriptor)
    yield from _of_tables(descriptor, folder)


def _of_profile(descriptor: dict[str, Any]) -> Iterator[str]:
    """The general part of the profile is frictionless' own, which looks at it with the tables."""
    geojson = files("frictionless").joinpath("assets/profiles/geojson.json").read_text(encoding="utf-8")
    known = {_OF_FRICTIONLESS: {"type": "object"}, _GEOJSON: json.loads(geojson)}
    registry: Registry[Any] = Registry().with_resources(
        [(uri, Resource.from_contents(content, DRAFT4)) for uri, content in known.items()]
    )
    validator = Draft4Validator(schema(PROFILE), registry=registry)
    for error in sorted(validator.iter_errors(descriptor), key=lambda error: error.json_path):
        yield f"datapackage.json, {error.json_path}: {error.message}"


def _of_tables(descriptor: dict[str, Any], folder: Path) -> Iterator[str]:
    local = {key: value for key, value in descriptor.items() if key != "profile"}
    local["resources"] = [_local(resource) for resource in descriptor["resources"]]
    try:
        package = frictionless.Package.from_descriptor(local, basepath=str(folder.absolute()))
    except frictionless.FrictionlessException as error:
        yield from (f"datapackage.json: {reason.message}" for reason in (error.reasons or [error.error]))
        return
    report = package.validate(limit_errors=SHOWN)
    yield from (f"datapackage.json: {error.message}" for error in report.errors)
    for task in report.tasks:
        yield from (f"{task.place}: {error.message}" for error in task.errors)


def _local(resource: dict[str, Any]) -> dict[str, Any]:
    """With the copy of the schema that lies here instead of its address."""
    where = resource.get("schema")
    return resource | {"schema": schema(where.rpartition("/")[2])} if isinstance(where, str) else resource
