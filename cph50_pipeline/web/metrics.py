"""What the server counts of itself, as Prometheus reads it. Each application has a registry of its own."""

from __future__ import annotations

import logging
from collections import Counter as Counted
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cph50_pipeline.defs.live import device_snapshots, live_store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Cycle, Freshness, Heartbeat
from cph50_pipeline.live.snapshot import DeviceSnapshot
from cph50_pipeline.web.cached import CacheCounts
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.problems import documented

HIT_RATIO = "cph50_api_cache_hit_ratio"
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE_SECONDS = 1.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONGEST_ROUND = timedelta(minutes=5)
_OF_A_ROUND: Sequence[tuple[str, str, Callable[[Cycle], float | None]]] = (
    ("duration_seconds", "How long it took", lambda cycle: cycle.duration_seconds),
    ("devices", "Devices of the feed", lambda cycle: cycle.devices),
    ("updated", "Sensors that got a newer value", lambda cycle: cycle.updated),
    ("errors", "Devices that could not be read", lambda cycle: cycle.errors),
    ("fresh", "Devices that were fresh", lambda cycle: cycle.fresh),
    ("age_average_seconds", "Average age of the devices", lambda cycle: cycle.average_age_seconds),
    ("age_maximum_seconds", "Age of the oldest device", lambda cycle: cycle.maximum_age_seconds),
)
_log = logging.getLogger(__name__)

router = APIRouter(tags=["health"])


class Metrics:
    """The counters of one application."""

    def __init__(self, context: Context) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "cph50_api_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "cph50_api_request_seconds",
            "Time until an answer was sent",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._at_work = Gauge("cph50_api_requests_at_work", "Requests at work now", registry=self.registry)
        self.registry.register(_Kept(context))
        self.registry.register(_Ages(context))

    def begin(self) -> None:
        """A request came."""
        self._at_work.inc()

    def end(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """It was answered.

        Args:
            seconds: How long that took; None where it is no measure.
        """
        self._at_work.dec()
        self._requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(route).observe(seconds)


class _Kept(Collector):
    """The answers that are kept."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """The counts as they are now."""
        counts: CacheCounts = self._context.answers.counts()
        served = CounterMetricFamily(
            "cph50_api_cache_answers", "Answers that were there, were made, or were old", labels=["result"]
        )
        for result, number in (("hit", counts.hits), ("miss", counts.misses), ("stale", counts.stale)):
            served.add_metric([result], number)
        yield served
        yield CounterMetricFamily("cph50_api_cache_errors", "Answers that could not be made", counts.errors)
        yield GaugeMetricFamily("cph50_api_cache_entries", "Answers that are kept", counts.entries)
        yield GaugeMetricFamily(
            "cph50_api_cache_bytes", "Size of the answers that are kept", counts.size_bytes
        )
        if counts.hit_rate is not None:
            yield GaugeMetricFamily(HIT_RATIO, "Answers that nobody had to wait for", counts.hit_rate)


class _Ages(Collector):
    """How old what the devices said is, and whether their collectors work."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """The ages as they are now; nothing but that while the live table does not answer."""
        settings, now = self._context.settings, self._context.clock()
        answers = GaugeMetricFamily("cph50_live_table_up", "Whether the live table answers")
        try:
            snapshots = device_snapshots(settings, now)
            table = live_store(settings)
            beats = table.heartbeats()
            rounds = [table.cycles(beat.feed, beat.beaten_at - _LONGEST_ROUND)[-1:] for beat in beats]
        except Cph50Error as error:
            _log.warning("The live table is not measured: %s", error)
            answers.add_metric([], 0)
            yield answers
            return
        answers.add_metric([], 1)
        yield answers
        yield from _of_devices(snapshots)
        yield from _of_feeds(beats, now)
        yield from _of_rounds([newest for found in rounds for newest in found])


def _of_devices(snapshots: Sequence[DeviceSnapshot]) -> Iterator[Metric]:
    labels = ["device", "kind"]
    ages = GaugeMetricFamily("cph50_device_age_seconds", "Age of a device's newest value", labels=labels)
    for one in snapshots:
        if one.age_seconds is not None:
            ages.add_metric([one.device.device_id, one.device.kind.value], one.age_seconds)
    yield ages
    states = GaugeMetricFamily("cph50_devices", "Devices by freshness", labels=["freshness"])
    counts = Counted(one.freshness.value for one in snapshots)
    for freshness in Freshness:
        states.add_metric([freshness.value], counts[freshness.value])
    yield states


def _of_feeds(beats: Sequence[Heartbeat], now: datetime) -> Iterator[Metric]:
    alive = GaugeMetricFamily("cph50_feed_alive", "Whether a feed's collector is at work", labels=["feed"])
    failures = GaugeMetricFamily("cph50_feed_failures", "Rounds in a row that failed", labels=["feed"])
    for beat in beats:
        alive.add_metric([beat.feed], float(beat.is_alive(now)))
        failures.add_metric([beat.feed], beat.failures)
    yield from (alive, failures)


def _of_rounds(newest: Sequence[Cycle]) -> Iterator[Metric]:
    """What was told of the newest round of each feed; what is not known of it is left out."""
    for name, meaning, value in _OF_A_ROUND:
        told = GaugeMetricFamily(
            f"cph50_round_{name}", f"{meaning}, in the feed's newest round", labels=["feed"]
        )
        for cycle in newest:
            if (number := value(cycle)) is not None:
                told.add_metric([cycle.feed], number)
        yield told


@router.get(
    "/metrics",
    responses={
        200: {
            "description": "Prometheus' text form",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **documented(),
    },
    response_class=Response,
)
def metrics(request: Request) -> Response:
    """What the server counts, how old things are, and how well what is built was kept."""
    own: Metrics = request.app.state.metrics
    built: BuiltNumbers = request.app.state.built_numbers
    return Response(
        generate_latest(own.registry) + built.text(),
        headers={"Cache-Control": "no-store"},
        media_type=_MEDIA_TYPE,
    )


class BuiltNumbers:
    """How well what is built was kept, from Dagster's records: reckoned aside, since that takes seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="built")
        self._at_work: Future[bytes] | None = None
        self._newest = b""
        self._lock = Lock()

    def text(self) -> bytes:
        """The newest numbers; nothing before there are any, or while Dagster's records do not answer."""
        with self._lock:
            if self._at_work is None:
                self._at_work = self._pool.submit(self._reckon)
            at_work = self._at_work
        with suppress(NotDoneError):
            self._newest = at_work.result(_PATIENCE_SECONDS)
            self._at_work = None
        return self._newest

    def close(self) -> None:
        """Stop reckoning."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _reckon(self) -> bytes:
        from cph50_pipeline.defs.caches.metrics import collect, prometheus

        try:
            return prometheus(
                collect(self._context.settings, self._context.answers.counts().hit_rate)
            ).encode()
        except (
            Exception
        ) as error:  # whatever Dagster's database raises: the server's own numbers are right all the same
            _log.warning("What is built is not measured: %s", error)
            return b""
