"""Runs that Dagster believes to be running though their process is gone, after a power cut or `kill -9`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from logging import Logger

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.defs import jobs
from cph50_pipeline.storage.locks import Locks, launch_lock_name, run_lock_name

STARTING_TAKES = timedelta(minutes=5)
# One Dagster home may serve other code locations, too; runs from the UI's asset pages have Dagster's own name.
OUR_JOBS = frozenset({*jobs.JOB_NAMES, "__ASSET_JOB"})
HERE_TAG = "cph50/launched_by"
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
GONE = (
    "The process of this run is gone. What it had written is whole and kept; the next run goes on from there."
)


def sweep_dead_runs(instance: dg.DagsterInstance, locks: Locks, log: Logger) -> list[str]:
    """Report runs as failed whose process is gone; returns their ids.

    A run holds its lock from the moment its resources start until it has committed; a lock file that nobody holds is
    a dead run's. A run inside a command is alive as long as the command holds its lock, from before Dagster knows of
    the run. Any other that never took its lock is given five minutes.
    """
    left_behind = set(locks.forget_dead_runs())
    dead = []
    for record in instance.get_run_records(filters=RunsFilter(statuses=UNFINISHED)):
        run_id = record.dagster_run.run_id
        is_dead = run_id in left_behind or _is_deserted(record, locks)
        if is_dead and not _has_ended_meanwhile(instance, run_id):
            instance.report_run_failed(record.dagster_run, GONE)
            log.warning(f"Run {run_id} was left behind by a process that is gone; marked as failed")
            dead.append(run_id)
    return dead


def _is_deserted(record: dg.RunRecord, locks: Locks) -> bool:
    run = record.dagster_run
    if locks.is_held(run_lock_name(run.run_id)):
        return False
    if HERE_TAG in run.tags:
        return not locks.is_held(launch_lock_name(run.run_id))
    has_begun = run.status is not DagsterRunStatus.NOT_STARTED  # else the daemon may still begin it
    return has_begun and run.job_name in OUR_JOBS and _is_old(record)


def _has_ended_meanwhile(instance: dg.DagsterInstance, run_id: str) -> bool:
    """A run gives its lock back a moment before Dagster notes its end."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _is_old(record: dg.RunRecord) -> bool:
    return datetime.now(UTC) - record.update_timestamp.astimezone(UTC) > STARTING_TAKES
