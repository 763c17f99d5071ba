"""Earlier runs for the same thing, from Dagster's own records. Whether another may start is `charging.watching`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.charging.watching import Attempt

KEPT_ATTEMPTS = 10


def attempts(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> list[Attempt]:
    """The newest runs with these tags, newest first."""
    records = instance.get_run_records(filters=RunsFilter(tags=tags), limit=KEPT_ATTEMPTS)
    return [_attempt(record) for record in records]


def _attempt(record: dg.RunRecord) -> Attempt:
    ended = None if record.end_time is None else datetime.fromtimestamp(record.end_time, tz=UTC)
    if not record.dagster_run.is_finished:
        return Attempt("running", None)
    succeeded = record.dagster_run.status is DagsterRunStatus.SUCCESS
    return Attempt("success" if succeeded else "failure", ended)
