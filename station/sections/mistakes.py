"""A mistake in the configuration, in words."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from station.sections.cameras import Camera
from station.sections.line import Faces
from station.sections.section import Section


def in_words(error: Any, whole: type[Section]) -> str:
    """One mistake that pydantic found in the `whole`: key, value, remedy."""
    place = [str(part) for part in error["loc"]]
    if place[-1:] == ["[key]"]:  # pydantic's word for a mistake in a name, not in what it names
        place = place[:-2]
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        keys = _keys(place[:-1], whole)
        near = difflib.get_close_matches(place[-1], keys, n=1, cutoff=0.5)
        known = f"did you mean {'.'.join([*place[:-1], near[0]])}?" if near else f"known: {', '.join(keys)}"
        return f"{key}: there is no such key; {known}"
    message = error["msg"].removeprefix("Value error, ")
    if not key:
        return str(message)
    return f"{key} = {_shown(error['input'])}: {message[0].lower()}{message[1:]}{_remedy(place, whole)}"


def _shown(value: object) -> str:
    return str(value) if isinstance(value, Path) else repr(value)


def _remedy(place: list[str], whole: type[Section]) -> str:
    section = _section(place[:-1], whole)
    field = section.model_fields.get(place[-1]) if section else None
    return f" ({field.description})" if field and field.description else ""


def _section(place: list[str], whole: type[Section]) -> type[Section] | None:
    match place:
        case []:
            return whole
        case ["cameras", _]:
            return Camera
        case ["cameras", _, "faces"]:
            return Faces
        case [name] if name in whole.model_fields:
            kind = whole.model_fields[name].annotation
            return kind if isinstance(kind, type) and issubclass(kind, Section) else None
        case _:
            return None


def _keys(place: list[str], whole: type[Section]) -> list[str]:
    section = _section(place, whole)
    return list(section.model_fields) if section else []
