from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import (
    day_bounds,
    day_start,
    format_instant,
    format_local,
    from_epoch_ms,
    local_date,
    month_bounds,
    month_of,
    month_range,
    parse_instant,
    parse_month,
    shift_month,
    to_epoch_ms,
)
from cph50_pipeline.errors import BadInputError

PACIFIC = ZoneInfo("America/Los_Angeles")
ZONES = [
    ZoneInfo(key)
    for key in (
        "America/Los_Angeles",
        "Europe/Berlin",
        "Australia/Lord_Howe",  # half an hour of daylight saving
        "Africa/Cairo",  # skips midnight
        "Asia/Kathmandu",  # 5:45 ahead, no daylight saving
    )
]

zones = st.sampled_from(ZONES)
days = st.dates(date(2012, 1, 1), date(2037, 12, 30))
instants = st.datetimes(datetime(2012, 1, 1), datetime(2037, 12, 30), timezones=st.just(UTC))
months = days.map(lambda day: f"{day:%Y-%m}")


@given(instants, zones)
def test_every_instant_lies_in_the_bounds_of_its_own_day_and_month(instant: datetime, zone: ZoneInfo) -> None:
    day_begins, day_ends = day_bounds(local_date(instant, zone), zone)
    month_begins, month_ends = month_bounds(month_of(instant, zone), zone)

    assert day_begins <= instant < day_ends
    assert month_begins <= instant < month_ends


@given(days, zones)
def test_a_day_begins_at_its_first_instant(day: date, zone: ZoneInfo) -> None:
    start = day_start(day, zone)

    assert local_date(start, zone) == day
    assert local_date(start - timedelta(microseconds=1), zone) == day - timedelta(days=1)


@given(months, zones)
def test_the_days_of_a_month_fill_it_without_gap(month: str, zone: ZoneInfo) -> None:
    begins, ends = month_bounds(month, zone)
    lengths = []
    day = local_date(begins, zone)
    while day_start(day, zone) < ends:
        first, last = day_bounds(day, zone)
        lengths.append(last - first)
        day += timedelta(days=1)

    assert sum(lengths, timedelta()) == ends - begins
    assert day == local_date(ends, zone)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", date(2025, 3, 9), 23),
        ("America/Los_Angeles", date(2025, 11, 2), 25),
        ("America/Los_Angeles", date(2025, 7, 1), 24),
        ("Europe/Berlin", date(2025, 3, 30), 23),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Africa/Cairo", date(2025, 4, 25), 23),
    ],
)
def test_a_day_has_as_many_hours_as_its_zone_gives_it(zone: str, day: date, hours: float) -> None:
    begins, ends = day_bounds(day, ZoneInfo(zone))

    assert ends - begins == timedelta(hours=hours)


def test_a_day_whose_midnight_is_skipped_begins_when_the_clocks_resume() -> None:
    assert day_start(date(2025, 4, 25), ZoneInfo("Africa/Cairo")) == datetime(2025, 4, 24, 22, tzinfo=UTC)
    assert day_start(date(1919, 3, 31), ZoneInfo("America/Toronto")) == datetime(
        1919, 3, 31, 4, 30, tzinfo=UTC
    )


def test_a_month_ends_where_the_next_begins_by_local_midnight() -> None:
    assert month_bounds("2025-11", PACIFIC) == (
        datetime(2025, 11, 1, 7, tzinfo=UTC),
        datetime(2025, 12, 1, 8, tzinfo=UTC),
    )


@given(months, st.integers(-120, 120))
def test_shifting_a_month_there_and_back_changes_nothing(month: str, count: int) -> None:
    assert shift_month(shift_month(month, count), -count) == month


@given(months, st.integers(-3, 24))
def test_a_range_of_months_steps_by_one_and_holds_both_ends(first: str, count: int) -> None:
    last = shift_month(first, count)
    found = month_range(first, last)

    assert len(found) == max(0, count + 1)
    assert found == sorted(found)
    assert not found or (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-1", "26-01", "2026-01-01", "", "0000-01", "\uff12\uff10\uff12\uff16-01", "2026-01\n"],
)
def test_what_is_not_a_month_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadInputError, match="is not a month"):
        parse_month(text)


@given(instants)
def test_an_instant_survives_being_written(instant: datetime) -> None:
    assert parse_instant(format_instant(instant)) == instant


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_survive_being_read(milliseconds: int) -> None:
    assert to_epoch_ms(from_epoch_ms(milliseconds)) == milliseconds


@pytest.mark.parametrize("text", ["2026-01-07T06:00:01", "yesterday", "2026-01-07"])
def test_a_time_without_offset_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_instant(text)


def test_a_local_time_names_its_zone() -> None:
    assert format_local(datetime(2026, 1, 7, 6, 0, 1, tzinfo=UTC), PACIFIC) == "2026-01-06 22:00:01 PST"
