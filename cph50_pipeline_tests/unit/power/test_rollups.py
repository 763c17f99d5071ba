"""Rollups against a slow and obvious reckoning, and what must hold of them whatever the readings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from math import isnan, nan
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import from_epoch_ms, to_epoch_ms
from cph50_pipeline.power.buckets import Resolution, edges
from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Series, State, series_of
from cph50_pipeline.power.rollups import COLUMNS, Rollup, coarsen, rollup
from cph50_pipeline_tests.unit.power.builders import (
    PACIFIC,
    START,
    at,
    counted_series,
    counter,
    every,
    gauge,
    series,
    series_with_gaps,
    voltage,
    zones,
)

holds = st.sampled_from([90.0, 1800.0, 30_000.0])


def all_resolutions(readings: Series, meter: Meter, zone: ZoneInfo) -> dict[Resolution, Rollup]:
    """The rollups of all buckets that readings reach."""
    first, last = from_epoch_ms(int(readings.at[0])), from_epoch_ms(int(readings.at[-1]) + 1)
    days = edges("day", first, last, zone)
    whole = from_epoch_ms(days[0]), from_epoch_ms(days[-1])
    base = rollup(readings, meter, edges("5min", *whole, zone))
    return {"5min": base, "hour": coarsen(base, edges("hour", *whole, zone)), "day": coarsen(base, days)}


Stretch = tuple[int, int, float, bool]


def held(readings: Series, meter: Meter) -> Iterator[Stretch]:
    """From when until when a gauge's readings stand, one by one, with their value and whether it counts."""
    rows = list(zip(readings.at.tolist(), readings.value.tolist(), readings.state.tolist(), strict=True))
    for (instant, value, state), following in pairwise([*rows, None]):
        until = instant if following is None else min(following[0], instant + meter.hold_ms)
        yield instant, until, value, state == State.OK


def counted(readings: Series, meter: Meter) -> Iterator[Stretch]:
    """From when until when a counter counted, at which power, and whether that is measured."""
    rows = [
        (instant, value)
        for instant, value, state in zip(
            readings.at.tolist(), readings.value.tolist(), readings.state.tolist(), strict=True
        )
        if state == State.OK
    ]
    for (before, counted_before), (after, counted_after) in pairwise(rows):
        is_reset = counted_after < 0.9 * counted_before
        drawn = counted_after if is_reset else max(0.0, counted_after - counted_before)
        if drawn > 100 * max(1.0, (after - before) / 3.6e6):
            drawn = 0.0  # another meter
        yield before, after, drawn / (after - before) * 3.6e6, after - before <= meter.hold_ms


def overlap(stretch: Stretch, start: int, end: int) -> int:
    return max(0, min(stretch[1], end) - max(stretch[0], start))


def energy_kwh(stretches: Iterator[Stretch]) -> float:
    return sum((end - start) * value / 3.6e6 for start, end, value, is_ok in stretches if is_ok)


def in_bucket(stretches: list[Stretch], start: int, end: int) -> dict[str, float]:
    """Mean, extremes and covered time of a gauge in one bucket."""
    parts = [(overlap(one, start, end), one) for one in stretches if one[3]]
    covered = sum(length for length, _ in parts)
    values = [one[2] for length, one in parts if length > 0 or start <= one[0] < end]
    return {
        "covered_ms": covered,
        "mean": sum(length * one[2] for length, one in parts) / covered if covered else nan,
        "min": min(values, default=nan),
        "max": max(values, default=nan),
    }


@given(series_with_gaps(), holds, zones)
def test_a_gauge_comes_to_what_a_slow_reckoning_says(readings: Series, hold: float, zone: ZoneInfo) -> None:
    meter = gauge(hold_seconds=hold)
    stretches = list(held(readings, meter))
    for resolution, found in all_resolutions(readings, meter, zone).items():
        shown = np.flatnonzero(found.is_known)[:: 1 if resolution != "5min" else 7]
        for number in shown.tolist():
            expected = in_bucket(stretches, *found.edges[number : number + 2].tolist())
            for name, value in expected.items():
                assert getattr(found, name)[number] == pytest.approx(value, abs=1e-9, nan_ok=True)


@given(series_with_gaps(), holds, zones)
def test_a_gauges_energy_is_conserved(readings: Series, hold: float, zone: ZoneInfo) -> None:
    meter = gauge(hold_seconds=hold)
    total = energy_kwh(held(readings, meter))
    for found in all_resolutions(readings, meter, zone).values():
        assert np.nansum(found.energy_kwh) == pytest.approx(total, abs=1e-9)


