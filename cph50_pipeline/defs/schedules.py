"""Weekly refresh, monthly closure, the weekly report; the nights of power and caches are in modules of their own.

They are level-triggered: what was missed is made up for.
"""

from datetime import datetime

import dagster as dg

from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.defs.caches.schedule import build_cache_schedules
from cph50_pipeline.defs.jobs import MONTHLY_CLOSURE_JOB, VEHICLE_REPORT_JOB, WEEKLY_REFRESH_JOB
from cph50_pipeline.defs.maintenance.job import build_maintenance_schedule
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS
from cph50_pipeline.defs.power_schedules import build_power_schedules
from cph50_pipeline.defs.retention_job import build_retention_schedule
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings

WEEKLY_CRON = "0 8 * * 0"  # Sundays 08:00 UTC, midnight in the Pacific zone
MONTHLY_CRON = "0 10 2 * *"  # the 2nd, 10:00 UTC
REPORT_CRON = "0 20 * * 0"  # Sundays 20:00 in the household's zone, when the week is nearly over


def months_to_close(store: Store, now: datetime) -> list[str]:
    """Stored months that are over and not closed, and the month before `now`'s, oldest first.

    A damaged month is among them: its run says what is damaged, and keeps no other month from being closed.
    """
    current = month_of(now, store.zone)
    previous = shift_month(current, -1)
    stored = [month for month in store.stored_months(ACTIVITY) if month < current]
    return [month for month in sorted({*stored, previous}) if not _is_closed(store, month)]


def _is_closed(store: Store, month: str) -> bool:
    stored = store.read_month_if_whole(ACTIVITY, month)
    return stored is not None and stored.closed


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """All schedules, running by default."""

    @dg.schedule(
        name="weekly_refresh",
        job_name=WEEKLY_REFRESH_JOB,
        cron_schedule=WEEKLY_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sundays 08:00 UTC: the current month, whole.",
    )
    @pauses(settings)
    def weekly_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        month = month_of(context.scheduled_execution_time, settings.zone)
        return dg.RunRequest(partition_key=month)

    @dg.schedule(
        name="monthly_closure",
        job_name=MONTHLY_CLOSURE_JOB,
        cron_schedule=MONTHLY_CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The 2nd of a month 10:00 UTC: the month before, whole and final, and any that is still open.",
    )
    @pauses(settings)
    def monthly_closure(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        months = [
            month
            for month in months_to_close(Store.of(settings), context.scheduled_execution_time)
            if month >= settings.history_start
        ]
        if not months:
            return dg.SkipReason("Every month that is over is closed")
        return [dg.RunRequest(partition_key=month, run_key=month) for month in months]

    @dg.schedule(
        name="weekly_vehicle_report",
        job_name=VEHICLE_REPORT_JOB,
        cron_schedule=REPORT_CRON,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sundays 20:00 local: the sessions without a car, and the digest of the vehicles.",
    )
    @pauses(settings)
    def weekly_vehicle_report(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not Store.of(settings).stored_months(CLASSIFICATIONS):
            return dg.SkipReason("No session is stored yet")
        return dg.RunRequest()  # late or twice, it reports what is stored, and the same data changes no file

    return [
        weekly_refresh,
        monthly_closure,
        weekly_vehicle_report,
        *build_power_schedules(settings),
        *build_cache_schedules(settings),
        build_retention_schedule(settings),
        build_maintenance_schedule(settings),
    ]
