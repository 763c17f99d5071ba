"""The job and the schedule of retention: readings that are old are compressed or thinned, where a household says so."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.jobs import RETENTION_JOB, RETENTION_TAG
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.retaining import RetentionConfig, plan_retention, retain
from cph50_pipeline.settings import PowerRetention, Settings

RETENTION_CRON = "0 3 3 * *"  # the 3rd, 03:00 in the household's zone: the month before is closed by then


def build_retention_job(settings: Settings) -> dg.JobDefinition:
    """The job; what it may do stands in its run config."""
    interval_seconds = settings.power_interval_seconds

    @dg.op(
        name="power_retention",
        required_resource_keys={"store"},
        description="Compress or thin the readings of months that are long over; what they came to stays.",
    )
    def power_retention(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
        store = context.resources.store
        with as_dagster_failure():
            store.hold_power()
            meters = store.meters(interval_seconds)
            planned = plan_retention(store, config, meters, datetime.now(UTC))
            done = retain(store, config, meters, planned)
        for one in done:
            context.log_event(
                dg.AssetMaterialization(
                    "power_readings",
                    partition=one.month,
                    description=f"Retention: {config.policy}",
                    metadata={
                        "dagster/row_count": one.readings,
                        "readings_gone": one.gone,
                        "bytes_before": one.bytes_before,
                        "bytes_after": one.bytes_after,
                    },
                )
            )
        context.log.info(f"{len(done)} month(s) of readings: {config.policy}")

    @dg.job(
        name=RETENTION_JOB,
        tags={RETENTION_TAG: "yes"},
        description="Compress or thin the readings of months that are long over.",
    )
    def retention_job() -> None:
        power_retention()

    return retention_job


def retention_run_config(settings: Settings) -> Mapping[str, Any]:
    """Run config by which the job does what the settings say."""
    return {"ops": {"power_retention": {"config": RetentionConfig.of(settings).model_dump()}}}


def build_retention_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule, running by default: where readings are kept as they are it skips."""

    @dg.schedule(
        name="power_retention",
        job_name=RETENTION_JOB,
        cron_schedule=RETENTION_CRON,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The 3rd of a month 03:00 local: readings that are old, as CPH50_POWER_RETENTION says.",
    )
    @pauses(settings)
    def power_retention_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if settings.power_retention is PowerRetention.KEEP:
            return dg.SkipReason("CPH50_POWER_RETENTION is keep: readings stay as they are")
        return dg.RunRequest(run_config=retention_run_config(settings))

    return power_retention_schedule
