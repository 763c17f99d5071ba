from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.migration.shapes import Row, Source
from cph50_pipeline.power.migration.times import Span, Stretch, read_stamp, span_of, stretches
from cph50_pipeline.power.migration.verdicts import Reason, Refusal
from cph50_pipeline_tests.unit.power.builders import PACIFIC, starts, zones

CAIRO = ZoneInfo("Africa/Cairo")


def spans(stamps: list[str], name: str = "old.json", zone: ZoneInfo = PACIFIC) -> Span:
    source = Source(name, tuple(Row(1, stamp, ()) for stamp in stamps), is_ours=False)
    return span_of(source, [read_stamp(stamp) for stamp in stamps], zone)


def read(stamps: list[Any], span: Span = Span.READINGS, zone: ZoneInfo = PACIFIC) -> list[Any]:
    """The instants at which rows begin, or the reasons why none."""
    found = stretches([read_stamp(stamp) for stamp in stamps], span, zone)
    return [one.reason if isinstance(one, Refusal) else one.begin.isoformat()[:16] for one in found]


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-07T00:30:00",
        "2026-01-07 00:30",
        "2026-01-07T08:30:00Z",
        "2026-01-07T03:30:00-05:00",
        1767774600,
        1767774600.0,
        1767774600000,
        "1767774600",
    ],
)
def test_a_time_is_local_or_has_an_offset_or_is_unix_time(written: object) -> None:
    assert read([written]) == ["2026-01-07T08:30"]


@pytest.mark.parametrize(
    "written", [None, "", "yesterday", True, 12, -1e30, 1e300, "1970-01-01", [], "2026-13-01"]
)
def test_what_is_no_time_is_refused(written: object) -> None:
    assert read([written]) == [Reason.NO_TIME]


def local(day: str, *times: str) -> list[str]:
    return [f"{day}T{time}:00" for time in times]


TWICE = local("2025-11-02", "00:40", "01:00", "01:20", "01:40", "01:00", "01:20", "01:40", "02:00")


def test_the_hour_that_comes_twice_is_told_by_the_order_of_its_rows() -> None:
    begun = [datetime(2025, 11, 2, 7, 40, tzinfo=UTC) + number * timedelta(minutes=20) for number in range(8)]
    assert read(TWICE) == [at.isoformat()[:16] for at in begun]
    assert read(TWICE[1:-1]) == [at.isoformat()[:16] for at in begun[1:-1]]


@pytest.mark.parametrize(
    "stamps",
    [
        TWICE[:4] + TWICE[-1:],  # once alone
        TWICE[1:2] + TWICE[:1] + TWICE[2:],  # out of order before it
        [*TWICE[:3], TWICE[-1], *TWICE[3:]],  # a later row between
        TWICE[::-1],
        [*TWICE[:4], TWICE[2], *TWICE[3:]],  # backwards twice
        [*TWICE[:4], "soon", *TWICE[4:]],
    ],
)
def test_where_the_order_does_not_tell_they_are_refused_and_the_others_are_not(stamps: list[str]) -> None:
    found = read(stamps)
    is_repeated = [stamp in TWICE[1:-1] for stamp in stamps]
    assert [reason == Reason.REPEATED_HOUR for reason in found] == is_repeated


def test_hourly_rows_of_the_hour_that_comes_twice_are_two_and_readings_of_one_instant_are_not() -> None:
    hours = local("2025-11-02", "00:00", "01:00", "01:00", "02:00")
    begun = ["2025-11-02T07:00", "2025-11-02T08:00", "2025-11-02T09:00", "2025-11-02T10:00"]
    assert read(hours, Span.HOURS) == begun
    assert read(hours, Span.READINGS)[1:3] == [Reason.REPEATED_HOUR] * 2


def test_with_an_offset_no_order_is_needed() -> None:
    assert read(["2025-11-02T01:20:00-08:00", "2025-11-02T01:20:00-07:00"]) == [
        "2025-11-02T09:20",
        "2025-11-02T08:20",
    ]


def test_the_hour_that_was_skipped_is_refused() -> None:
    found = read(local("2026-03-08", "01:59", "02:00", "02:59", "03:00"))
    assert found == ["2026-03-08T09:59", Reason.SKIPPED_HOUR, Reason.SKIPPED_HOUR, "2026-03-08T10:00"]


@given(start=starts, zone=zones, step=st.integers(1, 60))
def test_what_a_steady_clock_wrote_is_read_back_or_refused_never_moved(
    start: datetime, zone: ZoneInfo, step: int
) -> None:
    instants = [start + number * timedelta(minutes=step) for number in range(-100, 100)]
    written = [at.astimezone(zone).replace(tzinfo=None).isoformat() for at in instants]
    for at, found in zip(
        instants, stretches([read_stamp(one) for one in written], Span.READINGS, zone), strict=True
    ):
        assert found == Stretch(at, at) or (
            isinstance(found, Refusal) and found.reason is Reason.REPEATED_HOUR
        )


@given(first=st.dates(date(2025, 1, 1), date(2026, 3, 1)), zone=zones)
def test_means_by_day_are_of_the_households_days_without_a_hole(first: date, zone: ZoneInfo) -> None:
    days = [(first + timedelta(days=number)).isoformat() for number in range(20)]
    assert spans([f"{day}T00:00:00" for day in days], zone=zone) is Span.DAYS
    found = stretches([read_stamp(f"{day}T00:00:00") for day in days], Span.DAYS, zone)
    assert all(isinstance(one, Stretch) for one in found)
    assert all(one.end == after.begin for one, after in pairwise(found))  # type: ignore[union-attr]


def test_a_day_of_universal_time_is_not_the_households() -> None:
    [found] = stretches([read_stamp("2026-01-07T00:00:00Z")], Span.DAYS, PACIFIC)
    assert found == Stretch(datetime(2026, 1, 7, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC))
    [found] = stretches([read_stamp("2026-03-08T00:00:00-08:00")], Span.DAYS, PACIFIC)
    assert found == Stretch(datetime(2026, 3, 8, 8, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "stamps", "span"),
    [
        ("old.json", ["2026-01-07T00:00:00", "2026-01-08T00:00:00"], Span.DAYS),
        ("old.json", ["2026-01-07T00:00:00", "2026-01-07T01:00:00"], Span.HOURS),
        ("old.json", ["2026-01-07T00:00:00", "2026-01-07T00:10:00"], Span.READINGS),
        ("old.json", ["2026-01-07T00:00:00", "2026-01-08T00:00:00", "nonsense"], Span.DAYS),
        ("old.json", ["2026-01-07T00:00:00", "2026-01-07T00:00:00"], Span.READINGS),
        ("monthly.json", ["2026-01-07T00:00:00"], Span.DAYS),
        ("yearly.json", ["2026-01-07T00:00:01"], Span.READINGS),
        ("daily.json", ["2026-01-07T00:00:00", "2026-01-07T01:00:00"], Span.READINGS),
        ("old.json", [], Span.READINGS),
    ],
)
def test_means_are_known_by_where_they_stand(name: str, stamps: list[str], span: Span) -> None:
    assert spans(stamps, name) is span


def test_a_day_that_has_no_midnight_is_a_day_all_the_same() -> None:
    assert spans(["2026-04-24T01:00:00+03:00", "2026-04-23T00:00:00+02:00"], zone=CAIRO) is Span.DAYS
