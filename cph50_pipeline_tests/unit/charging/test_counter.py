from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.civil_time import day_start, local_date, month_bounds, month_of
from cph50_pipeline_tests.unit.charging.builders import (
    START,
    ZONES,
    reading,
    session,
    sessions_with_readings,
)

HOUR = 3600.0


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def steady(energy_kwh: float, hours: float, every: float = 300) -> list[Reading]:
    """The readings of a charge at constant power."""
    count = round(hours * HOUR / every)
    power_kw = energy_kwh / hours
    return [reading(n * every, energy_kwh * n / count, power_kw) for n in range(count + 1)]


@given(sessions_with_readings(), st.sampled_from(ZONES))
def test_civil_days_and_months_share_out_exactly_the_sessions_energy(
    made: tuple[Session, list[Reading]], zone: ZoneInfo
) -> None:
    counter = EnergyCounter.of(*made)
    days = [local_date(counter.start, zone)]
    while day_start(days[-1], zone) <= counter.end:
        days.append(days[-1] + timedelta(days=1))
    by_day = [
        counter.energy_between(begin, end)
        for begin, end in pairwise(day_start(day, zone) for day in [*days, days[-1] + timedelta(days=1)])
    ]
    first, last = (month_bounds(month_of(moment, zone), zone) for moment in (counter.start, counter.end))
    by_month = [counter.energy_between(first[0], first[1])]
    if last != first:
        by_month.append(counter.energy_between(first[1], last[1] + timedelta(days=1)))
    else:
        by_month.append(counter.energy_between(first[1], first[1] + timedelta(days=60)))

    assert sum(by_day) == pytest.approx(made[0].energy_kwh, abs=1e-9)
    assert sum(by_month) == pytest.approx(made[0].energy_kwh, abs=1e-9)
    assert min(by_day) >= 0


@given(sessions_with_readings(), st.lists(st.integers(0, 100 * 3_600_000), max_size=30))
def test_any_boundaries_conserve_energy_and_no_part_is_negative(
    made: tuple[Session, list[Reading]], milliseconds: list[int]
) -> None:
    counter = EnergyCounter.of(*made)
    inner = [counter.start + timedelta(milliseconds=offset) for offset in milliseconds]
    far = timedelta(days=9)
    cuts = sorted([counter.start - far, *inner, counter.end + far])
    parts = [counter.energy_between(begin, end) for begin, end in pairwise(cuts)]

    assert sum(parts) == pytest.approx(made[0].energy_kwh, abs=1e-9)
    assert all(part >= 0 for part in parts)


@given(sessions_with_readings(), st.integers(0, 3_600_000), st.integers(0, 40 * 3_600_000))
def test_coverage_is_a_share(made: tuple[Session, list[Reading]], begin: int, length: int) -> None:
    counter = EnergyCounter.of(*made)
    low = counter.start + timedelta(milliseconds=begin - 1_800_000)

    assert 0 <= counter.coverage_between(low, low + timedelta(milliseconds=length)) <= 1


@given(sessions_with_readings(), st.randoms())
def test_the_order_of_the_readings_does_not_matter(
    made: tuple[Session, list[Reading]], random: Random
) -> None:
    charged, readings = made
    shuffled = list(readings)
    random.shuffle(shuffled)

    assert EnergyCounter.of(charged, shuffled).knots == EnergyCounter.of(charged, readings).knots


def test_energy_is_read_off_the_counter_between_two_readings() -> None:
    counter = EnergyCounter.of(session(seconds=7200, energy_kwh=9.0), [reading(600, 1.5), reading(1200, 3.0)])

    assert counter.energy_at(at(900)) == pytest.approx(2.25)
    assert counter.energy_between(at(600), at(1200)) == pytest.approx(1.5)


def test_power_is_never_integrated() -> None:
    readings = [reading(n * 600, n * 1.0, power_kw=0.0) for n in range(7)]

    assert EnergyCounter.of(session(energy_kwh=6.0), readings).energy_at(at(1800)) == pytest.approx(3.0)


def test_the_night_of_an_idle_plug_in_belongs_to_the_evening_it_was_drawn_in() -> None:
    """61 kWh from late afternoon on, full before midnight, unplugged in the morning; 33.8 kWh by time."""
    charged = steady(60.7, hours=7.25)
    idle = [reading(26_100 + n * 600, 60.7, 0.0) for n in range(1, 38)]
    counter = EnergyCounter.of(session(seconds=49_187, energy_kwh=61.2), [*charged, *idle])

    assert counter.energy_between(at(0), at(27_160)) == pytest.approx(60.7)


def test_of_two_readings_at_one_time_the_higher_counts() -> None:
    counter = EnergyCounter.of(
        session(energy_kwh=8.0), [reading(1200, 2.0), reading(1200, 2.6), reading(2400, 5.0)]
    )

    assert counter.energy_at(at(1200)) == 2.6


def test_a_step_back_of_the_counter_is_levelled() -> None:
    readings = [reading(1200, 3.0), reading(1500, 2.995), reading(1800, 4.0)]
    counter = EnergyCounter.of(session(energy_kwh=8.0), readings)

    assert counter.energy_between(at(1200), at(1500)) == 0


def test_a_reading_above_the_sessions_energy_is_capped() -> None:
    counter = EnergyCounter.of(session(energy_kwh=8.0), [reading(1800, 8.4)])

    assert counter.energy_at(at(1800)) == 8.0


def test_readings_outside_the_session_are_left_out() -> None:
    readings = [reading(-60, 1.0), reading(1800, 4.0), reading(5000, 7.9)]
    counter = EnergyCounter.of(session(seconds=3600, energy_kwh=8.0), readings)

    assert counter.energy_at(at(0)) == 0
    assert [knot.second for knot in counter.knots] == [0, 1800, 3600]


