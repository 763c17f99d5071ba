"""Forgetting runs of long ago: what Dagster shows, and what is decided by it, stays as it was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, CHARGING_JOB, POWER_JOB
from cph50_pipeline.defs.maintenance.runs import (
    ROUTINE_DAYS,
    forget_runs,
    give_room_back,
    is_any_at_work,
    sqlite_files,
)
from cph50_pipeline.defs.reconcile import reconcile
from cph50_pipeline.defs.run_log import RUNS_FILE, write_run_log
from cph50_pipeline.errors import TransientError
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, Home, at, copy_home, failure_texts, settings_for
from cph50_pipeline_tests.integration.postgres_server import LOOPBACK, postgres

KEPT_DAYS = 90
DAY = timedelta(days=1)
TODAY = NOW + 500 * DAY
"""So late that the months of these tests, which begin in 2025, were there when the oldest run was."""


@dataclass(frozen=True)
class Past:
    """A household whose records go back for months.

    Attributes:
        gone: Runs that nothing needs.
        kept: Old runs that something needs.
        recent: Runs that are not old.
    """

    home: Home
    gone: list[str]
    kept: list[str]
    recent: list[str]


@pytest.fixture(scope="module")
def remembered_past(
    tmp_path_factory: pytest.TempPathFactory, template: Path, shared_simulator: RunningSimulator
) -> tuple[Path, Past]:
    """Such a household with its records in SQLite, in a folder to be copied."""
    folder = tmp_path_factory.mktemp("past")
    copy_home(template, folder / "data")
    (folder / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        return folder, lived(
            Home(settings_for(folder / "data", shared_simulator), shared_simulator, instance)
        )


@pytest.fixture
def past(
    tmp_path: Path, remembered_past: tuple[Path, Past], shared_simulator: RunningSimulator
) -> Iterator[Past]:
    folder, one = remembered_past
    shutil.copytree(folder, tmp_path / "copy")
    with dg.DagsterInstance.local_temp(str(tmp_path / "copy" / "dagster")) as instance:
        settings = settings_for(tmp_path / "copy" / "data", shared_simulator)
        yield replace(one, home=Home(settings, shared_simulator, instance))


@pytest.fixture
def postgres_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    pytest.importorskip("dagster_postgres", reason="the extra 'postgres' is not installed")
    with postgres("secret", "dagster", "dagster") as port:
        found = {
            "scheme": "postgresql+psycopg2",
            "hostname": LOOPBACK,
            "port": int(port),
            "username": "dagster",
            "password": "secret",
            "db_name": "dagster",
        }
        storage = {"storage": {"postgres": {"postgres_db": found}}}
        (tmp_path / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=storage) as instance:
            yield instance


def lived(home: Home) -> Past:
    """Months named again and again, of which the newest times are long ago; one try of one of them failed since."""
    with at(TODAY - 400 * DAY):
        reconcile(home.instance, home.store(), MONTHS[0])
    gone = [named(home, TODAY - 300 * DAY, MONTHS)]
    kept = [named(home, TODAY - days * DAY, MONTHS) for days in (150, 140)]
    kept += [checked(home, TODAY - 130 * DAY), failed(home, TODAY - 120 * DAY, MONTHS[1])]
    gone.append(remembered(home, TODAY - 100 * DAY))
    gone.append(remembered(home, TODAY - (ROUTINE_DAYS + 1) * DAY, POWER_JOB))
    recent = [remembered(home, TODAY - (KEPT_DAYS - 1) * DAY), remembered(home, TODAY - DAY, POWER_JOB)]
    kept.append(remembered(home, TODAY - 500 * DAY, status=dg.DagsterRunStatus.STARTED))
    return Past(home, gone, kept, recent)


def named(home: Home, when: datetime, months: list[str]) -> str:
    with at(when):
        result = home.run(months, job=ATTRIBUTION_JOB, only=["vehicle_classifications", "charging_energy"])
    assert result.success, failure_texts(result)
    return result.run_id


def checked(home: Home, when: datetime) -> str:
    """A run of a check alone."""
    event = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("session_cache"), check_name="energy_conserved", passed=False, metadata={}
    )
    run_id = remembered(home, when)
    with at(when):
        home.instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
                job_name=CHARGING_JOB,
                event_specific_data=event,
            ),
            run_id,
        )
    return run_id


def failed(home: Home, when: datetime, month: str) -> str:
    """A run that was to make a month and did not come to it."""
    path = next(home.folder.glob(f"chargepoint_activity/{month}*"))
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    with at(when):
        result = home.run([month], job=ATTRIBUTION_JOB, only=["vehicle_classifications"])
    path.write_bytes(content)
    assert not result.success
    return result.run_id


def remembered(
    home: Home,
    when: datetime,
    job: str = CHARGING_JOB,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
) -> str:
    with at(when):
        run = dg.DagsterRun(job_name=job, status=status)
        home.instance.add_run(run)
    return run.run_id


def shown(home: Home) -> dict[str, Any]:
    """What Dagster shows of every asset and its months, and what the sensors and `runs.json` make of it."""
    instance = home.instance
    assets: dict[str, Any] = {}
    for key in sorted(instance.all_asset_keys()):
        node = home.defs.resolve_asset_graph().get(key)
        status = get_and_update_asset_status_cache_value(instance, key, node.partitions_def)
        newest = instance.get_latest_materialization_event(key)
        assets[key.to_user_string()] = (
            sorted(instance.get_materialized_partitions(key)),
            None if newest is None else (newest.run_id, newest.timestamp),
            None
            if status is None
            else (
                status.serialized_materialized_partition_subset,
                status.serialized_failed_partition_subset,
                status.serialized_in_progress_partition_subset,
            ),
        )
    checks = {
        str(key): (record.run_id, record.status.value)
        for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(
            sorted(home.defs.resolve_asset_graph().asset_check_keys)
        ).items()
    }
    sensors = {
        name: (home.evaluate(name).skip_message, str(home.evaluate(name).run_requests))
        for name in ("hand_edited_sensor", "training_sensor")
    }
    write_run_log(home.store(), instance)
    return {"assets": assets, "checks": checks, "sensors": sensors, "runs": home.json(RUNS_FILE)}


def run_ids(home: Home) -> set[str]:
    return {run.run_id for run in home.instance.get_runs()}


def assert_only_what_nothing_needs_goes(past: Past) -> None:
    home = past.home
    before = shown(home)
    forgotten = forget_runs(home.instance, TODAY, KEPT_DAYS, newest=1)
    assert run_ids(home).isdisjoint(past.gone)
    assert run_ids(home) >= {*past.kept, *past.recent}
    assert forgotten.forgotten == len(past.gone)
    for key in home.instance.all_asset_keys():
        records = home.instance.fetch_materializations(key, limit=100).records
        assert {record.run_id for record in records}.isdisjoint(past.gone)
    assert shown(home) == before
    assert reconcile(home.instance, home.store(), MONTHS[0]).reported == []


def test_what_nothing_needs_goes_and_what_is_shown_and_decided_stays(past: Past) -> None:
    assert_only_what_nothing_needs_goes(past)


def test_so_it_is_where_the_records_are_in_postgresql(
    tmp_path: Path,
    template: Path,
    shared_simulator: RunningSimulator,
    postgres_instance: dg.DagsterInstance,
) -> None:
    copy_home(template, tmp_path / "data")
    settings = settings_for(tmp_path / "data", shared_simulator)
    assert_only_what_nothing_needs_goes(lived(Home(settings, shared_simulator, postgres_instance)))
    assert sqlite_files(postgres_instance) == []


def test_of_a_run_that_goes_no_file_stays(past: Past) -> None:
    folder = Path(past.home.instance.storage_directory()).parent
    named_by = [path for path in folder.rglob("*") if any(run_id in str(path) for run_id in past.gone)]
    assert named_by
    forget_runs(past.home.instance, TODAY, KEPT_DAYS, newest=1)
    assert [path for path in named_by if path.exists()] == []


def test_the_newest_runs_stay_however_old(past: Past) -> None:
    before = run_ids(past.home)
    assert forget_runs(past.home.instance, TODAY, KEPT_DAYS).forgotten == 0
    assert run_ids(past.home) == before


def test_a_second_time_there_is_nothing_to_forget(past: Past) -> None:
    first = forget_runs(past.home.instance, TODAY, KEPT_DAYS, newest=1)
    again = forget_runs(past.home.instance, TODAY, KEPT_DAYS, newest=1)
    assert (again.forgotten, again.kept) == (0, first.kept)


def test_a_run_that_was_forgotten_halfway_is_forgotten_whole_the_next_time(past: Past) -> None:
    instance = past.home.instance
    instance.event_log_storage.delete_events(past.gone[0])
    forget_runs(instance, TODAY, KEPT_DAYS, newest=1)
    assert run_ids(past.home).isdisjoint(past.gone)


def test_the_databases_get_smaller_and_say_the_same(past: Past) -> None:
    home = past.home
    forget_runs(home.instance, TODAY, KEPT_DAYS, newest=1)
    before = shown(home)
    files = sqlite_files(home.instance)
    assert [file.name for file in files] == ["index.db", "runs.db", "schedules.db"]
    assert sum(map(give_room_back, files)) > 0
    assert shown(home) == before


def test_a_database_that_another_process_writes_to_is_left_as_it_is(past: Past) -> None:
    file = sqlite_files(past.home.instance)[0]
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="was not put in order: database is locked"):
            give_room_back(file, patience_seconds=0.0)
        other.execute("ROLLBACK")
    assert give_room_back(file) >= 0


def test_a_run_at_work_is_seen_unless_it_is_the_one_that_asks(past: Past) -> None:
    [at_work] = [run for run in past.home.instance.get_runs() if not run.is_finished]
    assert is_any_at_work(past.home.instance, but="another")
    assert not is_any_at_work(past.home.instance, but=at_work.run_id)
