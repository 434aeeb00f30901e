"""The rows of a package's tables.  Times carry the offset of the camera's zone; what is unknown stays empty."""

from __future__ import annotations

import math
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import PurePath
from typing import Any

from station.camtrap.shots import Event, Shot, Sight, together
from station.species import Species

Row = dict[str, Any]
HUMAN = "Homo sapiens"
SEXES = {"f": "female", "m": "male"}
_METRES_PER_DEGREE = 111_320


@dataclass(frozen=True, slots=True)
class Deployment:
    """One camera at one place for one period."""

    camera: str
    name: str
    latitude: float
    longitude: float
    begin: datetime | None
    end: datetime | None
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of individuals beyond a picture."""

    sex: Mapping[str, str | None]
    stage: Callable[[str, date], str | None]
    """The likeliest life stage of an individual on a day."""
    species: Species | None
    vouched: frozenset[str] = frozenset()
    """Individuals that people know."""
    one_species: bool = False
    """Every animal is of the station's species, also one that nobody knows."""

    def scientific_name(self, individual: str | None) -> str:
        """The station tells ages, not species: empty where nobody has said so."""
        sure = self.one_species or individual in self.vouched
        return self.species.scientific_name if self.species and sure else ""


def coarse(degrees: float, step: float | None) -> float:
    """A coordinate on a grid of `step` degrees."""
    return round(round(degrees / step) * step, 9) if step else degrees


def uncertainty_m(latitude: float, step: float) -> int:
    """How far the true place can be from one that was rounded."""
    return math.ceil(_METRES_PER_DEGREE * step / 2 * math.hypot(1, math.cos(math.radians(latitude))))


def deployment(of: Deployment, first: Shot, last: Shot, step: float | None) -> Row:
    """Its row; without a stated period it is that of its pictures."""
    guessed = [end for end, said in (("start", of.begin), ("end", of.end)) if said is None]
    return {
        "deploymentID": of.camera,
        "locationID": of.camera,
        "locationName": of.name,
        "latitude": coarse(of.latitude, step),
        "longitude": coarse(of.longitude, step),
        "coordinateUncertainty": uncertainty_m(of.latitude, step) if step else "",
        "deploymentStart": told(of.begin or first.at, of.zone),
        "deploymentEnd": told(of.end or last.at, of.zone),
        "cameraID": of.camera,
        "cameraModel": first.device,
        "deploymentComments": f"{' and '.join(guessed)}: of its pictures" if guessed else "",
    }


def media(shot: Shot, zone: tzinfo, methods: Sequence[str]) -> Row:
    """A picture; one with people is not public."""
    return {
        "mediaID": shot.id,
        "deploymentID": shot.camera,
        "captureMethod": methods[0] if len(methods) == 1 else "",
        "timestamp": told(shot.at, zone),
        "filePath": file_path(shot),
        "filePublic": _boolean(not shot.people),
        "fileName": shot.file_name,
        "fileMediatype": mimetypes.guess_type(shot.path)[0] or "image/jpeg",
    }


def file_path(shot: Shot) -> str:
    """Where the picture lies within the package, if it is in it."""
    return f"media/{shot.camera}/{shot.id}{PurePath(shot.path).suffix.lower()}"


def observations(event: Event, known: Known, zone: tzinfo) -> Iterator[Row]:
    """Media-based ones, picture by picture, then those of the event."""
    span = {"eventID": event.id, "deploymentID": event.camera}
    for shot in event.shots:
        at = told(shot.at, zone)
        yield from (span | {"eventStart": at, "eventEnd": at} | row for row in _of_shot(shot, known, zone))
    span |= {"eventStart": told(event.shots[0].at, zone), "eventEnd": told(event.shots[-1].at, zone)}
    yield from (span | row for row in _of_event(event, known, zone))


def _of_shot(shot: Shot, known: Known, zone: tzinfo) -> Iterator[Row]:
    base = {"mediaID": shot.id, "observationLevel": "media"}
    for sight in shot.sights:
        x, y, width, height = sight.box
        boxed = width > 0 and height > 0
        box = dict(zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), (x, y, width, height), strict=True))
        yield (
            base
            | {"observationID": observation_id(shot, sight), "count": 1}
            | (box if boxed else {})
            | _animal(sight.individual, [sight], known, shot.at, zone)
            | _classified([sight], zone)
            | ({"observationComments": f"face cannot be used: {sight.flaw}"} if sight.flaw else {})
        )
    if shot.people:
        yield base | {"observationID": f"{shot.id}-human"} | _human(shot.people)
    elif not shot.sights:
        yield base | {"observationID": f"{shot.id}-blank", "observationType": "blank"}