@given(counted_series(), holds, zones)
def test_a_counters_energy_is_conserved(readings: Series, hold: float, zone: ZoneInfo) -> None:
    meter = counter(hold_seconds=hold)
    total = sum((end - start) * power / 3.6e6 for start, end, power, _ in counted(readings, meter))
    for found in all_resolutions(readings, meter, zone).values():
        assert np.nansum(found.energy_kwh) == pytest.approx(total, abs=1e-9)
        assert not (found.energy_kwh < 0).any()


@given(counted_series(), holds, zones)
def test_a_counter_covers_what_lies_between_readings_near_enough(
    readings: Series, hold: float, zone: ZoneInfo
) -> None:
    meter = counter(hold_seconds=hold)
    measured = [one for one in counted(readings, meter) if one[3]]
    for found in all_resolutions(readings, meter, zone).values():
        for number in np.flatnonzero(found.covered_ms).tolist():
            start, end = found.edges[number : number + 2].tolist()
            assert found.covered_ms[number] == sum(overlap(one, start, end) for one in measured)
        assert found.covered_ms.sum() == sum(end - start for start, end, *_ in measured)


@given(
    st.one_of(series_with_gaps(), counted_series()), st.sampled_from([gauge(), counter(), voltage()]), zones
)
def test_coverage_is_a_share_and_no_bucket_counts_a_reading_twice(
    readings: Series, meter: Meter, zone: ZoneInfo
) -> None:
    for found in all_resolutions(readings, meter, zone).values():
        assert ((found.coverage >= 0) & (found.coverage <= 1)).all()
        for state in State:
            counts = getattr(found, f"count_{state.name.lower()}")
            assert counts.sum() == (readings.state == state).sum()


@given(st.one_of(series_with_gaps(), counted_series()), st.sampled_from([gauge(), counter()]), st.data())
def test_a_bucket_says_the_same_whatever_it_is_made_with(
    readings: Series, meter: Meter, data: st.DataObject
) -> None:
    base = all_resolutions(readings, meter, PACIFIC)["5min"]
    first = data.draw(st.integers(0, len(base) - 1))
    size = data.draw(st.integers(1, len(base) - first))
    alone = rollup(readings, meter, base.edges[first : first + size + 1])
    for name in COLUMNS:
        whole = getattr(base, name)[first : first + size]
        assert np.array_equal(getattr(alone, name), whole, equal_nan=whole.dtype.kind == "f")


def test_a_day_of_readings_by_the_second_says_the_same_in_parts() -> None:
    power = np.round(np.sin(np.arange(86_400) / 900) + 1.5, 3)
    readings = series_of(to_epoch_ms(START) + np.arange(86_400) * 1000, power)
    every_bucket = edges("5min", START, START + timedelta(days=1), PACIFIC)
    whole = rollup(readings, gauge(), every_bucket)
    parts = [rollup(readings, gauge(), every_bucket[first : first + 2]) for first in range(288)]

    for name in COLUMNS:
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))
    assert whole.energy_kwh.sum() == pytest.approx(power[:-1].sum() / 3600, abs=1e-9)


def of(readings: Series, meter: Meter, minutes: int = 15) -> Rollup:
    """The first buckets of 5 minutes from `START` on."""
    return rollup(readings, meter, edges("5min", START, START + timedelta(minutes=minutes), PACIFIC))


def as_lists(found: Rollup, *names: str) -> list[list[Any]]:
    return [
        [None if isnan(value) else round(value, 9) for value in getattr(found, name).tolist()]
        for name in names
    ]


def test_the_mean_is_weighted_by_time_not_by_readings() -> None:
    found = of(series([(0, 4.0), (10, 1.0), (20, 1.0), (240, 4.0), (300, 0.0)]), gauge())

    assert as_lists(found, "mean", "min", "max", "energy_kwh")[0][0] == round(
        (10 * 4 + 230 + 60 * 4) / 300, 9
    )
    assert (found.min[0], found.max[0]) == (1.0, 4.0)


def test_a_reading_stands_into_the_next_bucket_and_no_longer_than_its_meter_holds() -> None:
    found = of(series([(240, 6.0), (3600, 0.0)]), gauge(hold_seconds=400))

    assert as_lists(found, "covered_ms", "mean") == [[60_000, 300_000, 40_000], [6.0, 6.0, 6.0]]
    assert as_lists(found, "energy_kwh") == [[0.1, 0.5, round(6 * 40 / 3600, 9)]]
    assert as_lists(found, "count_ok") == [[1, 0, 0]]


def test_the_newest_reading_stands_for_no_time_yet() -> None:
    found = of(series([(0, 2.0), (60, 3.0)]), gauge())

    assert as_lists(found, "covered_ms", "max") == [[60_000, 0, 0], [3.0, None, None]]


