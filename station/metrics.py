"""The report in Prometheus' text format.  The one room of prometheus_client.

What the ledger counts are gauges: a rejected frame that is tried again is counted anew.  What the Line measures
starts from zero with the daemon, as Prometheus expects of histograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from station.checkup import Checkup, Live
from station.health import Health
from station.meter import Histogram
from station.vitals import FrameCount

CONTENT_TYPE = CONTENT_TYPE_LATEST
Values = Iterable[tuple[tuple[str, ...], float]]


def exposition(found: Checkup, live: Live) -> bytes:
    """All metrics of the station and of its process."""
    registry = CollectorRegistry()
    registry.register(_Families(found, live))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, found: Checkup, live: Live) -> None:
        self._found = found
        self._live = live

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry collects once to see the names

    def collect(self) -> Iterator[Metric]:
        health = self._found.health
        yield from _pictures(self._found)
        yield from _waits(health)
        yield from _cameras(health)
        yield from _box(health)
        yield from _measured(self._live)


def _gauge(name: str, help: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(f"station_{name}", help, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _pictures(found: Checkup) -> Iterator[Metric]:
    frames, health = found.frames, found.health
    outcomes = _sums(frames, "camera", "outcome", "reason")
    yield _gauge("frames", "Frames in the ledger.", ("camera", "outcome", "reason"), outcomes)
    clocks = _sums([c for c in frames if c.clock], "camera", "clock")
    yield _gauge("frame_times", "Observed frames by what their capture time is worth.", ("camera", "clock"), clocks)
    made = [((c.model, "known" if c.interval_known else "unknown"), c.n) for c in found.estimates]
    by_model = "Estimates in the ledger; a face has one of each model that has read it."
    yield _gauge("estimates", by_model, ("model", "interval"), made)
    yield _gauge("current_estimates", "Those of the model in service.", (), [((), health.estimates)])
    yield _gauge("images_per_second", "Done in the last five minutes.", (), [((), health.images_per_s)])
    shares = {"interval": health.coverage.interval, "time": health.coverage.time}
    known = [((of,), share) for of, share in shares.items() if share is not None]
    yield _gauge("coverage_ratio", "Estimates with an interval, frames with a believable time.", ("of",), known)


def _sums(counts: Iterable[FrameCount], *labels: str) -> Values:
    sums: dict[tuple[str, ...], float] = {}
    for count in counts:
        key = tuple(str(getattr(count, label)) for label in labels)
        sums[key] = sums.get(key, 0) + count.n
    return sums.items()


def _waits(health: Health) -> Iterator[Metric]:
    lanes = health.queues.items()
    yield _gauge("waiting_frames", "Frames without an outcome.", ("lane",), [((n,), q.waiting) for n, q in lanes])
    oldest = [((name,), queue.oldest_s or 0.0) for name, queue in lanes]
    yield _gauge("oldest_waiting_seconds", "Since the frame that is next was admitted.", ("lane",), oldest)
    yield _gauge("outbox_messages", "Messages that wait for the broker.", (), [((), health.outbox.waiting)])
    yield _gauge("outbox_oldest_seconds", "The oldest of them.", (), [((), health.outbox.oldest_s or 0.0)])
    refused = [((r.reason, r.camera), r.messages) for r in health.refused]
    yield _gauge("refused_messages", "Messages from the broker that were not taken.", ("reason", "camera"), refused)
    if health.running:
        lost = [((), health.running.unsent)]
        yield _gauge("unsent_estimates", "Dropped from a full outbox since the start; a replay gives them.", (), lost)
    if health.broker not in ("none", "unknown"):
        yield _gauge("broker_connected", "1: it is.", (), [((), float(health.broker == "connected"))])
    yield _gauge(
        "problems", "What a person should act on; /healthz says it in words.", (), [((), len(health.problems))]
    )


def _cameras(health: Health) -> Iterator[Metric]:
    heard = [((c.camera,), datetime.fromisoformat(c.last_heard).timestamp()) for c in health.cameras if c.last_heard]
    yield _gauge("camera_last_heard_timestamp_seconds", "When its newest picture arrived.", ("camera",), heard)
    silent = [((c.camera,), float(c.silent_since is not None)) for c in health.cameras]
    yield _gauge("camera_silent", "1: for longer than its rhythm allows.", ("camera",), silent)
    allowed = [((c.camera,), c.allowed_silence_h * 3600) for c in health.cameras if c.allowed_silence_h]
    yield _gauge("camera_allowed_silence_seconds", "By its rhythm or the configuration.", ("camera",), allowed)


def _box(health: Health) -> Iterator[Metric]:
    free = [((where,), mb * 1e6) for where, mb in health.free_mb.items()]
    yield _gauge("free_bytes", "Free space for the database and the spool.", ("where",), free)
    if health.running:
        running = health.running
        info = [((health.station, running.model, running.device), 1.0)]
        yield _gauge("info", "Always 1.", ("station", "model", "device"), info)
        memory = [((kind,), float(size)) for kind, size in running.device_memory_bytes.items()]
        yield _gauge("device_memory_bytes", "Of the GPU; nothing on a CPU.", ("kind",), memory)


def _measured(live: Live) -> Iterator[Metric]:
    stages = HistogramMetricFamily(
        "station_stage_seconds", "look and wait: a frame; device and record: a batch.", labels=("stage",)
    )
    for name, histogram in live.meter.stages().items():
        stages.add_metric((name,), _buckets(histogram), histogram.total)
    yield stages
    batches = HistogramMetricFamily("station_batch_faces", "Faces in a batch.")
    histogram = live.meter.batches()
    batches.add_metric((), _buckets(histogram), histogram.total)
    yield batches


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    so_far, buckets = 0, []
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return buckets
