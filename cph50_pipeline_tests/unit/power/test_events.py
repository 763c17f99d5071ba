"""Events: from when until when something was wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_bounds, to_epoch_ms
from cph50_pipeline.power.events import EVENT_KINDS, Event, begun_and_lasted, events_of, totals
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import (
    PACIFIC,
    START,
    at,
    config,
    every,
    gauge,
    series,
    series_with_gaps,
    starts,
    voltage,
    zones,
)

HOME = config(
    home_power=gauge(mains=True, outage_after_seconds=180, frozen_after_seconds=180, range=(0, 50)),
    home_voltage=voltage(mains=True, outage_after_seconds=180, band=(220, 250), hold_seconds=600),
)


def told(config: MeterConfig = HOME, **meters: Any) -> list[tuple[str, str, float, float]]:
    """The events in readings, as (meter, kind, from, until) in seconds since `START`."""
    taken = Readings.of({name.replace("_", ".", 1): one for name, one in meters.items()})
    return [
        (event.meter, event.kind, (event.start - START).total_seconds(), (event.end - START).total_seconds())
        for event in events_of(mark_states(taken, config), config)
    ]


def test_an_outage_lasts_until_power_is_back() -> None:
    found = told(home_power=every(60, [1, 0, 0, 0, 0, 2]), home_voltage=every(60, [240, 0, 0, 0, 0, 240]))

    assert found == [("home.power", "outage", 60, 300), ("home.voltage", "outage", 60, 300)]


def test_a_gap_lasts_from_the_reading_before_it_to_the_one_after() -> None:
    assert told(home_voltage=series([(0, 240), (600, 240), (1800, 240)])) == [
        ("home.voltage", "gap", 600, 1800)
    ]


def test_readings_without_a_number_end_no_gap_and_a_few_make_none() -> None:
    few = every(120, [240, None, None, 240])
    many = every(300, [240, None, None, 240])

    assert told(home_voltage=few) == []
    assert told(home_voltage=many) == [("home.voltage", "gap", 0, 900)]


def test_a_freeze_lasts_until_something_else_is_said() -> None:
    assert told(home_power=every(60, [1, 2, 2, 2, 2, 3])) == [("home.power", "frozen", 60, 300)]


def test_a_voltage_outside_its_band_lasts_until_it_is_back_or_nobody_knows() -> None:
    found = told(home_voltage=series([(0, 240), (60, 255), (120, 254), (180, 240), (240, 219), (9000, 240)]))

    assert found == [
        ("home.voltage", "out_of_band", 60, 180),
        ("home.voltage", "gap", 240, 9000),
        ("home.voltage", "out_of_band", 240, 840),
    ]


def test_an_impossible_reading_is_an_event_of_its_own() -> None:
    assert told(home_power=every(60, [1, 1e9, 2])) == [("home.power", "out_of_range", 60, 120)]


def test_what_lasts_at_the_newest_reading_ends_there_as_far_as_is_known() -> None:
    assert told(home_voltage=every(60, [240, 255, 256])) == [("home.voltage", "out_of_band", 60, 120)]


def test_the_charger_has_no_gaps_and_no_freezes() -> None:
    assert told(charger_power=series([(0, 0.0), (86_400, 0.0), (900_000, 0.0)])) == []


def test_meters_that_are_not_declared_have_no_events() -> None:
    assert told(old_power=series([(0, 1), (86_400, 1)])) == []


def event(start: datetime, seconds: float, kind: str = "outage") -> Event:
    return Event(
        meter="home.power",
        kind=kind,  # type: ignore[arg-type]
        start=start,
        end=start + timedelta(seconds=seconds),
        duration_seconds=seconds,
    )


@given(st.dictionaries(st.sampled_from(["home.power", "home.voltage"]), series_with_gaps()))
def test_an_events_duration_is_its_length_and_events_are_in_order(meters: Any) -> None:
    found = events_of(mark_states(Readings.of(meters), HOME), HOME)

    assert [one.start for one in found] == sorted(one.start for one in found)
    for one in found:
        assert one.duration_seconds == (one.end - one.start).total_seconds() >= 0
        assert one.kind in EVENT_KINDS


def test_an_event_counts_in_the_day_in_which_it_begins_and_lasts_in_each() -> None:
    found = totals([event(at(86_400 - 60), 2 * 86_400)], "day", PACIFIC)

    assert [(one.period, one.count, one.duration_seconds) for one in found] == [
        ("2026-01-07", 1, 60),
        ("2026-01-08", 0, 86_400),
        ("2026-01-09", 0, 86_400 - 60),
    ]


@pytest.mark.parametrize(
    ("by", "periods"),
    [("month", {"2025-12": 3600, "2026-01": 3600}), ("year", {"2025": 3600, "2026": 3600})],
)
def test_totals_are_cut_where_months_and_years_end(by: Any, periods: dict[str, float]) -> None:
    new_year, _ = day_bounds(datetime(2026, 1, 1).date(), PACIFIC)
    found = totals([event(new_year - timedelta(hours=1), 7200)], by, PACIFIC)

    assert {one.period: one.duration_seconds for one in found} == periods


some_events = st.lists(
    st.builds(event, starts, st.integers(0, 400_000), st.sampled_from(EVENT_KINDS)), max_size=8
)


@given(some_events, st.sampled_from(["day", "month", "year"]), zones)
def test_totals_hold_all_events_and_all_of_their_time(found: list[Event], by: Any, zone: ZoneInfo) -> None:
    for kind in EVENT_KINDS:
        chosen = [one for one in totals(found, by, zone) if one.kind == kind]
        assert sum(one.count for one in chosen) == sum(one.kind == kind for one in found)
        assert sum(one.duration_seconds for one in chosen) == sum(
            one.duration_seconds for one in found if one.kind == kind
        )


@given(some_events, starts)
def test_what_had_begun_and_lasted_by_an_instant(found: list[Event], now: datetime) -> None:
    begun, lasted = begun_and_lasted(found, [to_epoch_ms(now)])  # type: ignore[arg-type]

    assert begun[0] == sum(one.start < now for one in found)
    assert lasted[0] == sum(max(0, to_epoch_ms(min(one.end, now)) - to_epoch_ms(one.start)) for one in found)
