"""Runs that Dagster believes to be running though their process is gone, after a power cut or `kill -9`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from logging import Logger

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.storage.locks import Locks, run_lock_name

STARTING_TAKES = timedelta(minutes=5)
GONE = (
    "The process of this run is gone. What it had written is whole and kept; the next run goes on from there."
)


def sweep_dead_runs(instance: dg.DagsterInstance, locks: Locks, log: Logger) -> list[str]:
    """Report runs as failed whose process is gone; returns their ids.

    A run holds its lock from the moment its resources start until it has committed. A lock file that nobody holds
    is a dead run's; a run that never took its lock is given five minutes.
    """
    left_behind = set(locks.forget_dead_runs())
    statuses = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]
    dead = []
    for record in instance.get_run_records(filters=RunsFilter(statuses=statuses)):
        run_id = record.dagster_run.run_id
        if run_id in left_behind or (_is_old(record) and not locks.is_held(run_lock_name(run_id))):
            instance.report_run_failed(record.dagster_run, GONE)
            log.warning(f"Run {run_id} was left behind by a process that is gone; marked as failed")
            dead.append(run_id)
    return dead


def _is_old(record: dg.RunRecord) -> bool:
    return datetime.now(UTC) - record.update_timestamp.astimezone(UTC) > STARTING_TAKES
