"""Entries, refreshes and findings as JSON: the same for the command and the web."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.defs.caches.health import Finding
from cph50_pipeline.defs.caches.refresh import Refreshed
from cph50_pipeline.defs.caches.registry import ALL_TYPES
from cph50_pipeline.defs.caches.status import EntryStatus


def entry_document(entry: EntryStatus) -> dict[str, Any]:
    """One entry; times in UTC."""
    return {
        "type": entry.type,
        "key": entry.key,
        "path": entry.path,
        "job": ALL_TYPES[entry.type].job,
        "valid": entry.valid,
        "stale": entry.stale,
        "fault": None if entry.fault is None else entry.fault.value,
        "why": entry.why,
        "error": entry.error,
        "built_at": _time(entry.built_at),
        "age_seconds": None if entry.age_seconds is None else round(entry.age_seconds, 1),
        "valid_until": _time(entry.valid_until),
        "duration_seconds": None if entry.duration_seconds is None else round(entry.duration_seconds, 3),
        "size_bytes": entry.size_bytes,
        "next_refresh": _time(entry.next_refresh),
        "at_work": entry.at_work,
    }


def refreshed_document(done: Refreshed) -> dict[str, Any]:
    """What a refresh came to."""
    return {
        "succeeded": done.succeeded,
        "skipped": [_name(entry) for entry in done.skipped],
        "at_work": [{**_name(entry), "run_id": entry.at_work} for entry in done.at_work],
        "runs": [
            {
                "job": batch.job,
                "months": list(batch.months),
                "run_id": outcome.run_id,
                "succeeded": outcome.succeeded,
                "failures": list(outcome.failures),
            }
            for batch, outcome in done.runs
        ],
        "left": [entry_document(entry) for entry in done.left],
    }


def health_document(found: list[Finding]) -> dict[str, Any]:
    """What was found, and whether all of it is well."""
    return {
        "healthy": all(finding.is_ok for finding in found),
        "checks": [{"name": f.name, "ok": f.is_ok, "said": f.said} for f in found],
    }


def _name(entry: EntryStatus) -> dict[str, str]:
    return {"type": entry.type, "key": entry.key}


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)
