"""Schedules: when they come due and which months they ask for, at the edges of years, zones and clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.defs.document_files import DIGEST_JSON
from cph50_pipeline.defs.jobs import MONTHLY_CLOSURE_JOB, VEHICLE_REPORT_JOB, WEEKLY_REFRESH_JOB
from cph50_pipeline.defs.month_files import ACTIVITY
from cph50_pipeline.defs.schedules import MONTHLY_CRON, REPORT_CRON, WEEKLY_CRON, months_to_close
from cph50_pipeline.defs.tick import latest_due
from cph50_pipeline_tests.dagster.homes import Home, MakeHome, at, failure_texts


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked(home: Home, schedule: str, moment: datetime) -> list[str | None]:
    """The months that a schedule asks for at a moment."""
    return [request.partition_key for request in requests(home, schedule, moment)]


def requests(home: Home, schedule: str, moment: datetime) -> list[dg.RunRequest]:
    """The runs that a schedule asks for at a moment."""
    definition = home.defs.get_schedule_def(schedule)
    with at(moment):
        context = dg.build_schedule_context(
            instance=home.instance,
            scheduled_execution_time=moment,
            repository_def=home.defs.get_repository_def(),
        )
        return list(definition.evaluate_tick(context).run_requests or [])


def store_months(home: Home, months: dict[str, bool]) -> None:
    """Months as stored, each closed or not."""
    for month, closed in months.items():
        path = home.folder / ACTIVITY.path(month)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ACTIVITY.dump(ActivityMonth(month=month, closed=closed)))


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2026-01-02T10:00", "2025-12"),
        ("2026-03-02T10:00", "2026-02"),
        ("2026-04-02T10:00", "2026-03"),  # the clocks went forward in March
        ("2025-12-02T10:00", "2025-11"),  # and back in November
    ],
)
def test_closure_takes_the_month_before_by_itself(home: Home, moment: str, month: str) -> None:
    assert asked(home, "monthly_closure", utc(moment)) == [month]


def test_closure_also_takes_what_was_missed_and_leaves_what_is_closed(home: Home) -> None:
    store_months(home, {"2025-11": False, "2025-12": True, "2026-01": False, "2026-02": False})
    assert asked(home, "monthly_closure", utc("2026-03-02T10:00")) == ["2025-11", "2026-01", "2026-02"]


def test_closure_never_takes_the_current_month_or_one_before_the_history(make_home: MakeHome) -> None:
    home = make_home(history_start="2025-12")
    store_months(home, {"2025-10": False, "2025-11": False, "2026-01": False})
    assert asked(home, "monthly_closure", utc("2026-01-02T10:00")) == ["2025-12"]


def test_closure_rests_when_every_month_is_closed(home: Home) -> None:
    store_months(home, {"2025-12": True})
    assert asked(home, "monthly_closure", utc("2026-01-02T10:00")) == []


def test_months_to_close_are_counted_in_the_households_zone(home: Home) -> None:
    still_january = utc("2026-02-01T07:59")
    assert months_to_close(home.store(), still_january) == ["2025-12"]
    assert months_to_close(home.store(), utc("2026-02-01T08:00")) == ["2026-01"]


@pytest.mark.parametrize(
    ("moment", "zone", "month"),
    [
        ("2026-02-01T08:00", "America/Los_Angeles", "2026-02"),  # local midnight: the new month has begun
        ("2026-03-01T08:00", "Pacific/Honolulu", "2026-02"),  # 22:00 on the last day of February
        ("2026-11-01T08:00", "America/Los_Angeles", "2026-11"),  # 01:00, an hour before the clocks go back
        ("2026-01-25T08:00", "Europe/Berlin", "2026-01"),
    ],
)
def test_the_weekly_refresh_takes_the_current_local_month(
    make_home: MakeHome, moment: str, zone: str, month: str
) -> None:
    assert asked(make_home(timezone=zone), "weekly_refresh", utc(moment)) == [month]


def test_the_schedules_start_their_own_jobs_at_the_documented_times_of_utc(home: Home) -> None:
    found = {s.name: s for s in home.defs.schedules or []}
    assert found["weekly_refresh"].job_name == WEEKLY_REFRESH_JOB
    assert found["monthly_closure"].job_name == MONTHLY_CLOSURE_JOB
    assert {found[name].execution_timezone for name in ("weekly_refresh", "monthly_closure")} == {"UTC"}
    assert (found["weekly_refresh"].cron_schedule, found["monthly_closure"].cron_schedule) == (
        "0 8 * * 0",
        "0 10 2 * *",
    )


def test_the_weekly_report_starts_its_own_job_on_sunday_evening_by_the_households_clock(
    make_home: MakeHome,
) -> None:
    home = make_home(timezone="Europe/Berlin")
    schedule = home.defs.get_schedule_def("weekly_vehicle_report")
    assert (schedule.job_name, schedule.cron_schedule) == (VEHICLE_REPORT_JOB, "0 20 * * 0")
    assert schedule.execution_timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("cron", "since", "now", "due"),
    [
        (WEEKLY_CRON, "2026-01-24T00:00", "2026-01-25T07:59", None),
        (WEEKLY_CRON, "2026-01-24T00:00", "2026-01-25T08:00", "2026-01-25T08:00"),
        (WEEKLY_CRON, "2026-01-25T08:00", "2026-01-25T09:00", None),  # done already
        (
            WEEKLY_CRON,
            "2025-12-01T00:00",
            "2026-01-26T00:00",
            "2026-01-25T08:00",
        ),  # the newest stands for all
        (MONTHLY_CRON, "2025-12-31T00:00", "2026-01-15T00:00", "2026-01-02T10:00"),
    ],
)
def test_what_is_due_is_the_newest_time_since_the_last_tick(
    cron: str, since: str, now: str, due: str | None
) -> None:
    assert latest_due(cron, utc(since), utc(now), ZoneInfo("UTC")) == (None if due is None else utc(due))


REPORTS_DUE = [
    ("America/Los_Angeles", "2026-03-01T00:00", ["2026-03-02T04:00", "2026-03-09T03:00", "2026-03-16T03:00"]),
    ("America/Los_Angeles", "2026-10-24T00:00", ["2026-10-26T03:00", "2026-11-02T04:00", "2026-11-09T04:00"]),
    ("Europe/Berlin", "2026-03-22T00:00", ["2026-03-22T19:00", "2026-03-29T18:00", "2026-04-05T18:00"]),
    ("Australia/Lord_Howe", "2026-10-03T00:00", ["2026-10-04T09:00", "2026-10-11T09:00", "2026-10-18T09:00"]),
]
"""Sundays at 20:00 of the zone; the clocks change on the second of each, or on the first."""


@pytest.mark.parametrize(("zone", "since", "due"), REPORTS_DUE)
def test_the_weekly_report_is_due_at_eight_in_the_evening_also_when_the_clocks_change(
    zone: str, since: str, due: list[str]
) -> None:
    by_dagster = schedule_execution_time_iterator(utc(since).timestamp(), REPORT_CRON, zone)
    assert [next(by_dagster).astimezone(UTC) for _ in due] == [utc(moment) for moment in due]
    for before, moment in zip([since, *due], due, strict=False):
        just_before = utc(moment) - timedelta(seconds=1)
        assert latest_due(REPORT_CRON, utc(before), just_before, ZoneInfo(zone)) is None
        assert latest_due(REPORT_CRON, utc(before), utc(moment), ZoneInfo(zone)) == utc(moment)


def test_the_weekly_report_rests_until_a_session_is_stored(home: Home) -> None:
    assert requests(home, "weekly_vehicle_report", utc("2026-01-26T04:00")) == []


def test_the_weekly_report_run_as_asked_late_and_twice_reports_what_is_stored(collected: Home) -> None:
    [request] = requests(collected, "weekly_vehicle_report", utc("2026-01-26T04:00"))
    assert request.run_key is None
    assert collected.run_request(request, VEHICLE_REPORT_JOB).success
    made, commits = collected.json(DIGEST_JSON), collected.commit_count()
    with at(utc("2026-02-20T04:00")):
        assert collected.run_request(request, VEHICLE_REPORT_JOB).success
    assert collected.json(DIGEST_JSON) == made
    assert collected.commit_count() == commits


def test_closure_run_as_asked_marks_the_month_final(collected: Home) -> None:
    moment = utc("2026-02-02T10:00")
    collected.simulator.clock.move_to(moment)
    *_, of_january = requests(collected, "monthly_closure", moment)
    with at(moment):
        assert collected.run_request(of_january, MONTHLY_CLOSURE_JOB).success
    assert collected.store().activity("2026-01").closed
    assert asked(collected, "monthly_closure", utc("2026-03-02T10:00")) == ["2025-11", "2025-12", "2026-02"]


def test_a_damaged_month_keeps_no_other_from_being_closed_and_its_run_names_it(home: Home) -> None:
    store_months(home, {"2025-11": False, "2025-12": True})
    (home.folder / ACTIVITY.path("2025-12")).write_text("{")
    moment = utc("2026-01-02T10:00")
    assert asked(home, "monthly_closure", moment) == ["2025-11", "2025-12"]
    *_, of_december = requests(home, "monthly_closure", moment)
    with at(moment):
        [text, *_] = failure_texts(home.run_request(of_december, MONTHLY_CLOSURE_JOB))
    assert ACTIVITY.path("2025-12") in text
