"""Maintenance as a job: every step is done and told, one that fails keeps no other from being done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import MAINTENANCE_JOB
from cph50_pipeline.defs.maintenance.job import SCHEDULE, steps_of_run
from cph50_pipeline.defs.maintenance.work import AT_WORK, Done, Step
from cph50_pipeline.storage.log_rotation import log_path
from cph50_pipeline_tests.dagster.homes import NOW, Home

NAMES = ["leftovers", "logs", "live table", "runs", "records"]


def maintained(home: Home) -> tuple[bool, dict[str, Step]]:
    result = home.run([], job=MAINTENANCE_JOB)
    return result.success, {step.name: step for step in steps_of_run(home.instance, result.run_id)}


def logged_yesterday(home: Home) -> Path:
    path = log_path(home.settings.private_dir, "api")
    path.parent.mkdir(parents=True)
    path.write_text("line\n" * 1000)
    os.utime(path, ((NOW - timedelta(days=1)).timestamp(),) * 2)
    return path


@pytest.fixture
def lasting_home(home: Home, tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield replace(home, instance=instance)


def test_each_step_is_done_and_told_with_counts_and_bytes(lasting_home: Home) -> None:
    home = lasting_home
    log = logged_yesterday(home)
    left = home.settings.private_dir / ".state.json.999999.00000000000000.tmp"
    left.write_text("half")
    os.utime(left, ((NOW - timedelta(days=1)).timestamp(),) * 2)
    launch = home.settings.private_dir / "locks" / "launch-8f0c.lock"
    launch.parent.mkdir()
    launch.touch()
    succeeded, steps = maintained(home)
    assert succeeded, steps
    assert list(steps) == NAMES
    assert not log.exists()
    assert not left.exists()
    assert not launch.exists()
    assert steps["logs"].done.counts == {"rolled": 1, "compressed": 1, "removed": 0}
    assert 4000 < steps["logs"].done.bytes_freed < 5000
    assert steps["leftovers"].sentence == (
        "leftovers: 1 dead commands' locks removed, 1 unfinished files removed"
    )
    assert steps["runs"].sentence == "runs: nothing to do"
    assert steps["records"].done.counts == {"databases put in order": 3}


def test_the_same_is_shown_as_the_runs_metadata(lasting_home: Home) -> None:
    logged_yesterday(lasting_home)
    result = lasting_home.run([], job=MAINTENANCE_JOB)
    [output] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_OUTPUT]
    metadata = output.step_output_data.metadata
    assert metadata["bytes_freed"].value > 4000
    assert str(metadata["logs"].value).startswith("logs: 1 rolled, 1 compressed")


def test_a_step_that_fails_is_told_fails_the_run_and_keeps_no_other_from_being_done(
    lasting_home: Home,
) -> None:
    log = logged_yesterday(lasting_home)
    (lasting_home.settings.private_dir / "live.sqlite").write_bytes(b"no database" * 100)
    succeeded, steps = maintained(lasting_home)
    assert not succeeded
    assert list(steps) == NAMES
    assert [name for name, step in steps.items() if step.trouble] == ["live table"]
    assert not log.exists()
    assert steps["records"].done.counts == {"databases put in order": 3}


def test_where_runs_are_at_work_their_records_wait(lasting_home: Home) -> None:
    run = dg.DagsterRun(job_name="of another location", status=dg.DagsterRunStatus.STARTED)
    lasting_home.instance.add_run(run)
    _, steps = maintained(lasting_home)
    assert steps["records"].sentence == f"records: {AT_WORK}"


def test_a_second_maintenance_at_once_is_refused_and_changes_nothing(home: Home) -> None:
    log = logged_yesterday(home)
    with home.store().locks.maintenance():
        succeeded, steps = maintained(home)
    assert not succeeded
    assert steps == {}
    assert log.exists()


def test_it_goes_on_when_it_is_due_whatever_the_mode(home: Home) -> None:
    [schedule] = [one for one in home.defs.schedules or [] if one.name == SCHEDULE]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.execution_timezone == home.settings.timezone
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_step_is_read_back_as_it_was_told() -> None:
    step = Step("logs", Done({"rolled": 1}, 20, "note"), 0.125, "trouble")
    assert Step.of_row(step.row()) == step


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Step("logs", Done(), 0.1), "logs: nothing to do"),
        (
            Step("logs", Done({"rolled": 2, "removed": 0}, 12_345), 0.1),
            "logs: 2 rolled, 12,345 bytes less",
        ),
        (Step("records", Done(note="later"), 0.1), "records: later"),
        (Step("runs", Done(), 0.1, "It failed."), "runs: It failed."),
    ],
)
def test_a_step_is_said_in_one_line(step: Step, said: str) -> None:
    assert step.sentence == said
