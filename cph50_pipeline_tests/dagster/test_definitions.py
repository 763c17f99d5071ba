"""The code location: every documented name is there, it validates, and its import stays light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from cph50_pipeline.definitions import build_defs
from cph50_pipeline.defs.month_files import MONTH_FILES, POWER_FILES
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.dagster.homes import Home, MakeHome

REPOSITORY = Path(__file__).parents[2]
HEAVY = ["pandas", "pyarrow", "sklearn", "scipy", "httpx", "starlette", "uvicorn", "stamina", "rich", "typer"]
MONTHLY = {
    "chargepoint_activity",
    "session_samples",
    "vehicle_classifications",
    "charging_energy",
    "session_cache",
}
POWER = {"power_readings", "power_rollups", "power_events", "power_windows"}
REPORTS = {"unclassified_sessions", "vehicle_digest"}
UNPARTITIONED = {
    "vehicle_classifier",
    "vehicle_labels",
    "last_session",
    "last_session_id",
    "publication",
    "caches",
    "latest_values",
    "power_files",
    *REPORTS,
    "site",
}


def run_python(program: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CPH50_")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_assets_have_the_names_of_the_documentation(home: Home) -> None:
    keys = {spec.key.to_user_string() for spec in home.defs.resolve_all_asset_specs()}
    assert keys == MONTHLY | POWER | UNPARTITIONED


def test_jobs_schedules_and_sensors_have_the_names_of_the_documentation(home: Home) -> None:
    jobs = {job.name for job in home.defs.resolve_all_job_defs()}
    assert {name for name in jobs if not name.startswith("__")} == {
        "charging_job",
        "session_job",
        "weekly_refresh_job",
        "monthly_closure_job",
        "attribution_job",
        "cache_job",
        "training_job",
        "vehicle_report_job",
        "site_job",
        "power_job",
        "power_retention_job",
        "publish_job",
        "maintenance_job",
        "live_job",
    }
    assert {schedule.name for schedule in home.defs.schedules or []} == {
        "weekly_refresh",
        "monthly_closure",
        "weekly_vehicle_report",
        "power_weekly",
        "power_monthly",
        "power_yearly",
        "cache_refresh",
        "cache_refresh_power",
        "cache_refresh_reports",
        "cache_refresh_site",
        "power_retention",
        "maintenance",
    }
    assert {sensor.name for sensor in home.defs.sensors or []} == {
        "charger_sensor",
        "hand_edited_sensor",
        "training_sensor",
        "power_sensor",
        "publication_sensor",
        "cache_sensor",
        "live_sensor",
    }


def test_sensors_and_schedules_run_by_default(home: Home) -> None:
    assert all(s.default_status is dg.DefaultSensorStatus.RUNNING for s in home.defs.sensors or [])
    assert all(s.default_status is dg.DefaultScheduleStatus.RUNNING for s in home.defs.schedules or [])


def test_monthly_assets_share_one_partitions_definition_and_backfill_in_one_run(home: Home) -> None:
    specs = {s.key.to_user_string(): s for s in home.defs.resolve_all_asset_specs()}
    assert len({specs[name].partitions_def for name in MONTHLY | POWER}) == 1
    assert all(specs[name].partitions_def is None for name in UNPARTITIONED)
    graph = home.defs.resolve_asset_graph()
    for name in MONTHLY | POWER:
        assert graph.get(dg.AssetKey(name)).backfill_policy == dg.BackfillPolicy.single_run()


def test_every_made_asset_says_what_it_is_who_owns_it_and_which_version_made_it(home: Home) -> None:
    for spec in home.defs.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.kinds, spec.key
        if spec.key.to_user_string() in MONTHLY | POWER | REPORTS | {"vehicle_classifier"}:
            assert spec.owners
            assert spec.code_version
            assert spec.group_name in ("charging", "vehicles", "power", "reports")


def test_every_monthly_asset_has_a_file_and_every_file_an_asset() -> None:
    assert set(MONTH_FILES) == MONTHLY
    assert set(POWER_FILES) == POWER - {
        "power_readings"
    }  # which stores each batch before it asks for the next


def test_the_definitions_validate_with_all_jobs(home: Home) -> None:
    dg.Definitions.validate_loadable(home.defs)


def test_resources_can_be_replaced(home: Home) -> None:
    other = dg.ResourceDefinition.hardcoded_resource("another")
    replaced = build_defs(home.settings, {"store": other}).resources or {}
    assert replaced["store"] is other
    assert set(replaced) == {"chargepoint", "home_assistant", "store", "io_manager"}


def test_no_secret_is_a_value_in_the_definitions(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.setenv(f"CPH50_CHARGEPOINT_{name}", f"canary-{name}")
    resource = (build_defs(make_home().settings).resources or {})["chargepoint"]
    assert resource.password == dg.EnvVar("CPH50_CHARGEPOINT_PASSWORD")
    assert "canary" not in repr(resource.model_dump())


def test_importing_the_code_location_brings_in_nothing_heavy(tmp_path: Path) -> None:
    done = run_python(
        "import json, sys\n"
        "import cph50_pipeline.definitions as module\n"
        "module.defs.load_fn()\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_wrong_setting_is_named_when_the_location_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    from cph50_pipeline import definitions

    monkeypatch.setenv("CPH50_TIMEZONE", "Pacific")
    with pytest.raises(BadInputError, match="CPH50_TIMEZONE"):
        definitions.load_settings()
