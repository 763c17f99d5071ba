"""A late reading: what it reaches is made again, and nothing else needs to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.dirty import dirty, refresh
from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Readings, Series, merge, series_of
from cph50_pipeline.power.rollups import COLUMNS, Rollup, coarsen, rollup
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import (
    PACIFIC,
    at,
    config,
    counted_series,
    counter,
    every,
    gauge,
    series,
    series_with_gaps,
)

METERS = st.sampled_from([gauge(), gauge(hold_seconds=120), counter()])


def differing(one: Rollup, other: Rollup) -> list[int]:
    """The buckets that two rollups over the same edges do not agree on, to the last bit."""
    same = [
        (left == right) | (np.isnan(left) & np.isnan(right))
        for left, right in ((getattr(one, name), getattr(other, name)) for name in COLUMNS)
    ]
    return np.flatnonzero(~np.all(same, axis=0)).tolist()


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


@given(old_and_new(), METERS)
def test_making_dirty_buckets_again_is_making_all_again(both: tuple[Series, Series], meter: Meter) -> None:
    old, new = both
    instants = [*old.at, *new.at]
    if not instants:
        return
    days = edges("day", from_epoch_ms(int(min(instants))), from_epoch_ms(int(max(instants)) + 1), PACIFIC)
    every_bucket = edges("5min", from_epoch_ms(days[0]), from_epoch_ms(days[-1]), PACIFIC)
    stored, whole = rollup(old, meter, every_bucket), rollup(new, meter, every_bucket)
    is_dirty = dirty(old, new, meter, every_bucket)

    assert set(differing(stored, whole)) <= set(np.flatnonzero(is_dirty).tolist())
    refreshed = refresh(stored, new, meter, is_dirty)
    assert differing(refreshed, whole) == []
    assert differing(coarsen(refreshed, days), coarsen(whole, days)) == []


def reached(old: Series, new: Series, meter: Meter, minutes: int = 60) -> list[int]:
    """The numbers of the dirty buckets of 5 minutes from `START` on."""
    return np.flatnonzero(dirty(old, new, meter, edges("5min", at(0), at(60 * minutes), PACIFIC))).tolist()


def with_late(taken: Series, second: float, value: float | None) -> Series:
    late = Readings.of({"a.b": series([(second, value)])})
    return merge(Readings.of({"a.b": taken}), late)["a.b"]


def test_a_late_reading_reaches_its_own_5_minutes() -> None:
    taken = every(60, [1.0] * 61)

    assert reached(taken, with_late(taken, 1230, 5.0), gauge()) == [4]


@pytest.mark.parametrize(("seconds", "buckets"), [(400, [3]), (500, [3, 4])])
def test_a_late_reading_reaches_every_bucket_in_which_it_stands(seconds: float, buckets: list[int]) -> None:
    taken = every(seconds, [1.0] * 9)  # after 1100 s comes the one at 1200 s, or at 1500 s

    assert reached(taken, with_late(taken, 1100, 5.0), gauge()) == buckets


def test_a_reading_that_ends_a_gap_reaches_as_far_back_as_the_one_before_stands() -> None:
    taken = every(60, [1.0] * 11)  # the newest, at 600 s, stood for no time

    assert reached(taken, with_late(taken, 2400, 2.0), gauge(hold_seconds=700)) == [2, 3, 4, 8]


def test_a_counters_late_reading_reaches_its_neighbours() -> None:
    taken = every(900, [1.0, 2.0, 3.0, 4.0])

    assert reached(taken, with_late(taken, 1200, 2.9), counter()) == [3, 4, 5]


def test_a_counters_reading_without_a_number_is_only_counted() -> None:
    taken = every(900, [1.0, 2.0, 3.0, 4.0])

    assert reached(taken, with_late(taken, 1200, None), counter()) == [4]


def test_the_same_readings_reach_nothing() -> None:
    taken = every(60, [1.0, None, 3.0])

    assert reached(taken, series_of(taken.at, taken.value), gauge()) == []


def test_a_freeze_found_out_late_reaches_all_that_was_frozen() -> None:
    watched = config(home_power=gauge(frozen_after_seconds=900))
    before = every(60, [1.0, *[2.0] * 14])
    after = with_late(before, 900, 2.0)
    old, new = (
        mark_states(Readings.of({"home.power": taken}), watched)["home.power"] for taken in (before, after)
    )

    assert reached(old, new, gauge()) == [2, 3]  # 840 s had stood for no time
    longer = mark_states(Readings.of({"home.power": with_late(after, 960, 2.0)}), watched)["home.power"]
    assert reached(new, longer, gauge()) == [0, 1, 2, 3]


@pytest.mark.parametrize("minutes", [60, 5])
def test_what_lies_outside_the_buckets_reaches_none(minutes: int) -> None:
    taken = every(60, [1.0] * 61)

    assert reached(taken, with_late(taken, 4000, 1.0), gauge(), minutes) == []
    assert reached(taken, with_late(taken, -90, 1.0), gauge(), minutes) == []


def test_a_reading_before_the_buckets_may_stand_into_them() -> None:
    taken = series([(-3600, 1.0), (400, 1.0)])

    assert reached(taken, with_late(taken, -60, 2.0), gauge()) == [0, 1]


def test_nothing_dirty_is_nothing_made_again() -> None:
    stored = rollup(every(60, [1.0] * 61), gauge(), edges("5min", at(0), at(3600), PACIFIC))

    assert refresh(stored, series([]), gauge(), np.zeros(len(stored), bool)) is stored
