"""From what was gathered to the report.  `examine` is pure: the ledger's part is `Vitals`, the daemon's `Live`."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from station import history, silence
from station.domain import Away
from station.health import Camera, Coverage, Health, Problem, Queue, Refused, Running, Spread
from station.meter import Histogram, Meter
from station.notices import alerts
from station.settings import Settings
from station.silence import Rule, Span
from station.times import iso
from station.vitals import RECENTLY, CameraVitals, EstimateCount, FrameCount, Vitals, vitals

LANES = ("live", "backlog")
STALE_ROUNDS, STALE_S = 3, 180
"""A daemon without a sign of life for so many rounds, and so long, is down."""
AWAY_S = 900
"""A broker that is away for longer is worth a word; links come and go."""
TAKEN_BACK = timedelta(days=7)
"""For so long it is worth a word that the station went back to the model of before by itself."""
FULL = 0.8
"""The share of `mqtt.outbox_max` that is worth a word."""


@dataclass(frozen=True)
class Live:
    """What only the running daemon knows."""

    model: Callable[[], str]
    """The version in service."""
    device: str
    meter: Meter
    memory_bytes: Callable[[], dict[str, int]]
    broker: Callable[[], str]
    """`connected`, or in a word what it is instead."""
    found: Callable[[], Sequence[str]] = tuple
    """Problems that other parts have found and logged, a sentence each."""
    away: Callable[[], Away | None] = lambda: None
    """Since when and why there is no connection to the broker."""
    unsent: Callable[[], int] = lambda: 0
    """Estimates that went unsent because the broker was away for too long."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """The report with the counts it was made of."""

    health: Health
    frames: tuple[FrameCount, ...]
    estimates: tuple[EstimateCount, ...]


def checkup(read: Settings, now: datetime, live: Live | None = None) -> Checkup:
    """Looks at database and disks.  Raises `StoreError`."""
    with history.reading(read.station.database) as db:
        found = vitals(db, now, read.places())
        by_clock = tuple(alerts(db, read.schedule.retries))
    health = examine(read, found, now, free_mb(read), live)
    return Checkup(replace(health, problems=(*health.problems, *by_clock)), found.frames, found.estimates)


def free_mb(read: Settings) -> dict[str, float]:
    """Free space where the station writes."""
    places = {"database": read.station.database} | ({"spool": read.mqtt.spool} if read.mqtt.host else {})
    return {name: shutil.disk_usage(_there(place.absolute())).free / 1e6 for name, place in places.items()}


def _there(place: Path) -> Path:
    return next(p for p in (place, *place.parents) if p.is_dir())


def examine(
    read: Settings, found: Vitals, now: datetime, free: Mapping[str, float], live: Live | None = None
) -> Health:
    """The report on these findings."""
    health = Health(
        station=read.station.id,
        database=str(read.station.database.absolute()),
        at=iso(now),
        state="running" if live else _state(read, found, now),
        problems=(),
        queues={lane: _queue(found, i, now) for i, lane in enumerate(LANES)},
        images=_sums((c.outcome, c.n) for c in found.frames),
        rejections=_sums((c.reason, c.n) for c in found.frames if c.outcome == "rejected"),
        refused=tuple(Refused(*row) for row in found.refused),
        estimates=sum(c.n for c in found.current),
        images_per_s=found.done_recently / RECENTLY.total_seconds(),
        coverage=_coverage(found),
        outbox=Queue(found.outbox, _age_s(found.outbox_oldest, now)),
        broker=_broker(read, live),
        cameras=tuple(_cameras(read, found, now)),
        free_mb=free,
        running=_running(live) if live else None,
    )
    elsewhere = [Problem(sentence, sentence) for sentence in live.found()] if live else []
    away = _away_problems(read, live) if live else ()
    return replace(health, problems=(*_problems(read, health, found, now), *away, *elsewhere))


def _state(read: Settings, found: Vitals, now: datetime) -> str:
    if found.daemon is None:
        return "never"
    if found.daemon.ended_at:
        return "stopped"
    patience = timedelta(seconds=max(STALE_S, STALE_ROUNDS * read.health.every_s))
    return "running" if abs(now - found.daemon.alive_at) < patience else "down"


def _queue(found: Vitals, lane: int, now: datetime) -> Queue:
    waiting = sum(c.n for c in found.frames if c.outcome == "waiting" and c.lane == lane) - found.elsewhere[lane]
    since = found.oldest_waiting.get(lane)
    if since and since > now and found.runs:  # by a clock that was ahead: at least as long as this run
        since = found.runs[0].began
    return Queue(waiting, _age_s(since, now))


def _age_s(since: datetime | None, now: datetime) -> float | None:
    return (now - since).total_seconds() if since else None


def _sums(parts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums = Counter[str]()
    for key, n in parts:
        sums[key] += n
    return dict(sorted(sums.items()))


def _coverage(found: Vitals) -> Coverage:
    known = sum(c.n for c in found.current if c.interval_known)
    observed = [c for c in found.frames if c.outcome == "observed"]
    believable = sum(c.n for c in observed if c.clock == "believable")
    return Coverage(_share(known, sum(c.n for c in found.current)), _share(believable, sum(c.n for c in observed)))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _broker(read: Settings, live: Live | None) -> str:
    if not read.mqtt.host:
        return "none"
    return live.broker() if live else "unknown"


def _cameras(read: Settings, found: Vitals, now: datetime) -> Iterator[Camera]:
    for camera in found.cameras:
        yield _camera(camera, _rule(read, camera.name), found.runs, now)
    heard = {camera.name for camera in found.cameras}
    for name in sorted(set(read.cameras) - heard):
        if "{camera}" not in read.cameras[name].pattern:
            yield Camera(name, None, None, None, None)


def _rule(read: Settings, camera: str) -> Rule:
    own = read.cameras[camera].silent_after_h if camera in read.cameras else None
    return Rule(read.health.silent_floor_h, read.health.silent_after_h, own)


def _camera(camera: CameraVitals, rule: Rule, runs: tuple[Span, ...], now: datetime) -> Camera:
    allowed = silence.allowed(camera.arrivals, rule)
    heard = camera.arrivals[-1].ended if camera.arrivals else None
    silent = silence.silent_since(heard, now, allowed, runs) if heard else None
    hours = allowed.total_seconds() / 3600 if allowed else None
    return Camera(camera.name, _text(heard), _text(camera.last_frame), hours, _text(silent))


def _text(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None


def _running(live: Live) -> Running:
    stages = {name: _spread(histogram) for name, histogram in live.meter.stages().items()}
    return Running(live.model(), live.device, live.memory_bytes(), stages, _spread(live.meter.batches()), live.unsent())


def _spread(histogram: Histogram) -> Spread:
    count = histogram.count
    return Spread(count, histogram.total / count if count else 0.0, histogram.below(0.95))


def _problems(read: Settings, health: Health, found: Vitals, now: datetime) -> Iterator[Problem]:
    if health.state == "down" and found.daemon:
        yield Problem(
            "station",
            f"the station went down without a word after {_when(iso(found.daemon.alive_at))}",
            "read its log (`journalctl -u station`) and start it: what was in hand is done again",
        )
    yield from _work_problems(read, health, found, now)
    if elsewhere := sum(found.elsewhere.values()):
        yield Problem(
            "elsewhere",
            f"{elsewhere} pictures wait below folders that the configuration no longer names",
            "they wait for as long as it takes: name their folder (a camera's, or mqtt.spool) again to have them done",
        )
    yield from _outbox_problems(read, health)
    if (back := found.taken_back) and now - back.at < TAKEN_BACK:
        yield Problem(
            "model",
            f"since {_when(iso(back.at))} {back.version} is in service again instead of {back.instead_of}: {back.why}",
            "`station models --history` tells more; promoting or pinning a model says that you have seen it",
        )
    for name, free in health.free_mb.items():
        if free < read.health.free_mb:
            yield Problem(f"space {name}", f"{free:.0f} MB are free for the {name}", "make room on its disk")
    for camera in health.cameras:
        if camera.silent_since and camera.allowed_silence_h:
            yield Problem(
                f"camera {camera.camera}",
                f"camera {camera.camera} is silent since {_when(camera.silent_since)}; "
                f"{camera.allowed_silence_h:.0f} hours are usual at most",
                f"look at its battery, card and link; if it is to rest, set cameras.{camera.camera}.silent_after_h = 0",
            )


def _work_problems(read: Settings, health: Health, found: Vitals, now: datetime) -> Iterator[Problem]:
    """Only what has gone on for longer than the station is up: after a power cut everything has waited for long."""
    limit_s, up_s = read.health.live_wait_s, _age_s(found.runs[0].began if found.runs else None, now) or 0.0
    if health.state != "running" or up_s <= limit_s:
        return
    oldest_s = max((q.oldest_s for q in health.queues.values() if q.oldest_s is not None), default=0.0)
    idle_s = oldest_s if found.last_done is None else (now - found.last_done).total_seconds()
    live = health.queues["live"]
    if min(oldest_s, idle_s) > limit_s:
        yield Problem(
            "line",
            f"{sum(q.waiting for q in health.queues.values())} pictures wait, and none was done for {_long(idle_s)}",
            "read the log, and restart the station: nothing is lost by that",
        )
    elif live.oldest_s is not None and live.oldest_s > limit_s:
        yield Problem(
            "live lane",
            f"{live.waiting} live pictures wait, the oldest for {_long(live.oldest_s)}",
            "more comes than this device can do: see the times of the stages in `station health`, raise line.workers "
            "or line.batch_faces, or take fewer pictures",
        )


def _away_problems(read: Settings, live: Live) -> Iterator[Problem]:
    away = live.away()
    if away and away.seconds > AWAY_S:
        yield Problem(
            "broker",
            f"there is no connection to the broker {read.mqtt.host}:{read.mqtt.port} for {_long(away.seconds)} "
            f"({away.why or 'nothing was tried yet'})",
            "look whether it runs, can be reached, and takes the station's user; nothing is lost meanwhile",
        )


def _outbox_problems(read: Settings, health: Health) -> Iterator[Problem]:
    outbox, limit = health.outbox, read.mqtt.outbox_max
    broker = f"{read.mqtt.host}:{read.mqtt.port}"
    if not read.mqtt.host:
        return
    if outbox.oldest_s is not None and outbox.oldest_s > read.health.outbox_wait_h * 3600:
        yield Problem(
            "outbox",
            f"{outbox.waiting} messages wait for the broker, the oldest for {_long(outbox.oldest_s)}",
            f"look whether {broker} can be reached and takes the station's user; they are sent when it does",
        )
    if outbox.waiting >= FULL * limit:
        yield Problem(
            "outbox limit",
            f"{outbox.waiting} messages wait, of {limit} that may",
            f"bring {broker} back, or raise mqtt.outbox_max: beyond it the oldest estimates go unsent",
        )


def _when(moment: str) -> str:
    return moment[:16].replace("T", " ") + " UTC"


def _long(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
