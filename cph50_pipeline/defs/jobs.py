"""The jobs people, schedules and sensors start: one selection of assets, several reasons to run it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg

from cph50_pipeline.defs.training_inputs import TrainingConfig
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.power.data_points import PowerFile

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

MONTH_ASSETS = dg.AssetSelection.assets(
    "chargepoint_activity", "session_samples", "vehicle_classifications", "charging_energy", "session_cache"
)
ATTRIBUTION_ASSETS = dg.AssetSelection.assets("vehicle_classifications", "charging_energy", "session_cache")
POWER_ASSETS = dg.AssetSelection.assets(
    "power_readings", "power_rollups", "power_events", "power_windows", "power_files"
)
CACHE_ASSETS = dg.AssetSelection.assets("session_samples") | ATTRIBUTION_ASSETS
REPORT_ASSETS = dg.AssetSelection.assets("unclassified_sessions", "vehicle_digest")
SITE_ASSETS = dg.AssetSelection.assets("site")
# The files were held against their rules before they replaced the last good ones. What a run for one session asks again
# of the disk is the file that people read: each further check is three more events in Dagster's log, and all of them
# together were a quarter of the run. Weekly, monthly and other runs ask everything.
SESSION_ASSETS = MONTH_ASSETS.without_checks() | dg.AssetSelection.checks_for_assets("session_cache")
PERSISTENT = dg.RetryPolicy(
    max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
# Somebody waits for what is refreshed by hand; what passes by itself within seconds need not cost a minute.
BRISK = dg.RetryPolicy(max_retries=3, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

CHARGING_JOB = "charging_job"
SESSION_JOB = "session_job"
WEEKLY_REFRESH_JOB = "weekly_refresh_job"
MONTHLY_CLOSURE_JOB = "monthly_closure_job"
ATTRIBUTION_JOB = "attribution_job"
CACHE_JOB = "cache_job"
TRAINING_JOB = "training_job"
VEHICLE_REPORT_JOB = "vehicle_report_job"
SITE_JOB = "site_job"
POWER_JOB = "power_job"
PUBLISH_JOB = "publish_job"
RETENTION_JOB = "power_retention_job"
MAINTENANCE_JOB = "maintenance_job"
LIVE_JOB = "live_job"

REBUILD_TAG = "cph50/rebuild"
"""Marks a run of `cph50 rebuild`; its value is the zone."""
RETENTION_TAG = "cph50/retention"
"""Marks a run that thins old readings on purpose."""


JOB_NAMES = (
    CHARGING_JOB,
    SESSION_JOB,
    WEEKLY_REFRESH_JOB,
    MONTHLY_CLOSURE_JOB,
    ATTRIBUTION_JOB,
    CACHE_JOB,
    TRAINING_JOB,
    VEHICLE_REPORT_JOB,
    SITE_JOB,
    POWER_JOB,
    RETENTION_JOB,
    PUBLISH_JOB,
    MAINTENANCE_JOB,
    LIVE_JOB,
)


def update_run_config(config: UpdateConfig) -> dict[str, Any]:
    """Run config that tells `chargepoint_activity` what to ask for."""
    return {"ops": {"chargepoint_activity": {"config": config.model_dump(exclude_defaults=True)}}}


def training_run_config(config: TrainingConfig) -> dict[str, Any]:
    """Run config that tells `vehicle_classifier` what it may do."""
    return {"ops": {"vehicle_classifier": {"config": config.model_dump(exclude_defaults=True)}}}


def power_run_config(files: Sequence[PowerFile]) -> dict[str, Any]:
    """Run config that tells `power_files` which of the four files to make."""
    return {"ops": {"power_files": {"config": {"files": [*files]}}}}


Job: TypeAlias = "dg.JobDefinition | UnresolvedAssetJobDefinition"


def build_jobs() -> dict[str, Job]:
    """All jobs by name."""
    jobs: list[Job] = [
        dg.define_asset_job(
            CHARGING_JOB,
            selection=MONTH_ASSETS | dg.AssetSelection.assets("vehicle_classifier"),
            description="Any months, whole: ask ChargePoint, learn the cars, name them, account, cache.",
        ),
        dg.define_asset_job(
            SESSION_JOB,
            selection=SESSION_ASSETS,
            description="One session: sample it while it runs, merge it into its month, bring the month up to date.",
        ),
        dg.define_asset_job(
            WEEKLY_REFRESH_JOB,
            selection=MONTH_ASSETS,
            description="A month that is still open, whole: catches what no sensor saw.",
            op_retry_policy=PERSISTENT,
        ),
        dg.define_asset_job(
            MONTHLY_CLOSURE_JOB,
            selection=MONTH_ASSETS,
            config=update_run_config(UpdateConfig(close=True)),
            description="A month that is over, whole, and then final: it is not polled any more.",
            op_retry_policy=PERSISTENT,
        ),
        dg.define_asset_job(
            ATTRIBUTION_JOB,
            selection=ATTRIBUTION_ASSETS,
            description="Name the sessions of the months again, by labels, cars and model as they are.",
        ),
        dg.define_asset_job(
            CACHE_JOB,
            selection=CACHE_ASSETS,
            description="Everything that is made of what is stored of a month's sessions, again. Asks nobody.",
            op_retry_policy=BRISK,
        ),
        dg.define_asset_job(
            TRAINING_JOB,
            selection=dg.AssetSelection.assets("vehicle_classifier"),
            description="Learn the cars from the labels; what passes the gate is put in force.",
        ),
        dg.define_asset_job(
            VEHICLE_REPORT_JOB,
            selection=REPORT_ASSETS,
            description="The sessions without a car and the digest of the vehicles, from all that is stored.",
            op_retry_policy=PERSISTENT,
        ),
        dg.define_asset_job(
            SITE_JOB,
            selection=SITE_ASSETS,
            description="The pages as files, from all that is stored: what GitHub Pages shows.",
            op_retry_policy=PERSISTENT,
        ),
        dg.define_asset_job(
            POWER_JOB,
            selection=POWER_ASSETS,
            description="The house's meters: take in what they said, roll the months up, and the windows over them.",
            op_retry_policy=PERSISTENT,
        ),
    ]
    return {job.name: job for job in jobs}
