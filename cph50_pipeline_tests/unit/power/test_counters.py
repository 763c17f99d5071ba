"""Counters: what is a glitch, what a reset, and what another meter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.counters import glitches
from cph50_pipeline.power.events import events_of
from cph50_pipeline.power.readings import Readings, Series, series_of
from cph50_pipeline.power.rollups import Rollup, rollup
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import PACIFIC, START, at, config, counter, every

HOME = config(home_energy=counter())


def told(values: list[float | None], seconds: float = 600) -> str:
    """A letter for each reading: g for a glitch."""
    taken = every(seconds, values)
    return "".join("og"[bool(one)] for one in glitches(taken.at, taken.value))


@pytest.mark.parametrize(
    ("values", "letters"),
    [
        ([12345.0, 12345.1, 0, 12345.3, 12345.4], "oogoo"),
        ([12345.1, 0, 0, 0, 12345.3], "ogggo"),
        ([12345.1, None, 0, None, 12345.3], "oogoo"),
        ([500, 500.1, 1e7, 500.3], "oogo"),
        ([500, 540, 500.2, 500.4], "ogoo"),
        ([1000, 950, 1000.2], "ogo"),
        ([500, 1e7, 7e5, 0, 500.3], "ogggo"),
        ([500, 1e7, 500.2, 0, 500.3, 500.4], "ogogoo"),
        ([1.0, 0, 1.05, 1.1], "ogoo"),  # so little might have been drawn since zero, but hardly by chance
        ([500, 500.1, 1e7], "oog"),  # until the next one tells
        ([500, 1e7, 500.2, 45_000], "ogog"),
    ],
)
def test_what_jumps_away_and_comes_back_is_a_glitch(values: list[float | None], letters: str) -> None:
    assert told(values) == letters


@pytest.mark.parametrize(
    "values",
    [
        [12345.1, 0, 0.2, 0.4],
        [12345.1, 0],
        [12345.1, 0.3, 0.5],
        [2.0, 0, 7.0, 8.0],  # at midnight a car begins to charge
        [0.4, 0.8, 0, 0.2, 0.4, 0.6, 0.8, 1.0],  # counts up to where it was
        [10.0, 10.3, 9.9, 10.2],  # came back from a restart with an older number
        [500, 500.1, 45_000, 45_000.2],
        [45_000, 500, 500.2],
        [500, 500.1, 45_000, 45_000, 45_000],
        [0, 0, 0],
        [5.0],
        [],
    ],
)
def test_what_goes_on_from_where_it_is_is_a_reset_or_another_meter(values: list[float | None]) -> None:
    assert "g" not in told(values)


def test_a_counter_that_stood_still_for_long_may_catch_up_at_once() -> None:
    assert told([5.0] * 61 + [12.0], seconds=60) == "o" * 62
    assert told([5.0] * 3 + [12.0], seconds=60) == "ooog"


def test_a_glitch_is_an_event_and_keeps_its_number() -> None:
    marked = mark_states(Readings.of({"home.energy": every(600, [500, 500.1, 1e7, 500.3])}), HOME)

    assert marked["home.energy"].value.tolist() == [500, 500.1, 1e7, 500.3]
    assert [(one.kind, one.start) for one in events_of(marked, HOME)] == [("out_of_range", at(1200))]


@st.composite
def plausible(draw: st.DrawFn) -> Series:
    """A counter in use, read at least once an hour."""
    instant, counted = to_epoch_ms(START), draw(st.floats(1000, 50_000))
    instants, values = [], []
    for seconds, power_kw in draw(
        st.lists(st.tuples(st.integers(1, 3600), st.floats(0, 20)), min_size=2, max_size=30)
    ):
        instants.append(instant)
        values.append(round(counted, 3))
        instant += seconds * 1000
        counted += power_kw * seconds / 3600
    return series_of(instants, values)


@st.composite
def with_glitches(draw: st.DrawFn) -> tuple[Series, Series]:
    """A counter's readings, and the same with zeros and spikes between them, or after the last."""
    plain = draw(plausible())
    instants, values = plain.at.tolist(), plain.value.tolist()
    wrong = st.one_of(st.just(0.0), st.floats(1000, 9e7).map(lambda more: max(plain.value) + more))
    for place in draw(st.sets(st.integers(0, len(plain) - 1), max_size=3)):
        for number, value in enumerate(draw(st.lists(wrong, min_size=1, max_size=2))):
            instants.append(int(plain.at[place]) + 100 * (number + 1))
            values.append(value)
            if place == len(plain) - 1:
                break
    return plain, series_of(instants, values)


def rolled_up(taken: Series) -> Rollup:
    marked = mark_states(Readings.of({"home.energy": taken}), HOME)["home.energy"]
    return rollup(marked, HOME.meters["home.energy"], edges("5min", at(0), at(110_000), PACIFIC))


@given(with_glitches())
def test_a_glitch_changes_nothing_but_counts(both: tuple[Series, Series]) -> None:
    plain, disturbed = (rolled_up(one) for one in both)

    assert np.nansum(disturbed.energy_kwh) == pytest.approx(np.nansum(plain.energy_kwh), abs=1e-6)
    if (
        both[1].at[-1] == both[0].at[-1]
    ):  # a zero that is the newest may yet be a reset, and covers what is before it
        assert np.array_equal(disturbed.energy_kwh, plain.energy_kwh, equal_nan=True)
        assert np.array_equal(disturbed.covered_ms, plain.covered_ms)


@given(plausible())
def test_a_counter_that_only_counts_has_no_glitches(taken: Series) -> None:
    assert not glitches(taken.at, taken.value).any()
