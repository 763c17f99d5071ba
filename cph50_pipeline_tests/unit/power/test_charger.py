"""The charger as a meter: its energy is the sessions' own."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.counter import EnergyCounter, Knot
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.charger import charger_series
from cph50_pipeline.power.meters import CHARGER, MeterConfig
from cph50_pipeline.power.rollups import Rollup, coarsen, rollup
from cph50_pipeline_tests.unit.charging.builders import sessions_with_readings
from cph50_pipeline_tests.unit.power.builders import PACIFIC, START, as_rows, at, zones

METER = MeterConfig().meters[CHARGER]


def counter_of(*knots: tuple[float, float], start: datetime = START) -> EnergyCounter:
    """A counter given as (second, energy)."""
    end = start + timedelta(seconds=knots[-1][0])
    return EnergyCounter(start, end, tuple(Knot(second, energy, True) for second, energy in knots))


def days_of(counters: list[EnergyCounter], start: datetime, end: datetime, zone: ZoneInfo) -> Rollup:
    days = edges("day", start, end, zone)
    base = edges("5min", *(datetime.fromtimestamp(edge / 1000, zone) for edge in days[[0, -1]]), zone)
    return coarsen(rollup(charger_series(counters, start, end), METER, base), days)


@given(st.lists(sessions_with_readings(), min_size=1, max_size=3), zones)
def test_the_days_energy_is_the_sessions(made: list[tuple[Session, list[Reading]]], zone: ZoneInfo) -> None:
    counters = [EnergyCounter.of(*one) for one in made]
    start, end = min(one.start for one in counters), max(one.end for one in counters)
    found = days_of(counters, start, end + timedelta(hours=1), zone)

    assert np.nansum(found.energy_kwh) == pytest.approx(
        sum(session.energy_kwh for session, _ in made), abs=1e-9
    )
    assert not (found.energy_kwh < 0).any()


@given(sessions_with_readings())
def test_each_days_energy_is_what_the_counter_counted_on_it(made: tuple[Session, list[Reading]]) -> None:
    counter = EnergyCounter.of(*made)
    found = days_of([counter], counter.start, counter.end + timedelta(days=1), PACIFIC)
    counted = [
        counter.energy_between(
            *(datetime.fromtimestamp(edge / 1000, PACIFIC) for edge in found.edges[day : day + 2])
        )
        for day in range(len(found))
    ]

    assert np.nan_to_num(found.energy_kwh) == pytest.approx(
        counted, abs=1e-5
    )  # a counter's times are finer than ms


def test_between_sessions_the_charger_draws_nothing_and_that_is_known() -> None:
    found = charger_series([counter_of((0, 0), (1800, 3), (3600, 4), start=at(3600))], at(0), at(90_000))

    assert as_rows(found) == [
        (0, 0.0, "OK"),
        (3600, 6.0, "OK"),
        (5400, 2.0, "OK"),
        (7200, 0.0, "OK"),
        (90_000, 0.0, "OK"),
    ]
    bucket = rollup(found, METER, edges("day", at(0), at(1), PACIFIC))
    assert (bucket.coverage[0], bucket.energy_kwh[0]) == (1.0, 4.0)


def test_nothing_is_known_of_the_charger_beyond_the_end() -> None:
    found = rollup(charger_series([], at(0), at(600)), METER, edges("5min", at(0), at(1200), PACIFIC))

    assert found.covered_ms.tolist() == [300_000, 300_000, 0, 0]


def test_a_session_that_began_before_is_taken_from_the_beginning_on() -> None:
    running = counter_of((0, 0), (7200, 6), start=at(-3600))

    assert as_rows(charger_series([running], at(0), at(1800))) == [(0, 3.0, "OK"), (1800, 3.0, "OK")]


def test_two_chargers_add_up() -> None:
    both = [counter_of((0, 0), (3600, 6)), counter_of((0, 0), (3600, 3), start=at(1800))]

    assert as_rows(charger_series(both, at(0), at(7200))) == [
        (0, 6.0, "OK"),
        (1800, 9.0, "OK"),
        (3600, 3.0, "OK"),
        (5400, 0.0, "OK"),
        (7200, 0.0, "OK"),
    ]


@pytest.mark.parametrize("knots", [[(0, 0), (0, 0.5)], [(0, 0), (0.0004, 0.25), (0.0004, 0.5)]])
def test_the_energy_of_a_session_without_length_is_not_lost(knots: list[tuple[float, float]]) -> None:
    found = rollup(
        charger_series([counter_of(*knots)], at(0), at(3600)), METER, edges("5min", at(0), at(3600), PACIFIC)
    )

    assert found.energy_kwh.sum() == pytest.approx(0.5, abs=1e-9)
    assert found.max.max() < 100
