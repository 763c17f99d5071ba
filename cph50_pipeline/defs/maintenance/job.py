"""The job and the weekly schedule of maintenance. They go on while the household is in maintenance mode."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.jobs import MAINTENANCE_JOB
from cph50_pipeline.defs.maintenance.work import Maintenance, Step
from cph50_pipeline.settings import Settings

SCHEDULE = "maintenance"
MAINTENANCE_CRON = "30 3 * * 1"  # Mondays 03:30 in the household's zone, an hour that every Monday has
_STEPS = "steps"


def build_maintenance_job(settings: Settings) -> dg.JobDefinition:
    """The job; it fails when a step did, after all of them."""

    @dg.op(
        # By the store's lock others see that this run is alive, however long it takes.
        required_resource_keys={"store"},
        out=dg.Out(dg.Nothing),
        description="Keeps small what grows: logs, records, latest values.",
    )
    def maintain(context: dg.OpExecutionContext) -> None:
        work = Maintenance(settings, context.instance, context.run_id, datetime.now(UTC), context.log)
        steps = []
        with as_dagster_failure():
            for step in work.steps():
                steps.append(step)
                (context.log.error if step.trouble else context.log.info)(step.sentence)
        metadata = _metadata(steps)
        troubles = [step.sentence for step in steps if step.trouble]
        if troubles:
            raise dg.Failure("; ".join(troubles), metadata=metadata, allow_retries=False)
        context.add_output_metadata(metadata)

    @dg.job(
        name=MAINTENANCE_JOB,
        description="Rotate logs, forget runs of long ago, tidy up, put databases in order.",
    )
    def maintenance_job() -> None:
        maintain()

    return maintenance_job


def build_maintenance_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule, running by default."""

    @dg.schedule(
        name=SCHEDULE,
        job_name=MAINTENANCE_JOB,
        cron_schedule=MAINTENANCE_CRON,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Mondays 03:30 local: logs, runs of long ago, what was left over, databases.",
    )
    def maintenance(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest()

    return maintenance


def steps_of_run(instance: dg.DagsterInstance, run_id: str) -> list[Step]:
    """What the steps of a run of the job did; nothing while they are not over."""
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        found: Mapping[str, Any] = {}
        if event is not None and event.event_type is dg.DagsterEventType.STEP_OUTPUT:
            found = event.step_output_data.metadata
        elif event is not None and event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data.user_failure_data
            found = failure.metadata if failure is not None else {}
        if _STEPS in found:
            return [Step.of_row(row) for row in found[_STEPS].value]
    return []


def _metadata(steps: list[Step]) -> dict[str, Any]:
    return {
        _STEPS: dg.MetadataValue.json([step.row() for step in steps]),
        "bytes_freed": sum(step.done.bytes_freed for step in steps),
        **{step.name.replace(" ", "_"): step.sentence for step in steps},
    }
