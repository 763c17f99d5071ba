"""Thinning: what goes, what stays, and that it is done once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.readings import Readings, Series
from cph50_pipeline.power.states import mark_states
from cph50_pipeline.power.thinning import thin
from cph50_pipeline_tests.unit.power.builders import (
    as_dict,
    as_rows,
    at,
    config,
    counted_series,
    counter,
    every,
    gauge,
    series,
    series_with_gaps,
)

HOME = config(home_power=gauge(range=(0, 50)), home_energy=counter())
LONG_AGO, FAR_AWAY = at(-(10**9)), at(10**9)


def thinned(taken: dict[str, Series], seconds: float = 300) -> Readings:
    return thin(mark_states(Readings.of(taken), HOME), HOME, seconds, LONG_AGO, FAR_AWAY)


def test_one_reading_a_stretch_stays() -> None:
    kept = thinned({"home.power": every(60, [1, 2, 3, 4, 5, 6, 7])})
    assert as_rows(kept["home.power"]) == [(0, 1.0, "OK"), (300, 6.0, "OK")]


def test_both_sides_of_a_change_of_state_stay() -> None:
    kept = thinned({"home.power": every(60, [1, 2, None, None, 5, 6])})
    assert [second for second, _, _ in as_rows(kept["home.power"])] == [0, 60, 120, 180, 240, 300]


def test_both_sides_of_a_counters_fall_stay_and_those_of_a_gauges_do_not() -> None:
    rows = [(0.0, 8.0), (60.0, 9.0), (120.0, 0.5), (180.0, 1.0)]
    kept = thinned({"home.energy": series(rows), "home.power": series(rows)})
    assert [second for second, _, _ in as_rows(kept["home.energy"])] == [0, 60, 120]
    assert [second for second, _, _ in as_rows(kept["home.power"])] == [0]


def test_what_lies_outside_and_what_is_of_no_configured_meter_stays_whole() -> None:
    readings = Readings.of(
        {"home.power": every(60, [1, 2, 3, 4, 5, 6]), "gone.power": every(60, [1, 2, 3, 4])}
    )
    kept = thin(readings, HOME, 300, at(60), at(240))
    assert [second for second, _, _ in as_rows(kept["home.power"])] == [0, 240, 300]
    assert len(kept["gone.power"]) == 4


@given(series_with_gaps(), counted_series(), st.sampled_from([60, 300, 900]))
def test_thinning_twice_is_thinning_once(power: Series, energy: Series, seconds: float) -> None:
    once = thinned({"home.power": power, "home.energy": energy}, seconds)
    assert as_dict(thin(once, HOME, seconds, LONG_AGO, FAR_AWAY)) == as_dict(once)


@given(counted_series(), st.sampled_from([60, 300, 900]))
def test_a_counter_counts_as_much_as_before(energy: Series, seconds: float) -> None:
    def counted(taken: Series) -> float:
        numbers = taken.value[~np.isnan(taken.value)]
        step = np.diff(numbers)
        return float(np.where(step < 0, numbers[1:], step).sum())

    whole = mark_states(Readings.of({"home.energy": energy}), HOME)["home.energy"]
    few = thinned({"home.energy": energy}, seconds)["home.energy"]
    last = whole.value[~np.isnan(whole.value)][-1:]
    lost = float(last[0] - few.value[~np.isnan(few.value)][-1]) if len(last) else 0.0
    assert abs(counted(whole) - counted(few) - lost) < 1e-6