def _of_event(event: Event, known: Known, zone: tzinfo) -> Iterator[Row]:
    base = {"observationLevel": "event"}
    empty = True
    own = [[sight for sight in shot.sights if not sight.foreign] for shot in event.shots]
    others = [[sight for sight in shot.sights if sight.foreign] for shot in event.shots]
    if most := max(map(len, others)):
        empty = False
        foreign = [sight for of_shot in others for sight in of_shot]
        yield (
            base
            | {"observationID": f"{event.id}-other", "count": most}
            | _animal(None, foreign, known, event.shots[0].at, zone)
            | _classified(foreign, zone)
        )
    for individual, sights, count in together(own):
        empty = False
        who = "unknown" if individual is None else individual
        yield (
            base
            | {"observationID": f"{event.id}-{who}", "count": count}
            | _animal(individual, sights, known, event.shots[0].at, zone)
            | _classified(sights, zone)
        )
    if people := max(shot.people for shot in event.shots):
        yield base | {"observationID": f"{event.id}-human"} | _human(people)
    elif empty:
        yield base | {"observationID": f"{event.id}-blank", "observationType": "blank"}


def observation_id(shot: Shot, sight: Sight) -> str:
    """Of a face."""
    return f"{shot.id}-{sight.number}"


def _human(count: int) -> Row:
    return {"observationType": "human", "scientificName": HUMAN, "count": count, "classificationMethod": "machine"}


def _animal(individual: str | None, sights: Sequence[Sight], known: Known, at: datetime, zone: tzinfo) -> Row:
    """What it is; the life stage of a known animal is that of its birth date, not of one picture."""
    stages = {sight.estimates[-1]["life_stage"] for sight in sights if sight.estimates}
    alone = stages.pop() if len(stages) == 1 else None
    stage = known.stage(individual, at.astimezone(zone).date()) if individual else None
    stage = stage or alone
    foreign = all(sight.foreign for sight in sights)
    return {
        "observationType": "animal",
        "scientificName": "" if foreign else known.scientific_name(individual),
        "lifeStage": _standard(stage, known.species),
        "sex": SEXES.get(known.sex.get(individual) or "", "") if individual else "",
        "individualID": individual or "",
        "observationTags": f"lifeStage:{stage}" if stage else "",
    }


def _standard(stage: str | None, species: Species | None) -> str:
    """One of the three that the standard knows; empty where none fits."""
    fits = {one.name: one.camtrap_dp for one in species.life_stages} if species else {}
    return fits.get(stage or "", "")


def _classified(sights: Sequence[Sight], zone: tzinfo) -> Row:
    """By the person who said it last, else by the model that looked last."""
    judges = [sight.judge for sight in sights if sight.judge]
    if judges:
        judge = max(judges, key=lambda judge: judge.at)
        return {
            "classificationMethod": "human",
            "classifiedBy": judge.who,
            "classificationTimestamp": told(judge.at, zone),
        }
    looked = [sight.estimates[-1] for sight in sights if sight.estimates]
    if not looked:
        return {"classificationMethod": "machine"}
    last = max(looked, key=lambda row: row["estimated_at"])
    sure = [sight.confidence for sight in sights if sight.confidence is not None]
    return {
        "classificationMethod": "machine",
        "classifiedBy": last["model"],
        "classificationTimestamp": told(datetime.fromisoformat(last["estimated_at"]), zone),
        "classificationProbability": round(max(sure), 4) if sure else "",
    }


def age_estimates(shot: Shot, zone: tzinfo) -> Iterator[Row]:
    """Of every face, by every model."""
    for sight in shot.sights:
        for row in sight.estimates:
            yield {
                "ageEstimateID": f"{observation_id(shot, sight)}-{row['model']}",
                "observationID": observation_id(shot, sight),
                "model": row["model"],
                "ageYears": max(0.0, round(row["age_years"], 3)),
                "standardDeviationYears": round(row["sd_years"], 3),
                "lowYears": _number(row["low_years"]),
                "highYears": _number(row["high_years"]),
                "lifeStage": row["life_stage"] or "",
                "estimatedAt": told(datetime.fromisoformat(row["estimated_at"]), zone),
            }


def individuals(listed: Iterable[Mapping[str, Any]], species: Species | None) -> Iterator[Row]:
    """From what `station individuals` lists."""
    for row in listed:
        yield {
            "individualID": row["id"],
            "individualName": row["name"] or "",
            "scientificName": species.scientific_name if species else "",
            "sex": SEXES.get(row["sex"] or "", ""),
            "provisional": _boolean(row["provisional"]),
            "born": row["born"] or "",
            "bornLow": row["born_low"] or "",
            "bornHigh": row["born_high"] or "",
            "bornIsKnown": _boolean(row["born_is_known"]),
            "died": row["died_on"] or "",
            "images": row["images"],
        }


def told(moment: datetime, zone: tzinfo) -> str:
    """As the standard wants it: with an offset, without fractions."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(zone).isoformat(timespec="seconds")


def _boolean(value: object) -> str:
    return "true" if value else "false"


def _number(value: float | None) -> float | str:
    return "" if value is None else round(value, 3)
