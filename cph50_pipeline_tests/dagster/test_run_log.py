"""`runs.json`: the newest runs as people read them, from Dagster's own records."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import CHARGING_JOB, POWER_JOB, SESSION_JOB
from cph50_pipeline.defs.run_log import KEPT_RUNS, RUNS_FILE, write_run_log
from cph50_pipeline_tests.dagster.homes import MONTHS, Home

FIELDS = {"run_id", "date", "time_utc", "time_pt", "result", "reason", "run_type"}


def remembered(
    home: Home,
    tags: dict[str, str] | None = None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    job: str = CHARGING_JOB,
) -> str:
    run = dg.DagsterRun(job_name=job, tags=tags or {}, status=status)
    home.instance.add_run(run)
    return run.run_id


def written(home: Home) -> list[dict[str, str]]:
    write_run_log(home.store(), home.instance)
    runs: list[dict[str, str]] = home.json(RUNS_FILE)["runs"]
    return runs


def entry(home: Home, **how: object) -> dict[str, str]:
    run_id = remembered(home, **how)  # type: ignore[arg-type]
    [found] = [one for one in written(home) if one["run_id"] == run_id]
    return found


def test_a_run_is_told_with_the_documented_fields_and_both_times(home: Home) -> None:
    result = home.run([MONTHS[0]], only=["chargepoint_activity"])
    [found] = written(home)
    assert set(found) == FIELDS
    assert found["run_id"] == result.run_id
    assert (found["date"], found["time_utc"][:2], found["time_pt"][:2]) == ("2026-01-20", "18", "10")
    assert found["time_utc"][2:] == found["time_pt"][2:]
    assert (found["result"], found["run_type"]) == ("success", "manual")
    assert found["reason"] == f"{CHARGING_JOB} {MONTHS[0]}"


def test_a_failed_run_is_told_as_one(home: Home) -> None:
    home.simulator.faults.fail(503, times=None)
    assert not home.run([MONTHS[0]], only=["chargepoint_activity"]).success
    assert [one["result"] for one in written(home)] == ["failure"]


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (dg.DagsterRunStatus.SUCCESS, "success"),
        (dg.DagsterRunStatus.FAILURE, "failure"),
        (dg.DagsterRunStatus.CANCELED, "other"),
    ],
)
def test_the_result_is_success_failure_or_other(home: Home, status: dg.DagsterRunStatus, result: str) -> None:
    assert entry(home, status=status)["result"] == result


def test_of_the_runs_that_take_readings_in_nights_and_failures_are_told(home: Home) -> None:
    beat = remembered(home, {"dagster/sensor_name": "power_sensor"}, job=POWER_JOB)
    failed = remembered(home, status=dg.DagsterRunStatus.FAILURE, job=POWER_JOB)
    night = remembered(home, {"dagster/schedule_name": "power_weekly"}, job=POWER_JOB)
    assert {one["run_id"] for one in written(home)} == {failed, night}
    assert beat not in {failed, night}


def test_a_run_that_has_not_ended_is_not_told_yet(home: Home) -> None:
    for status in (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED):
        remembered(home, status=status)
    assert written(home) == []


@pytest.mark.parametrize(
    ("tags", "run_type"),
    [
        ({"dagster/schedule_name": "weekly_refresh"}, "scheduled"),
        ({"dagster/sensor_name": "charger_sensor"}, "sensor"),
        ({"dagster/backfill": "abcd"}, "backfill"),
        ({}, "manual"),
    ],
)
def test_the_run_type_is_what_launched_it(home: Home, tags: dict[str, str], run_type: str) -> None:
    assert entry(home, tags=tags)["run_type"] == run_type


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, "session_job"),
        ({"dagster/partition": "2026-01"}, "session_job 2026-01"),
        (
            {
                "dagster/asset_partition_range_start": "2025-11",
                "dagster/asset_partition_range_end": "2026-01",
            },
            "session_job 2025-11..2026-01",
        ),
        (
            {"dagster/partition": "2026-01", "cph50/session": "4711"},
            "session_job 2026-01 session 4711",
        ),
    ],
)
def test_the_reason_names_job_months_and_session(home: Home, tags: dict[str, str], reason: str) -> None:
    assert entry(home, tags=tags, job=SESSION_JOB)["reason"] == reason


def test_runs_that_dagster_has_forgotten_stay_and_those_it_knows_are_told_once(home: Home) -> None:
    earlier = remembered(home)
    assert len(written(home)) == 1
    with dg.DagsterInstance.ephemeral() as fresh:
        cloned = Home(home.settings, home.simulator, fresh)
        later = remembered(cloned)
        assert {one["run_id"] for one in written(cloned)} == {earlier, later}
        assert len(written(cloned)) == 2


def test_the_newest_runs_stand_first_and_only_so_many_are_kept(home: Home) -> None:
    home.folder.mkdir(parents=True)
    old = [
        {**dict.fromkeys(FIELDS, ""), "run_id": f"{number:04}", "date": "2025-01-01", "time_utc": "00:00:00"}
        for number in range(KEPT_RUNS)
    ]
    (home.folder / RUNS_FILE).write_text(json.dumps({"runs": old}))
    newest = remembered(home)
    runs = written(home)
    assert len(runs) == KEPT_RUNS
    assert runs[0]["run_id"] == newest
    assert "0000" not in {one["run_id"] for one in runs}


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"runs": 7}', '{"other": []}', '{"runs": [{"date": "2026-01-01"}]}', '{"runs": ["x"]}'],
)
def test_a_damaged_file_is_made_anew_from_dagsters_records(home: Home, content: str) -> None:
    home.folder.mkdir(parents=True)
    (home.folder / RUNS_FILE).write_text(content)
    run_id = remembered(home)
    assert [one["run_id"] for one in written(home)] == [run_id]


def test_writing_again_changes_no_byte(home: Home) -> None:
    for _ in range(3):
        remembered(home)
    written(home)
    before = (home.folder / RUNS_FILE).read_bytes()
    written(home)
    assert (home.folder / RUNS_FILE).read_bytes() == before