@pytest.mark.parametrize("state", [State.MISSING, State.OUTAGE, State.FROZEN])
def test_what_is_not_ok_ends_the_reading_before_and_counts_for_nothing(state: State) -> None:
    begin = to_epoch_ms(START)
    taken = series_of(begin + np.array([0, 60_000, 180_000, 300_000]), [1.0, 9.0, 2.0, 2.0], [0, state, 0, 0])
    found = of(taken, gauge())

    assert as_lists(found, "covered_ms", "mean", "max")[0][0] == 180_000
    assert found.mean[0] == pytest.approx((60 + 2 * 120) / 180)
    assert found.max[0] == 2.0
    assert (found.count_ok[0], getattr(found, f"count_{state.name.lower()}")[0]) == (2, 1)


def test_a_bucket_without_a_reading_that_counts_is_null_not_zero() -> None:
    found = of(series([(0, None), (60, None), (120, None)]), gauge())

    assert as_lists(found, "mean", "min", "energy_kwh") == [[None] * 3] * 3
    assert as_lists(found, "coverage", "count_missing") == [[0, 0, 0], [3, 0, 0]]
    assert found.is_known.tolist() == [True, False, False]


def test_a_house_that_draws_nothing_is_zero_not_null() -> None:
    found = of(every(60, [0.0] * 6), gauge())

    assert as_lists(found, "mean", "energy_kwh", "coverage") == [
        [0.0, None, None],
        [0.0, None, None],
        [1.0, 0.0, 0.0],
    ]


def test_what_is_fed_into_the_grid_is_negative() -> None:
    assert of(every(60, [-3.0] * 6), gauge()).energy_kwh[0] == pytest.approx(-0.25)


def test_only_power_and_counters_have_energy() -> None:
    found = of(every(60, [230.0] * 6), voltage())

    assert as_lists(found, "mean", "energy_kwh") == [[230.0, None, None], [None] * 3]


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([10.0, 10.5, 11.0], 1.0),
        ([10.0, 0.3, 0.5], 0.5),  # began again from 0
        ([10.0, 0.0, 0.5], 0.5),
        ([10.0, 9.9, 10.2], 0.3),  # lost its last minutes in a restart
        ([0.0, 0.0, 0.0], 0.0),
        ([10.0, None, 10.6], 0.6),
    ],
)
def test_a_counter_counts_its_steps(values: list[float | None], drawn: float) -> None:
    found = of(every(120, values), counter())

    assert np.nansum(found.energy_kwh) == pytest.approx(drawn)
    assert as_lists(found, "coverage") == [[0.8, 0, 0]]
    assert as_lists(found, "mean", "min", "max") == [[None] * 3] * 3


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([500.0, 500.2, 45_000.0, 45_000.3], 0.5),
        ([45_000.0, 45_000.2, 500.0, 500.3], 0.5),
        ([500.0, 500.0, 560.0], 60.0),  # a source that tells once an hour, or seldom
    ],
)
def test_the_number_of_another_meter_was_not_drawn(values: list[float | None], drawn: float) -> None:
    assert np.nansum(of(every(120, values), counter()).energy_kwh) == pytest.approx(drawn)


def test_what_a_counter_says_after_a_long_gap_was_drawn_in_it() -> None:
    found = of(series([(-300, 1000.0), (86_100, 1960.0)]), counter(), minutes=1440)
    assert np.nansum(found.energy_kwh) == pytest.approx(960 * 86_100 / 86_400)


def test_a_counters_step_over_a_gap_is_spread_evenly_and_not_covered() -> None:
    found = of(series([(-300, 10.0), (1200, 15.0)]), counter(hold_seconds=600))

    assert as_lists(found, "energy_kwh", "coverage") == [[1.0] * 3, [0.0] * 3]


def test_a_reading_at_an_edge_belongs_to_the_bucket_that_begins_there() -> None:
    found = of(series([(0, 1.0), (300, 2.0), (600, 3.0)]), gauge())

    assert as_lists(found, "mean", "count_ok") == [[1.0, 2.0, None], [1, 1, 1]]
    assert as_lists(found, "max") == [[1.0, 2.0, 3.0]]


def test_readings_before_and_after_the_buckets_only_reach_into_them() -> None:
    found = of(series([(-60, 6.0), (60, 3.0), (2000, 9.0)]), gauge())

    assert as_lists(found, "count_ok") == [[1, 0, 0]]
    assert found.mean[0] == pytest.approx((60 * 6 + 240 * 3) / 300)


def test_a_meter_without_readings_has_empty_buckets() -> None:
    for meter in (gauge(), counter()):
        found = of(series([]), meter)
        assert not found.is_known.any()
        assert found.covered_ms.sum() == 0


