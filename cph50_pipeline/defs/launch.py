"""The one way to start a job outside Dagster's own UI, sensors and schedules.

With a live daemon the run is queued and followed; without one it runs in this process, on the same instance and
under the same locks.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import dagster as dg

from cph50_pipeline.definitions import build_defs
from cph50_pipeline.defs.dead_runs import HERE_TAG
from cph50_pipeline.defs.failures import failure_text
from cph50_pipeline.defs.instance import has_live_daemon
from cph50_pipeline.defs.maintenance.state import paused
from cph50_pipeline.defs.partitions import check_known_months, month_tags, monthly_partitions
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.settings import Settings

LOCATION = "cph50_pipeline.definitions"
FOLLOW_SECONDS = 0.5
# A command says itself what failed; Dagster's log with its traces is in the UI.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Launch:
    """A run to start.

    Attributes:
        job: The job's name.
        months: Its partitions: none, one, or the ends of a range that one run covers.
        run_config: As Dagster's launchpad takes it.
        tags: Further tags.
        run_id: The run's id, for who does not wait for its end.
    """

    job: str
    months: Sequence[str] = ()
    run_config: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    run_id: str = field(default_factory=lambda: str(uuid4()))

    def all_tags(self) -> dict[str, str]:
        """The run's tags, partitions included."""
        return {**(self.tags or {}), **month_tags(self.months)}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its id, whether it succeeded, and what its failed steps and error messages said."""

    run_id: str
    succeeded: bool
    failures: Sequence[str]


def launch(
    instance: dg.DagsterInstance,
    settings: Settings,
    wanted: Launch,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Run a job to its end.

    Raises:
        BadInputError: for a month that has no partition.
        PermanentError: the daemon's queue did not take the run.
    """
    check_known_months(list(wanted.months), monthly_partitions(settings))
    said = paused(settings)
    if said is not None:
        say(f"There is {said}. What was asked for goes on")
    if has_live_daemon(instance):
        say("Dagster's daemon is running: queued there")
        run_id = _queue(instance, wanted)
        _follow(instance, run_id, say)
    else:
        run_id = _run_here(instance, settings, wanted)
    return outcome_of(instance, run_id)


def _run_here(instance: dg.DagsterInstance, settings: Settings, wanted: Launch) -> str:
    job = build_defs(settings).resolve_job_def(wanted.job)
    with Store.of(settings).locks.launch(wanted.run_id):
        job.execute_in_process(
            instance=instance,
            run_id=wanted.run_id,
            run_config={**(wanted.run_config or {}), **_QUIET},
            tags={**wanted.all_tags(), HERE_TAG: "command"},
            raise_on_error=False,
        )
    return wanted.run_id


def _queue(instance: dg.DagsterInstance, wanted: Launch) -> str:
    command = [
        *(sys.executable, "-m", "dagster", "job", "launch", "-m", LOCATION, "-j", wanted.job),
        *("--run-id", wanted.run_id, "--tags", json.dumps(wanted.all_tags())),
    ]
    if wanted.run_config:
        command += ["--config-json", json.dumps(wanted.run_config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or instance.get_run_by_id(wanted.run_id) is None:
        raise PermanentError(
            f"Dagster did not take the run of {wanted.job}: {done.stderr.strip()[-400:]}",
            kept="Nothing was changed",
            remedy="Stop the daemon and run the command again; it then runs by itself",
        )
    return wanted.run_id


def _follow(instance: dg.DagsterInstance, run_id: str, say: Callable[[str], None]) -> None:
    shown = None
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        if run.status is dg.DagsterRunStatus.QUEUED and not has_live_daemon(instance):
            raise TransientError(
                f"Dagster's daemon stopped before it took run {run_id}",
                kept="The run stays in Dagster's queue",
                remedy="Start the daemon again, or terminate the run and repeat the command",
            )
        if run.status is not shown:
            say(f"Run {run_id[:8]}: {run.status.value.lower()}")
            shown = run.status
        time.sleep(FOLLOW_SECONDS)


def outcome_of(instance: dg.DagsterInstance, run_id: str) -> Outcome:
    """How a run ended, by Dagster's records."""
    run = instance.get_run_by_id(run_id)
    failures = []
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is not None and event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failures.append(f"{entry.step_key}: {failure_text(event)}")
        elif event is None and int(entry.level) >= logging.ERROR and not _follows_from_another(entry):
            failures.append(entry.user_message)
    return Outcome(run_id, run is not None and run.is_success, failures)


def _follows_from_another(entry: dg.EventLogEntry) -> bool:
    return entry.user_message.startswith("Dependencies for step ")
