"""`runs.json`: the newest runs, from Dagster's own records. It travels with commits and causes none.

Runs that took the house's readings in, and went well, are beats of a clock: they would leave no room for others.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunRecord, RunsFilter

from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.partitions import months_of_run
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError

RUNS_FILE = "runs.json"
KEPT_RUNS = 500
_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_SORTED_BY = ("date", "time_utc", "run_id")
_RESULT = {DagsterRunStatus.SUCCESS: "success", DagsterRunStatus.FAILURE: "failure"}


def write_run_log(store: Store, instance: dg.DagsterInstance) -> None:
    """Rewrite `runs.json` from Dagster's newest finished runs, keeping entries that Dagster has forgotten."""
    records = instance.get_run_records(filters=RunsFilter(statuses=_FINISHED), limit=KEPT_RUNS)
    entries = {entry["run_id"]: entry for entry in _known_entries(store)}
    telling = [record for record in records if not is_routine(record.dagster_run)]
    entries.update({record.dagster_run.run_id: _entry(record, store) for record in telling})
    newest = sorted(entries.values(), key=lambda e: [e[name] for name in _SORTED_BY], reverse=True)
    store.write_document(RUNS_FILE, {"runs": newest[:KEPT_RUNS]})


def _known_entries(store: Store) -> list[dict[str, Any]]:
    """The entries in the file; those that are damaged are left out, and Dagster's records make them anew."""
    try:
        document = store.read_document(RUNS_FILE)
    except BadInputError:
        return []
    runs = document.get("runs") if isinstance(document, dict) else None
    return [entry for entry in runs if _is_entry(entry)] if isinstance(runs, list) else []


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in _SORTED_BY)


def is_routine(run: dg.DagsterRun) -> bool:
    """Whether a run took the house's readings in and went well: nobody needs to be told."""
    return run.job_name == POWER_JOB and run.is_success and _run_type(run) != "scheduled"


def _entry(record: RunRecord, store: Store) -> dict[str, Any]:
    run = record.dagster_run
    started = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), tz=UTC)
    return {
        "run_id": run.run_id,
        "date": started.strftime("%Y-%m-%d"),
        "time_utc": started.strftime("%H:%M:%S"),
        "time_pt": started.astimezone(store.zone).strftime("%H:%M:%S"),
        "result": _RESULT.get(run.status, "other"),
        "reason": _reason(run),
        "run_type": _run_type(run),
    }


def _reason(run: dg.DagsterRun) -> str:
    covered = months_of_run(run.tags)
    months = "..".join(dict.fromkeys((covered[0], covered[-1]))) if covered else ""
    session = run.tags.get("cph50/session")
    return " ".join(part for part in (run.job_name, months, f"session {session}" if session else "") if part)


def _run_type(run: dg.DagsterRun) -> str:
    if "dagster/schedule_name" in run.tags:
        return "scheduled"
    if "dagster/sensor_name" in run.tags:
        return "sensor"
    if "dagster/backfill" in run.tags:
        return "backfill"
    return "manual"
