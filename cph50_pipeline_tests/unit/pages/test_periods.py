"""Periods: which one an address names, what lies beside it, and its parts on long and short days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.pages.periods import (
    FIRST_DAY,
    LAST_DAY,
    Period,
    View,
    containing,
    months_to_read,
    parts,
    period_asked,
)

LA = ZoneInfo("America/Los_Angeles")
TODAY = date(2026, 3, 8)
DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))
ZONES = st.sampled_from(
    ["America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Period("month", date(2026, 3, 1), date(2026, 3, 31))),
        ({"view": "day"}, Period("day", TODAY, TODAY)),
        ({"at": "2024-02"}, Period("month", date(2024, 2, 1), date(2024, 2, 29))),
        ({"at": "2024"}, Period("year", date(2024, 1, 1), date(2024, 12, 31))),
        ({"at": "2024-02-29"}, Period("day", date(2024, 2, 29), date(2024, 2, 29))),
        ({"view": "month", "at": "2026-01-07"}, Period("month", date(2026, 1, 1), date(2026, 1, 31))),
        ({"view": "range", "from": "2026-01-07"}, Period("range", date(2026, 1, 7), TODAY)),
        ({"from": "2026-01-07", "to": "2026-01-08"}, Period("range", date(2026, 1, 7), date(2026, 1, 8))),
        (
            {"view": "month", "at": "2026-01", "from": "2026-01-01", "to": "2026-01-31"},
            Period("month", date(2026, 1, 1), date(2026, 1, 31)),
        ),
        (
            {"view": "month", "at": "2026-01", "from": "2026-01-01", "to": "2026-01-30"},
            Period("range", date(2026, 1, 1), date(2026, 1, 30)),
        ),
        ({"view": "range"}, Period("range", date(2026, 2, 7), TODAY)),
        ({"view": "", "at": "", "from": ""}, Period("month", date(2026, 3, 1), date(2026, 3, 31))),
    ],
)
def test_an_address_names_its_period(query: dict[str, str], expected: Period) -> None:
    assert period_asked(query, TODAY) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"view": "week"}, "view"),
        ({"at": "2026-13"}, "at"),
        ({"at": "2026-02-30"}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-01-07T00:00"}, "at"),
        ({"view": "day", "at": "2026-01-0\N{ARABIC-INDIC DIGIT SEVEN}"}, "at"),
        ({"from": "0001-01-01"}, "from"),
        ({"at": "9999"}, "at"),
    ],
)
def test_what_is_no_period_is_refused_by_name(query: dict[str, str], named: str) -> None:
    with pytest.raises(BadInputError, match=f"^{named}: ") as error:
        period_asked(query, TODAY)
    assert error.value.remedy


def test_days_that_were_given_the_wrong_way_round_are_turned() -> None:
    asked = period_asked({"from": "2026-01-07", "to": "2026-01-06"}, TODAY)
    assert asked == Period("range", date(2026, 1, 6), date(2026, 1, 7))


@given(view=st.sampled_from(["day", "month", "year", "range"]), day=DAYS, length=st.integers(0, 400))
def test_the_period_after_the_one_before_is_itself_and_its_query_names_it(
    view: View, day: date, length: int
) -> None:
    period = Period("range", day, day + timedelta(length)) if view == "range" else containing(view, day)
    assert period.previous is not None
    assert period.next is not None
    assert period.previous.next == period == period.next.previous
    assert period.previous.last + timedelta(days=1) == period.first
    assert period_asked(period.query, TODAY) == period
    assert months_to_read(period)[1:] == period.months


def test_nothing_is_before_the_first_day_and_after_the_last() -> None:
    assert containing("day", FIRST_DAY).previous is None
    assert containing("year", LAST_DAY).next is None


@given(view=st.sampled_from(["day", "month", "year", "range"]), day=DAYS, zone=ZONES)
def test_parts_follow_each_other_from_the_start_to_the_end(view: View, day: date, zone: str) -> None:
    place = ZoneInfo(zone)
    period = Period("range", day, day + timedelta(80)) if view == "range" else containing(view, day)
    start, end = period.bounds(place)
    starts = [part.start for part in parts(period, place)]
    assert starts[:1] == ([start] if start < end else [])
    assert all(before < after for before, after in pairwise([*starts, end]))


@pytest.mark.parametrize(
    ("day", "hours", "titles"),
    [
        (date(2026, 3, 8), 23, {"01:00", "03:00"}),
        (date(2026, 11, 1), 25, {"01:00 PDT", "01:00 PST"}),
        (date(2026, 1, 7), 24, {"02:00"}),
    ],
)
def test_a_day_has_the_hours_that_clocks_showed(day: date, hours: int, titles: set[str]) -> None:
    found = parts(containing("day", day), LA)
    assert len(found) == hours
    assert titles <= {part.title for part in found}
    assert ("02:00" in {part.title for part in found}) == (day != date(2026, 3, 8))


def test_a_long_range_falls_into_months_that_lead_to_themselves() -> None:
    found = parts(Period("range", date(2025, 12, 20), date(2026, 3, 5)), LA)
    assert [part.label for part in found] == ["2025-12", "2026-01", "2026-02", "2026-03"]
    assert found[0].start == containing("day", date(2025, 12, 20)).bounds(LA)[0]
    assert found[1].period == containing("month", date(2026, 1, 1))


def test_another_view_shows_today_where_it_can_and_else_the_first_day() -> None:
    assert containing("month", TODAY).seen_as("day", TODAY) == containing("day", TODAY)
    assert containing("year", date(2024, 5, 1)).seen_as("month", TODAY) == containing(
        "month", date(2024, 1, 1)
    )
    assert containing("day", date(2024, 5, 1)).seen_as("year", TODAY).at == "2024"
    assert containing("month", TODAY).seen_as("range", TODAY).query == {
        "view": "range",
        "from": "2026-03-01",
        "to": "2026-03-31",
    }
