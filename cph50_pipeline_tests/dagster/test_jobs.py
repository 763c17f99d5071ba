"""The jobs: what each one makes, in which order of reasons it retries, and what it does not touch."""

from __future__ import annotations

from collections import defaultdict

import dagster as dg
import pytest

from cph50_pipeline.defs.assets.vehicles import RELEASE_GATE
from cph50_pipeline.defs.checks import SESSION_QUESTIONS
from cph50_pipeline.defs.jobs import (
    ATTRIBUTION_JOB,
    CHARGING_JOB,
    MONTHLY_CLOSURE_JOB,
    PUBLISH_JOB,
    SESSION_JOB,
    TRAINING_JOB,
    VEHICLE_REPORT_JOB,
    WEEKLY_REFRESH_JOB,
    update_run_config,
)
from cph50_pipeline.defs.month_files import CACHE
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline_tests.dagster.homes import Home

MONTH = {
    "chargepoint_activity",
    "session_samples",
    "vehicle_classifications",
    "charging_energy",
    "session_cache",
}
JANUARY = "2026-01"


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        (CHARGING_JOB, MONTH | {"vehicle_classifier"}),
        (WEEKLY_REFRESH_JOB, MONTH),
        (MONTHLY_CLOSURE_JOB, MONTH),
        (ATTRIBUTION_JOB, MONTH - {"chargepoint_activity", "session_samples"}),
    ],
)
def test_a_job_makes_its_assets_and_checks_them(home: Home, job: str, assets: set[str]) -> None:
    assert made_and_checked(home, job) == (assets, assets)


def test_the_training_job_makes_the_model_alone_and_asks_the_gate(home: Home) -> None:
    assert made_and_checked(home, TRAINING_JOB) == ({"vehicle_classifier"}, {"vehicle_classifier"})


def test_a_run_for_one_session_makes_the_whole_month_and_checks_the_file_that_people_read(home: Home) -> None:
    assert made_and_checked(home, SESSION_JOB) == (MONTH, {"session_cache"})


def made_and_checked(home: Home, job: str) -> tuple[set[str], set[str]]:
    """The assets that a job makes, and those of which it asks every check."""
    layer = home.defs.resolve_job_def(job).asset_layer
    asked: dict[str, set[str]] = defaultdict(set)
    for key in layer.asset_graph.asset_check_keys:
        asked[key.asset_key.to_user_string()].add(key.name)
    for asset, checks in asked.items():
        assert checks == ({RELEASE_GATE} if asset == "vehicle_classifier" else set(SESSION_QUESTIONS))
    return {key.to_user_string() for key in layer.selected_asset_keys}, set(asked)


def test_the_report_job_makes_the_reports_and_asks_chargepoint_for_nothing(home: Home) -> None:
    made = home.defs.resolve_job_def(VEHICLE_REPORT_JOB).asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in made} == {"unclassified_sessions", "vehicle_digest"}


def test_scheduled_jobs_retry_patiently_and_those_that_sensors_repeat_do_not(home: Home) -> None:
    for job in (WEEKLY_REFRESH_JOB, MONTHLY_CLOSURE_JOB, VEHICLE_REPORT_JOB):
        policy = home.defs.resolve_job_def(job).op_retry_policy
        assert policy is not None
        assert (policy.max_retries, policy.backoff) == (3, dg.Backoff.EXPONENTIAL)
    assert home.defs.resolve_job_def(SESSION_JOB).op_retry_policy is None


def test_run_config_names_only_what_differs_from_the_default() -> None:
    asked = update_run_config(UpdateConfig(session_id="7", sample=True))
    assert asked["ops"]["chargepoint_activity"]["config"] == {"session_id": "7", "sample": True}
    assert update_run_config(UpdateConfig())["ops"]["chargepoint_activity"]["config"] == {}


def test_the_attribution_job_asks_chargepoint_for_nothing(collected: Home) -> None:
    assert collected.run([JANUARY], job=ATTRIBUTION_JOB).success
    assert len(collected.simulator.requests) == 0


def test_the_publish_job_commits_what_a_killed_run_left_behind(collected: Home) -> None:
    path = collected.folder / CACHE.path(JANUARY)
    collected.git("rm", "--quiet", "--cached", CACHE.path(JANUARY))
    collected.git("commit", "--quiet", "--message=As if it had never been committed")
    assert collected.run([], job=PUBLISH_JOB).success
    assert collected.git("show", "--name-only", "--format=", "HEAD").split() == [CACHE.path(JANUARY)]
    assert path.exists()
