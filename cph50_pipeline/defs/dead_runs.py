"""Runs that Dagster believes to be running though their process is gone, after a power cut or `kill -9`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from logging import Logger

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.defs import jobs
from cph50_pipeline.storage.locks import Locks, run_lock_name

STARTING_TAKES = timedelta(minutes=5)
# One Dagster home may serve other code locations, too; runs from the UI's asset pages have Dagster's own name.
OUR_JOBS = frozenset({*jobs.JOB_NAMES, "__ASSET_JOB"})
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
        is_ours = record.dagster_run.job_name in OUR_JOBS
        is_dead = run_id in left_behind or (
            is_ours and _is_old(record) and not locks.is_held(run_lock_name(run_id))
        )
        if is_dead and not _has_ended_meanwhile(instance, run_id):
            instance.report_run_failed(record.dagster_run, GONE)
            log.warning(f"Run {run_id} was left behind by a process that is gone; marked as failed")
            dead.append(run_id)
    return dead


def _has_ended_meanwhile(instance: dg.DagsterInstance, run_id: str) -> bool:
    """A run gives its lock back a moment before Dagster notes its end."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _is_old(record: dg.RunRecord) -> bool:
    return datetime.now(UTC) - record.update_timestamp.astimezone(UTC) > STARTING_TAKES
