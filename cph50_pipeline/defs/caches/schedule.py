"""The nights of the caches: what is not valid at 02:00 in the household's zone, or will not be until the next night.

A job has a schedule of its own, since Dagster's schedules start one job each. They are level-triggered: a night that
was missed is made up for by the next.
"""

from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.caches.refreshing import Batch, batches, due_at_its_time
from cph50_pipeline.defs.caches.registry import REFRESH_CRON, REFRESH_SCHEDULES, SITE_CRON, TYPES
from cph50_pipeline.defs.caches.status import statuses
from cph50_pipeline.defs.due_months import requests
from cph50_pipeline.defs.jobs import SITE_JOB
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG
from cph50_pipeline.settings import Settings

NIGHT_TAG = "cph50/purpose"
NIGHT = "cache refresh"
VALID = "Everything is valid until tomorrow night"


def build_cache_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules, running by default."""
    return [_schedule(settings, job, name) for job, name in REFRESH_SCHEDULES.items()]


def _schedule(settings: Settings, job: str, name: str) -> dg.ScheduleDefinition:
    cron = SITE_CRON if job == SITE_JOB else REFRESH_CRON
    at = "02:30" if job == SITE_JOB else "02:00"
    made = [type_.asset for type_ in TYPES.values() if type_.job == job]

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{at} local: what is not valid of {', '.join(made)}, and what would not last a day.",
    )
    @pauses(settings)
    def refresh(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        found = [entry for entry in statuses(context.instance, settings, now) if TYPES[entry.type].job == job]
        current = month_of(now, settings.zone)
        wanted = [
            request
            for batch in batches(due_at_its_time(found), current)
            for request in _requests(context.instance, batch)
        ]
        return wanted or dg.SkipReason(VALID)

    return refresh


def _requests(instance: dg.DagsterInstance, batch: Batch) -> list[dg.RunRequest]:
    """A run for the batch, or for each half of the months of one that failed the night before.

    Dagster wants keys that tell the runs of one night apart; the same key starts a run again the next night.
    """
    now = datetime.now(UTC)
    if batch.months:
        halves = requests(instance, [(month, NIGHT) for month in batch.months], now)
        return [dg.RunRequest(run_key=half.tags[FIRST_MONTH_TAG], tags=half.tags) for half in halves]
    tags = {NIGHT_TAG: NIGHT}
    return [dg.RunRequest(tags=tags)] if may_start(attempts(instance, tags), now) else []
