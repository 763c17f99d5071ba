"""How well what is built was kept, in numbers against targets: from Dagster's records of the last 30 days.

The hit rate is the one number that only the running API knows; it is asked for it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.defs.caches.live_entries import all_statuses
from cph50_pipeline.defs.caches.registry import TYPES
from cph50_pipeline.defs.caches.status import EntryStatus
from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.jobs import SESSION_JOB
from cph50_pipeline.settings import Settings

DAYS = 30
HIT_RATIO_METRIC = "cph50_api_cache_hit_ratio"
_TIMED_RUNS = 200
"""Of each job, the newest: more would not change what they take on average."""
_KEPT_SECONDS = 30.0
_ASK_SECONDS = 2.0


@dataclass(frozen=True)
class Metric:
    """One number.

    Attributes:
        name: As Prometheus knows it, unit included.
        value: None: not known.
        target: In words; None where there is none.
        met: Whether the target is met; None where there is none, or nothing is known.
        meaning: In a sentence.
    """

    name: str
    value: float | None
    target: str | None
    met: bool | None
    meaning: str


@dataclass(frozen=True)
class _Runs:
    """What became of the runs of the last days.

    Attributes:
        mean_seconds: None when none succeeded.
    """

    succeeded: int
    failed: int
    mean_seconds: float | None


def measure(
    instance: dg.DagsterInstance, found: Sequence[EntryStatus], now: datetime, hit_rate: float | None
) -> list[Metric]:
    """The numbers.

    Args:
        hit_rate: Share of the API's answers that were there already; None: not known.
    """
    runs = _runs(instance, now - timedelta(days=DAYS))
    ended = runs.succeeded + runs.failed
    success = runs.succeeded / ended if ended else None
    in_error = sum(entry.error is not None for entry in found) / len(found) if found else None
    ages = [e.age_seconds for e in found if e.valid_until is not None and e.age_seconds is not None]
    return [
        _at_least("cph50_cache_refresh_success_ratio", success, 0.95, f"Runs of {DAYS} days that went well"),
        _below("cph50_cache_refresh_mean_seconds", runs.mean_seconds, 300.0, "What a run takes on average"),
        _at_least("cph50_cache_hit_ratio", hit_rate, 0.90, "Answers of the API that were there already"),
        _below("cph50_cache_error_ratio", in_error, 0.05, "Entries whose last attempt failed"),
        _below(
            "cph50_cache_oldest_age_seconds",
            max(ages, default=None),
            90_000.0,
            "Age of the oldest entry that still changes; a day may have 25 hours",
        ),
        *_counts(found, runs),
    ]


def prometheus(metrics: Sequence[Metric]) -> str:
    """The numbers that are known, as Prometheus reads them."""
    lines = []
    for metric in metrics:
        if metric.value is not None:
            lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} gauge"]
            lines.append(f"{metric.name} {metric.value:.10g}")
    return "".join(f"{line}\n" for line in lines)


_kept: dict[str, tuple[float, list[Metric]]] = {}
_kept_lock = Lock()


def collect(settings: Settings, hit_rate: float | None = None) -> list[Metric]:
    """The numbers of a household for who asks often: reckoned every 30 seconds at most, by one at a time.

    Args:
        hit_rate: As for `measure`; whoever serves answers knows its own.
    """
    with _kept_lock:
        reckoned_at, metrics = _kept.get(settings.data_root, (0.0, []))
        if not metrics or time.monotonic() - reckoned_at > _KEPT_SECONDS:
            now = datetime.now(UTC)
            with open_instance(settings) as instance:
                metrics = measure(instance, all_statuses(instance, settings, now), now, hit_rate)
            _kept[settings.data_root] = time.monotonic(), metrics
        return metrics


def ask_hit_rate(settings: Settings) -> float | None:
    """What the running API says of its hit rate; None when it does not answer, or has not answered anybody yet."""
    import httpx

    try:
        answer = httpx.get(f"{str(settings.api_url).rstrip('/')}/metrics", timeout=_ASK_SECONDS)
    except httpx.HTTPError:
        return None
    said = re.search(rf"^{HIT_RATIO_METRIC} (\S+)$", answer.text, re.MULTILINE)
    try:
        return None if said is None else float(said[1])
    except ValueError:
        return None


def rows(metrics: Sequence[Metric]) -> list[Mapping[str, object]]:
    """The numbers as rows of a table."""
    return [
        {
            "name": metric.name,
            "value": "not known" if metric.value is None else round(metric.value, 4),
            "target": metric.target,
            "met": metric.met,
            "meaning": metric.meaning,
        }
        for metric in metrics
    ]


def _counts(found: Sequence[EntryStatus], runs: _Runs) -> list[Metric]:
    counted = {
        "cph50_cache_entries": (len(found), "Entries there are"),
        "cph50_cache_entries_invalid": (sum(not e.valid for e in found), "Entries that are not valid"),
        "cph50_cache_entries_stale": (sum(e.stale for e in found), "Entries served though not valid"),
        "cph50_cache_refresh_succeeded": (runs.succeeded, f"Runs of {DAYS} days that went well"),
        "cph50_cache_refresh_failed": (runs.failed, f"Runs of {DAYS} days that failed"),
    }
    return [Metric(name, float(value), None, None, meaning) for name, (value, meaning) in counted.items()]


def _at_least(name: str, value: float | None, above: float, meaning: str) -> Metric:
    return Metric(name, value, f"> {above:.0%}", None if value is None else value > above, meaning)


def _below(name: str, value: float | None, limit: float, meaning: str) -> Metric:
    target = f"< {limit:.0%}" if name.endswith("_ratio") else f"< {limit:.0f} s"
    return Metric(name, value, target, None if value is None else value < limit, meaning)


def _runs(instance: dg.DagsterInstance, since: datetime) -> _Runs:
    """Runs that make entries, but not those that collect a session, which sample it for minutes first.

    A run that a person ended counts as neither.
    """
    jobs = sorted({job for type_ in TYPES.values() for job in type_.made_by} - {SESSION_JOB})
    succeeded, failed, seconds = 0, 0, 0.0
    for job in jobs:
        failed += instance.get_runs_count(_ended(job, DagsterRunStatus.FAILURE, since))
        went_well = _ended(job, DagsterRunStatus.SUCCESS, since)
        count = instance.get_runs_count(went_well)
        records = instance.get_run_records(went_well, limit=_TIMED_RUNS) if count else []
        took = [r.end_time - r.start_time for r in records if r.start_time and r.end_time]
        succeeded += count
        seconds += count * sum(took) / len(took) if took else 0.0
    return _Runs(succeeded, failed, seconds / succeeded if succeeded else None)


def _ended(job: str, status: DagsterRunStatus, since: datetime) -> RunsFilter:
    return RunsFilter(job_name=job, statuses=[status], created_after=since)
