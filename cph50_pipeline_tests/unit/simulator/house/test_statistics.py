"""Home Assistant's statistics of the house: by its rules, from what its recorder kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.house.orders import NotRecorded, Order, Outage, Purge, Unavailable, UnitChange
from cph50_pipeline.simulator.house.statistics import Row, change, statistics
from cph50_pipeline_tests.unit.simulator.house.houses import DAY, NOW, recorder, sensor

HOUR = timedelta(hours=1)
POWER, TODAY = sensor("home_power"), sensor("home_energy_today")
START = datetime(2026, 1, 19, tzinfo=UTC)
NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)


def hours(of: str, *orders: Order, start: datetime = START, end: datetime = START + DAY) -> list[Row]:
    return statistics(recorder(*orders), sensor(of), start, end, NOW, "hour")


def test_every_hour_that_is_over_has_a_row() -> None:
    rows = hours("home_power")
    assert [row.start for row in rows] == [START + number * HOUR for number in range(24)]
    assert all(row.end == row.start + HOUR for row in rows)


def test_the_hour_that_runs_is_compiled_when_it_is_over() -> None:
    at = recorder()
    for now, last in ((NOW, NOW - 2 * HOUR), (NOW + timedelta(seconds=11), NOW - HOUR)):
        assert statistics(at, POWER, START, NOW + DAY, now, "hour")[-1].start == last


def test_a_mean_is_weighted_by_time_and_lies_between_the_extremes() -> None:
    known = recorder()
    for row in hours("home_power"):
        before = known.before(POWER, row.start, NOW)
        assert before is not None
        kept = [before, *known.between(POWER, row.start - timedelta.resolution, row.end, NOW)]
        instants = [max(one.at, row.start) for one in kept] + [row.end]
        area = sum(
            float(one.state) * (until - at).total_seconds()
            for one, at, until in zip(kept, instants, instants[1:], strict=False)
        )
        assert row.mean == pytest.approx(area / 3600)
        assert row.min is not None
        assert row.max is not None
        assert row.min <= row.mean <= row.max
        assert row.state is row.sum is row.change is None


def test_a_mean_of_power_over_the_day_is_what_the_counter_counted() -> None:
    mean_kwh = sum(row.mean or 0 for row in hours("home_power")) / 1000
    counted_kwh = sum(row.change or 0 for row in hours("home_energy_total"))
    assert mean_kwh == pytest.approx(counted_kwh, rel=0.01)


def test_a_counter_that_begins_anew_loses_nothing_by_it() -> None:
    rows = hours("home_energy_today")
    resets = [later for earlier, later in pairwise(rows) if (later.state or 0) < (earlier.state or 0)]
    assert [row.start.hour for row in resets] == [8]  # local midnight
    assert all((row.change or 0) >= 0 for row in rows)
    whole = sum(row.change or 0 for row in rows)
    assert whole == pytest.approx(sum(row.change or 0 for row in hours("home_energy_total")), abs=0.1)


def test_sums_are_what_was_counted_since_the_beginning() -> None:
    known = recorder(since=date(2026, 1, 15))
    all_rows = statistics(known, TODAY, START - 9 * DAY, NOW, NOW, "hour", with_sum=True)
    some = statistics(known, TODAY, START, NOW, NOW, "hour", with_sum=True)
    assert all_rows[-len(some) :] == some
    counted = 0.0
    for row in all_rows:
        counted += row.change or 0
        assert row.sum == pytest.approx(counted)


def test_text_is_skipped_and_what_stood_before_stands_on() -> None:
    rows = hours("home_power", Unavailable(start=NOON - HOUR / 2, end=NOON + 2 * HOUR))
    silent = next(row for row in rows if row.start == NOON)
    assert silent.mean == silent.min == silent.max
    assert len(rows) == 24


def test_an_outage_is_made_up_with_what_stood_before() -> None:
    rows = hours("home_power", Outage(start=NOON, end=NOON + 3 * HOUR))
    assert {row.mean for row in rows if NOON < row.start < NOON + 3 * HOUR} == {rows[13].mean}


def test_statistics_stay_when_states_are_forgotten_and_those_of_five_minutes_do_not() -> None:
    purge = Purge(keep_days=0.5)
    assert hours("home_power", purge) == hours("home_power")
    known = recorder(purge)
    assert statistics(known, POWER, START, START + DAY, NOW, "5minute") == []
    recent = statistics(known, POWER, NOW - HOUR, NOW, NOW, "5minute")
    assert len(recent) == 11


def test_five_minutes_average_to_their_hour() -> None:
    short = statistics(recorder(), POWER, NOON, NOON + HOUR, NOW, "5minute")
    [hour] = hours("home_power", start=NOON, end=NOON + HOUR)
    assert len(short) == 12
    assert sum(row.mean or 0 for row in short) / 12 == pytest.approx(hour.mean)


def test_a_unit_that_changes_under_way_changes_no_statistics() -> None:
    changed = hours("home_power", UnitChange(entity=POWER.entity_id, at=NOON, unit="kW"))
    for row, other in zip(hours("home_power"), changed, strict=True):
        assert other.mean == pytest.approx(row.mean, rel=1e-5)


def test_what_is_not_recorded_has_no_statistics() -> None:
    assert hours("home_power", NotRecorded(entity=POWER.entity_id)) == []


@given(st.floats(0, 100), st.lists(st.floats(0, 100), max_size=20))
def test_a_counter_never_counts_back_by_more_than_a_dip(first: float, numbers: list[float]) -> None:
    counted = change([(NOW, number) for number in numbers], first)
    dips = sum(
        max(0.0, before - after)
        for before, after in zip([first, *numbers], numbers, strict=False)
        if after >= 0.9 * before
    )
    assert counted >= -dips - 1e-9


def test_a_fall_below_nine_tenths_begins_anew_and_a_smaller_one_counts_back() -> None:
    assert change([(NOW, 95.0)], 100.0) == -5.0
    assert change([(NOW, 89.0)], 100.0) == 89.0
