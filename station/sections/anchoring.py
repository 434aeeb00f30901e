"""The relative paths of a configuration file count from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from station.sections.box import Station
from station.sections.line import BESIDE, MEGADETECTOR, WHOLE
from station.sections.mqtt import Mqtt


def anchored(raw: dict[str, Any], home: Path) -> dict[str, Any]:
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
    sections = {"station": station, "mqtt": mqtt, "schedule": schedule, "energy": energy, "cameras": cameras}
    if isinstance(retraining := raw.get("retraining"), dict):
        sections["retraining"] = _anchored_retraining(retraining, home)
    return raw | sections | faces


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
