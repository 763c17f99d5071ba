"""Edges of buckets: they tile time, and follow the household's clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_bounds, day_start, from_epoch_ms, month_bounds, to_epoch_ms
from cph50_pipeline.power.buckets import Resolution, edges
from cph50_pipeline_tests.unit.power.builders import starts, zones

any_zone = st.sampled_from(sorted(available_timezones() - {"localtime", "posixrules"})).map(ZoneInfo)
lengths = st.integers(1, 10_000).map(lambda minutes: timedelta(minutes=minutes))
resolutions = st.sampled_from(["5min", "hour", "day"])


@given(resolutions, starts, lengths, any_zone)
def test_buckets_cover_the_interval_and_none_lies_outside(
    resolution: Resolution, start: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    found = edges(resolution, start, start + length, zone)

    assert (np.diff(found) > 0).all()
    assert found[0] <= to_epoch_ms(start) < found[1]
    assert found[-2] < to_epoch_ms(start + length) <= found[-1]


@given(resolutions, starts, lengths, any_zone)
def test_every_edge_is_an_edge_of_the_finer_buckets(
    resolution: Resolution, start: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    coarse = edges(resolution, start, start + length, zone)
    whole = from_epoch_ms(coarse[0]), from_epoch_ms(coarse[-1])
    for finer in ("hour", "5min") if resolution == "day" else ("5min",):
        assert set(coarse) <= set(edges(finer, *whole, zone))  # type: ignore[arg-type]


@given(starts, lengths, any_zone)
def test_an_hour_begins_when_the_clocks_show_a_full_one(
    start: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    for edge in edges("hour", start, start + length, zone):
        local = from_epoch_ms(edge).astimezone(zone)
        assert (local.minute, local.second) == (0, 0) or edge == to_epoch_ms(day_start(local.date(), zone))


@given(starts, lengths)
def test_where_clocks_differ_by_hours_an_hour_is_one_of_utc(start: datetime, length: timedelta) -> None:
    found = edges("hour", start, start + length, ZoneInfo("America/Los_Angeles"))

    assert (found % 3_600_000 == 0).all()
    assert set(np.diff(found)) == {3_600_000}


@given(starts, zones)
def test_a_day_is_a_civil_day(start: datetime, zone: ZoneInfo) -> None:
    day = start.astimezone(zone).date()

    assert [from_epoch_ms(edge) for edge in edges("day", start, start + timedelta(seconds=1), zone)] == [
        *day_bounds(day, zone)
    ]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", date(2025, 3, 9), 23),
        ("America/Los_Angeles", date(2025, 11, 2), 25),
        ("Asia/Kolkata", date(2025, 3, 9), 24),
        ("Africa/Cairo", date(2025, 4, 25), 23),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24),  # 24.5 hours long: one of its hours has 90 minutes
    ],
)
def test_a_day_is_divided_into_its_own_hours(zone: str, day: date, hours: int) -> None:
    assert len(edges("hour", *day_bounds(day, ZoneInfo(zone)), ZoneInfo(zone))) - 1 == hours


def test_a_month_is_divided_into_its_days() -> None:
    zone = ZoneInfo("Europe/Berlin")

    assert len(edges("day", *month_bounds("2024-02", zone), zone)) - 1 == 29


def test_a_day_that_the_zone_left_out_is_no_bucket() -> None:
    zone = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December
    found = edges("day", datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2011, 12, 31, 6, tzinfo=UTC), zone)

    assert [from_epoch_ms(edge).astimezone(zone).day for edge in found] == [29, 31, 1]
