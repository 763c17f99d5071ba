"""The forgetting of old runs, killed at each of its steps: the next one completes it, and nothing else goes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import time_machine

from cph50_pipeline.defs.maintenance.runs import forget_runs

NOW = datetime(2026, 1, 20, 18, 0, tzinfo=UTC)
STEPS = frozenset({"sqlite3.connect", "os.remove", "os.rmdir", "shutil.rmtree"})
ONLY_READS = 10
"""With so many steps it looks for what is old."""
# A fork of this process, which has Dagster: each kill costs no import.
_processes = multiprocessing.get_context("fork")


@dg.op
def say() -> None:
    dg.get_dagster_logger().info("something")


@dg.job(config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
def saying() -> None:
    say()


def made(home: Path, when: datetime) -> str:
    with time_machine.travel(when, tick=True), dg.DagsterInstance.local_temp(str(home)) as instance:
        return saying.execute_in_process(instance=instance).run_id


def forget(home: Path) -> None:
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        forget_runs(instance, NOW, kept_days=90, newest=1)


def die_at(step: int, home: Path) -> None:
    taken = 0

    def count(event: str, _: object) -> None:
        nonlocal taken
        if event not in STEPS:
            return
        taken += 1
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    forget(home)


def is_killed_at(step: int, home: Path) -> bool:
    process = _processes.Process(target=die_at, args=(step, home))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def test_a_forgetting_killed_at_any_step_is_completed_by_the_next_one(tmp_path: Path) -> None:
    kept = made(tmp_path, NOW - timedelta(days=1))
    step, has_more = ONLY_READS, True
    while has_more:
        gone = made(tmp_path, NOW - timedelta(days=200))
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            newest = dg.DagsterRun(job_name="saying", status=dg.DagsterRunStatus.SUCCESS)
            instance.add_run(newest)
        has_more = is_killed_at(step, tmp_path)
        forget(tmp_path)
        with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
            assert {run.run_id for run in instance.get_runs()} == {kept, newest.run_id}, step
            assert any(entry.user_message == "something" for entry in instance.all_logs(kept)), step
            instance.delete_run(newest.run_id)
        assert [path for path in tmp_path.rglob("*") if gone in str(path)] == [], step
        step += 7
    assert step > ONLY_READS + 12
