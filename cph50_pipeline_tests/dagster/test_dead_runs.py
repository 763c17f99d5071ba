"""Runs whose process is gone are reported as failed; all others are left alone."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from cph50_pipeline.defs.dead_runs import GONE, STARTING_TAKES, sweep_dead_runs
from cph50_pipeline.defs.jobs import CHARGING_JOB
from cph50_pipeline.storage.locks import run_lock_name
from cph50_pipeline_tests.dagster.homes import Home, at

LOG = logging.getLogger("test")
# Dagster stamps its records by the database's own clock, which no test can move.
pytestmark = pytest.mark.real_clock
PROCESS = """
import sys
from pathlib import Path
from cph50_pipeline.storage.locks import Locks
with Locks(Path(sys.argv[1])).run(sys.argv[2]):
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(home: Home) -> dg.DagsterRun:
    """A run that Dagster believes to be running."""
    return remembered(home, dg.DagsterRunStatus.STARTED)


def remembered(home: Home, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    made = dg.DagsterRun(job_name=CHARGING_JOB, status=status)
    home.instance.add_run(made)
    return made


@contextmanager
def process_of(home: Home, run: dg.DagsterRun) -> Iterator[subprocess.Popen[str]]:
    """A process that is the run: it holds the run's lock until it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(home.settings.private_dir), run.run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def later(step: timedelta) -> Iterator[None]:
    with at(datetime.now(UTC) + step):
        yield


def sweep(home: Home) -> list[str]:
    return sweep_dead_runs(home.instance, home.store().locks, LOG)


def status_of(home: Home, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = home.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_whose_process_was_killed_is_reported_as_failed_at_once(home: Home, run: dg.DagsterRun) -> None:
    with process_of(home, run) as process:
        process.kill()
        process.wait()
        assert sweep(home) == [run.run_id]
    assert status_of(home, run) is dg.DagsterRunStatus.FAILURE
    said = [
        entry.dagster_event.message for entry in home.instance.all_logs(run.run_id) if entry.dagster_event
    ]
    assert GONE in said
    assert sweep(home) == []


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=2)])
def test_a_run_whose_process_lives_is_left_alone_however_old_it_is(
    home: Home, run: dg.DagsterRun, age: timedelta
) -> None:
    with process_of(home, run), later(age):
        assert sweep(home) == []
        assert home.store().locks.is_held(run_lock_name(run.run_id))
    assert status_of(home, run) is dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize(
    "status",
    [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
)
def test_a_run_that_never_took_its_lock_is_given_time_to_start(
    home: Home, status: dg.DagsterRunStatus
) -> None:
    run = remembered(home, status)
    assert sweep(home) == []
    with later(STARTING_TAKES + timedelta(minutes=1)):
        assert sweep(home) == [run.run_id]
    assert status_of(home, run) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.SUCCESS,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    ],
)
def test_runs_that_wait_or_have_ended_are_no_concern(home: Home, status: dg.DagsterRunStatus) -> None:
    run = remembered(home, status)
    with later(timedelta(days=2)):
        assert sweep(home) == []
    assert status_of(home, run) is status


def test_a_killed_run_that_this_instance_never_knew_is_forgotten(home: Home) -> None:
    stranger = dg.DagsterRun(job_name=CHARGING_JOB)
    with process_of(home, stranger) as process:
        process.kill()
        process.wait()
    assert sweep(home) == []
    assert not [*(home.settings.private_dir / "locks").glob("run-*")]


def test_a_living_run_beside_a_dead_one_is_told_apart(home: Home, run: dg.DagsterRun) -> None:
    dead = remembered(home, dg.DagsterRunStatus.STARTED)
    with process_of(home, run), process_of(home, dead) as process:
        process.kill()
        process.wait()
        assert sweep(home) == [dead.run_id]
    assert status_of(home, run) is dg.DagsterRunStatus.STARTED


def test_a_tick_of_the_sensor_sweeps(home: Home, run: dg.DagsterRun) -> None:
    with process_of(home, run) as process:
        process.kill()
        process.wait()
    home.evaluate("charger_sensor")
    assert status_of(home, run) is dg.DagsterRunStatus.FAILURE


def test_a_run_whose_command_died_before_dagster_began_it_is_swept_at_once(collected: Home) -> None:
    job = collected.defs.resolve_job_def("charging_job")
    tags = {"cph50/launched_by": "command"}
    killed = collected.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    alive = collected.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.NOT_STARTED)
    locks = collected.store().locks
    with locks.launch(alive.run_id):
        assert sweep_dead_runs(collected.instance, locks, logging.getLogger("test")) == [killed.run_id]