def test_a_reading_stamped_too_early_is_left_out() -> None:
    readings = [r for r in steady(16.0, hours=2) if not at(3600) <= r.at <= at(4200)]
    early = reading(3600, 9.5, 8.0)  # what the counter showed eleven minutes later
    counter = EnergyCounter.of(session(seconds=7200, energy_kwh=16.0), [*readings, early])

    assert counter.energy_at(at(3600)) == pytest.approx(8.0)


def test_a_fast_rise_that_nothing_contradicts_is_believed() -> None:
    readings = [reading(600, 1.0, 6.0), reading(1200, 4.0, 6.0), reading(1800, 7.0, 6.0)]
    counter = EnergyCounter.of(session(seconds=2400, energy_kwh=10.0, charging_seconds=None), readings)

    assert counter.energy_at(at(1200)) == 4.0


def test_without_a_curve_energy_is_drawn_from_the_start_for_the_charging_time() -> None:
    counter = EnergyCounter.of(session(seconds=6 * HOUR, energy_kwh=18.0, charging_seconds=2 * HOUR), [])

    assert counter.energy_at(at(HOUR)) == pytest.approx(9.0)
    assert counter.energy_at(at(2 * HOUR)) == pytest.approx(18.0)
    assert counter.coverage_between(at(0), at(6 * HOUR)) == 0


def test_without_curve_and_charging_time_energy_is_spread_evenly() -> None:
    counter = EnergyCounter.of(session(seconds=6 * HOUR, energy_kwh=18.0, charging_seconds=None), [])

    assert counter.energy_at(at(HOUR)) == pytest.approx(3.0)


def test_a_curve_that_begins_late_leaves_the_unseen_charging_time_to_the_beginning() -> None:
    """Seven and a half hours unseen of which six were charging."""
    tail = [reading(7.5 * HOUR + n * 300, 53.9, 0.0) for n in range(6)]
    counter = EnergyCounter.of(session(seconds=8 * HOUR, energy_kwh=53.9, charging_seconds=6 * HOUR), tail)

    assert counter.energy_at(at(3 * HOUR)) == pytest.approx(26.95)
    assert counter.energy_at(at(6 * HOUR)) == pytest.approx(53.9)


def test_charging_seen_in_a_late_curve_is_not_assumed_again_before_it() -> None:
    curve = [reading(HOUR + n * 600, 4.0 + n * 1.5, 9.0) for n in range(13)]
    counter = EnergyCounter.of(session(seconds=3 * HOUR, energy_kwh=22.0, charging_seconds=2.5 * HOUR), curve)

    assert counter.energy_at(at(HOUR / 2)) == pytest.approx(4.0)


def test_a_curve_that_ends_early_goes_on_charging_right_after_it() -> None:
    curve = steady(9.0, hours=1)
    counter = EnergyCounter.of(session(seconds=6 * HOUR, energy_kwh=18.0, charging_seconds=2 * HOUR), curve)

    assert counter.energy_at(at(1.5 * HOUR)) == pytest.approx(13.5)
    assert counter.energy_at(at(2 * HOUR)) == pytest.approx(18.0)


def test_a_trickle_seen_later_does_not_hasten_what_was_not_seen() -> None:
    """Half an hour of the six charged is seen, at a fraction of the power that the other 54 kWh need."""
    trickle = [reading(7 * HOUR + n * 300, 54.0 + n * 0.05, 0.6) for n in range(7)]
    counter = EnergyCounter.of(session(seconds=8 * HOUR, energy_kwh=54.3, charging_seconds=6 * HOUR), trickle)

    assert counter.energy_at(at(5.5 * HOUR)) == pytest.approx(5.5 * 54.3 / 6)


def test_an_open_session_is_known_up_to_its_last_reading() -> None:
    running = session(seconds=None, energy_kwh=4.0, last_update=at(1200), charging_seconds=None)

    assert EnergyCounter.of(running, [reading(1500, 4.0)]).end == at(1500)
    assert EnergyCounter.of(running, []).end == at(1200)
    assert EnergyCounter.of(session(seconds=None, last_update=None), []).end == START


def test_a_session_without_length_holds_its_energy_from_its_start_on() -> None:
    counter = EnergyCounter.of(session(seconds=0, energy_kwh=2.0), [])

    assert counter.energy_between(at(-60), at(0)) == 0
    assert counter.energy_between(at(0), at(60)) == 2.0
    assert counter.coverage_between(at(0), at(60)) == 0


def test_a_dense_curve_covers_all_of_its_session() -> None:
    counter = EnergyCounter.of(session(seconds=2 * HOUR, energy_kwh=16.0), steady(16.0, hours=2, every=900))

    assert counter.coverage_between(at(0), at(2 * HOUR)) == 1
    assert counter.coverage_between(at(-HOUR), at(HOUR)) == 1


def test_a_long_gap_while_charging_is_not_covered_and_one_at_rest_is() -> None:
    readings = [reading(300, 1.0), reading(3300, 7.0), reading(3600, 8.0), reading(6900, 8.0)]
    counter = EnergyCounter.of(session(seconds=7200, energy_kwh=8.0), readings)

    assert counter.coverage_between(at(300), at(3300)) == 0
    assert counter.coverage_between(at(3600), at(6900)) == 1
    assert counter.coverage_between(at(0), at(7200)) == pytest.approx(4200 / 7200)


def test_an_interval_outside_the_session_is_not_covered() -> None:
    counter = EnergyCounter.of(session(energy_kwh=8.0), steady(8.0, hours=1))

    assert counter.coverage_between(at(-900), at(0)) == 0
    assert counter.coverage_between(at(3600), at(4500)) == 0
