"""The nights of power: when they come due, and what they ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.partitions import months_of_run
from cph50_pipeline.defs.power_schedules import NIGHTS, build_power_schedules
from cph50_pipeline_tests.dagster.homes import Home


def asked(home: Home, schedule: str, moment: datetime) -> dg.RunRequest:
    """The one run that a schedule asks for at a moment."""
    definition = home.defs.get_schedule_def(schedule)
    context = dg.build_schedule_context(
        instance=home.instance,
        scheduled_execution_time=moment,
        repository_def=home.defs.get_repository_def(),
    )
    [request] = definition.evaluate_tick(context).run_requests or []
    return request


@pytest.mark.parametrize(
    ("moment", "months"),
    [
        (datetime(2026, 1, 20, 8, 2, tzinfo=UTC), ["2026-01"]),
        (datetime(2026, 1, 1, 8, 2, tzinfo=UTC), ["2025-12", "2026-01"]),
        (datetime(2025, 11, 1, 7, 2, tzinfo=UTC), ["2025-11"]),  # the history begins there
    ],
)
def test_a_night_asks_for_the_month_of_the_day_before_too(
    home: Home, moment: datetime, months: list[str]
) -> None:
    assert months_of_run(asked(home, "power_weekly", moment).tags) == months


def test_each_night_run_makes_the_files_of_the_ones_before_it_too(home: Home) -> None:
    moment = datetime(2026, 1, 20, 8, 15, tzinfo=UTC)
    made = [asked(home, name, moment).run_config["ops"]["power_files"]["config"]["files"] for name in NIGHTS]
    assert made == [
        ["daily", "weekly"],
        ["daily", "weekly", "monthly"],
        ["daily", "weekly", "monthly", "yearly"],
    ]


def test_nights_are_the_households_own_and_run_without_being_switched_on(home: Home) -> None:
    schedules = build_power_schedules(home.settings)
    assert {schedule.cron_schedule for schedule in schedules} == {"2 0 * * *", "5 0 * * *", "15 0 * * *"}
    for schedule in schedules:
        assert schedule.job_name == POWER_JOB
        assert schedule.execution_timezone == home.settings.timezone
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