def test_hours_and_days_are_sums_of_their_5_minutes_to_the_last_bit() -> None:
    found = all_resolutions(every(613, [0.1 + number % 7 / 3 for number in range(400)]), gauge(), PACIFIC)

    for coarse in ("hour", "day"):
        bounds = np.searchsorted(found["5min"].edges, found[coarse].edges)  # type: ignore[index]
        sums = np.add.reduceat(np.nan_to_num(found["5min"].energy_kwh), bounds[:-1])
        assert np.array_equal(np.nan_to_num(found[coarse].energy_kwh), sums)  # type: ignore[index]


def test_buckets_are_made_of_whole_narrower_ones_only() -> None:
    base = of(every(60, [1.0] * 6), gauge())
    with pytest.raises(ValueError, match="whole narrower"):
        coarsen(base, np.array([to_epoch_ms(START), to_epoch_ms(at(450))]))


def differing(one: Rollup, other: Rollup) -> set[int]:
    """The buckets that two rollups over the same edges do not agree on, to the last bit."""
    same = [
        (left == right) | (np.isnan(left) & np.isnan(right))
        for left, right in ((getattr(one, name), getattr(other, name)) for name in COLUMNS)
    ]
    return set(np.flatnonzero(~np.all(same, axis=0)).tolist())


@st.composite
def old_and_new(draw: st.DrawFn) -> tuple[Series, Series]:
    """A meter's readings before and after some arrived late, were lost, or changed their value or state."""
    readings = draw(st.one_of(series_with_gaps(), counted_series()))
    kept = [
        np.array(draw(st.lists(st.booleans(), min_size=len(readings), max_size=len(readings))), bool)
        for _ in range(2)
    ]
    other = draw(series_with_gaps())
    new = readings.take(kept[1])
    changed = series_of(
        [*new.at, *new.at[:3], *other.at[:2]],
        [*new.value, *(new.value[:3] + 1), *other.value[:2]],
        [*new.state, *new.state[:3], *other.state[:2]],
    )
    return readings.take(kept[0]), draw(st.sampled_from([new, changed]))


def as_counted(readings: Series, meter: Meter) -> dict[int, tuple[float, int]]:
    """By instant what a reading says; of a counter the readings that count."""
    rows = zip(
        readings.at.tolist(), np.nan_to_num(readings.value).tolist(), readings.state.tolist(), strict=True
    )
    return {
        taken: (value, state) for taken, value, state in rows if meter.kind == "gauge" or state == State.OK
    }


def reached(old: Series, new: Series, meter: Meter, bucket_edges: Any) -> set[int]:
    """The buckets between the readings on either side of each that changed, and those in which it stands itself."""
    before, after = as_counted(old, meter), as_counted(new, meter)
    instants = sorted(before.keys() | after.keys())
    spans = [(only, only) for only in {*old.at.tolist(), *new.at.tolist()} - {*instants}]
    for number, instant in enumerate(instants):
        if before.get(instant) != after.get(instant):
            spans.append((instants[max(number - 1, 0)], instants[min(number + 1, len(instants) - 1)]))
    bounds = [np.searchsorted(bucket_edges, span, "right") - 1 for span in spans]
    return {bucket for first, last in bounds for bucket in range(first, last + 1)}


@given(old_and_new(), st.sampled_from([gauge(), gauge(hold_seconds=120), counter()]), zones)
def test_a_late_reading_changes_its_own_buckets_and_no_other_by_a_bit(
    both: tuple[Series, Series], meter: Meter, zone: ZoneInfo
) -> None:
    """What is between its neighbours may change: the 5 minutes in it, and the hours and days that hold these."""
    instants = [*both[0].at, *both[1].at]
    if not instants:
        return
    first, last = from_epoch_ms(int(min(instants))), from_epoch_ms(int(max(instants)) + 1)
    days = edges("day", first, last, zone)
    whole = from_epoch_ms(days[0]), from_epoch_ms(days[-1])
    fine = edges("5min", *whole, zone)
    before, after = (rollup(series, meter, fine) for series in both)
    changed = reached(*both, meter, fine)
    assert differing(before, after) <= changed
    for wide in (edges("hour", *whole, zone), days):
        holding = {int(np.searchsorted(wide, fine[number], "right")) - 1 for number in changed}
        assert differing(coarsen(before, wide), coarsen(after, wide)) <= holding


def test_a_late_reading_changes_the_5_minutes_in_which_it_stands() -> None:
    taken = every(400, [1.0] * 9)  # after 1100 s comes the one at 1200 s
    late = series_of([*taken.at, taken.at[0] + 1_100_000], [*taken.value, 5.0])
    buckets = edges("5min", at(0), at(3600), PACIFIC)
    assert differing(*(rollup(one, gauge(), buckets) for one in (taken, late))) == {3}
