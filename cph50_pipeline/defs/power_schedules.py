"""The nights of power: what a day came to is put into the rolling files three times over.

Each run takes in what is not known yet and makes the files of the runs before it, too, so that a run which comes late,
twice or never is made up for by the next one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg

from cph50_pipeline.civil_time import month_of, month_range
from cph50_pipeline.defs.jobs import POWER_JOB, power_run_config
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.partitions import month_tags
from cph50_pipeline.power.data_points import FILES, PowerFile
from cph50_pipeline.settings import Settings

NIGHTS: Mapping[str, tuple[str, Sequence[PowerFile]]] = {
    "power_weekly": ("2 0 * * *", FILES[:2]),
    "power_monthly": ("5 0 * * *", FILES[:3]),
    "power_yearly": ("15 0 * * *", FILES),
}
"""By name when each comes due in the household's zone, and what it makes. A new day in the last two is committed."""


def night_months(now: datetime, settings: Settings) -> list[str]:
    """The months of a night: that of the day which has begun, and that of the day before."""
    first = max(month_of(now - timedelta(days=1), settings.zone), settings.history_start)
    return month_range(first, month_of(now, settings.zone))


def build_power_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The three schedules of a night, running by default."""
    return [_schedule(settings, name, cron, files) for name, (cron, files) in NIGHTS.items()]


def _schedule(settings: Settings, name: str, cron: str, files: Sequence[PowerFile]) -> dg.ScheduleDefinition:
    minute = int(cron.split()[0])

    @dg.schedule(
        name=name,
        job_name=POWER_JOB,
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"00:{minute:02d} local: what the day before came to, into {', '.join(files)}.",
    )
    @pauses(settings)
    def night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        months = night_months(context.scheduled_execution_time, settings)
        return dg.RunRequest(tags=month_tags(months), run_config=power_run_config(files))

    return night
