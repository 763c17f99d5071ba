from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import Reading
from cph50_pipeline.vehicles.features import plateau_power_kw, telling_readings
from cph50_pipeline_tests.unit.vehicles.curves import START, curve, steady, without_power

RAMP = [0.0, 0.0004, 3.5]
IDLE = [0.0] * 30


def test_the_plateau_is_the_steady_power_between_ramp_and_idling() -> None:
    plateau = plateau_power_kw(curve([*RAMP, *steady(8.55), *IDLE]))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(8.55, rel=0.003)
    assert plateau.spread_kw == pytest.approx(0.03, abs=0.02)
    assert (plateau.reading_count, plateau.origin) == (14, "power")


@pytest.mark.parametrize(
    "powers_kw",
    [
        [],
        [9.0],
        IDLE,
        [0.9, 0.91, 0.9, 0.92] * 5,
        [*RAMP, 8.5],
        [8.0 * 0.93**step for step in range(20)],
    ],
    ids=["no reading", "one reading", "idle", "trickle", "only just ramped up", "only tapering"],
)
def test_there_is_no_plateau_without_steady_charging(powers_kw: list[float]) -> None:
    assert plateau_power_kw(curve(powers_kw)) is None


def test_hours_of_warming_the_cabin_do_not_hide_the_plateau() -> None:
    plateau = plateau_power_kw(curve([*RAMP, *steady(9.05, 8), *IDLE, *steady(1.6, 20)]))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(9.05, rel=0.003)


def test_a_few_pauses_averaged_into_points_do_not_move_the_plateau() -> None:
    powers_kw = steady(8.55)
    powers_kw[4], powers_kw[9] = 4.2, 0.4
    plateau = plateau_power_kw(curve(powers_kw))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(8.55, rel=0.003)


def test_the_first_five_minutes_of_samples_are_enough() -> None:
    ramp_and_plateau = [*RAMP, 7.9, *steady(8.55, 30)]
    plateau = plateau_power_kw(curve(ramp_and_plateau[:30], every=timedelta(seconds=10)))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(8.55, rel=0.003)


def test_thirty_samples_of_two_readings_count_as_two() -> None:
    first, second = curve([9.05, 9.06])
    plateau = plateau_power_kw([first] * 15 + [second] * 15)
    assert plateau is not None
    assert plateau.reading_count == 2


def test_a_reading_repeated_under_later_times_counts_once() -> None:
    once = Reading(START, 4.0, 9.05, "window")
    later = [replace(once, at=START + timedelta(seconds=10 * count)) for count in range(1, 30)]
    assert telling_readings([once, *later]) == [once]
    assert plateau_power_kw([once, *later]) is None


def test_of_two_readings_at_one_time_the_one_with_power_stands() -> None:
    full = Reading(START, 4.0, 9.05, "window")
    assert telling_readings([full, replace(full, power_kw=0.0), replace(full, power_kw=None)]) == [full]


@pytest.mark.parametrize("power_kw", [None, 0.0], ids=["missing", "zeroed"])
@pytest.mark.parametrize(
    "every", [timedelta(minutes=5), timedelta(seconds=10)], ids=["curve", "first minutes"]
)
def test_without_power_the_energy_counter_tells_the_plateau(power_kw: float | None, every: timedelta) -> None:
    plateau = plateau_power_kw(without_power(curve(steady(8.55, 30), every=every), power_kw))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(8.55, rel=0.005)
    assert plateau.origin == "counter"


def test_a_counter_that_comes_late_now_and_then_still_tells_the_plateau() -> None:
    readings = without_power(curve(steady(9.05, 48)))
    late = {12, 25, 31}
    lagging = [
        replace(reading, energy_kwh=readings[index - 1].energy_kwh) if index in late else reading
        for index, reading in enumerate(readings)
    ]
    plateau = plateau_power_kw(lagging)
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(9.05, rel=0.01)


def test_without_power_and_with_a_resting_counter_there_is_no_plateau() -> None:
    assert plateau_power_kw(without_power(curve([*IDLE, *IDLE]), 0.0)) is None


def _shuffled(readings: list[Reading], random_: random.Random) -> list[Reading]:
    return random_.sample(readings, len(readings))


def _duplicated(readings: list[Reading], random_: random.Random) -> list[Reading]:
    return readings + random_.choices(readings, k=2 * len(readings))


def _zeroed(readings: list[Reading], random_: random.Random) -> list[Reading]:
    return [replace(reading, power_kw=random_.choice([0.0, None, reading.power_kw])) for reading in readings]


def _thinned(readings: list[Reading], random_: random.Random) -> list[Reading]:
    return random_.sample(readings, len(readings) // 2)


@pytest.mark.parametrize("damage", [_shuffled, _duplicated, _zeroed, _thinned])
@given(power_kw=st.floats(1.5, 12), random_=st.randoms(use_true_random=False))
def test_damaged_readings_leave_the_plateau_where_it_is(
    damage: Callable[[list[Reading], random.Random], list[Reading]], power_kw: float, random_: random.Random
) -> None:
    plateau = plateau_power_kw(damage(curve([*RAMP[:2], *steady(power_kw, 40), *IDLE]), random_))
    assert plateau is not None
    assert plateau.power_kw == pytest.approx(power_kw, rel=0.006)


@given(
    st.lists(
        st.tuples(st.none() | st.floats(0, 1e4), st.none() | st.floats(-1e3, 1e4), st.integers(0, 10**6))
    )
)
def test_any_readings_give_a_plateau_among_them_or_none(
    values: list[tuple[float | None, float | None, int]],
) -> None:
    readings = [
        Reading(START + timedelta(seconds=at), energy, power, "curve") for power, energy, at in values
    ]
    plateau = plateau_power_kw(readings)
    if plateau is not None and plateau.origin == "power":
        powers = [reading.power_kw for reading in readings if reading.power_kw is not None]
        assert min(powers) - 1e-3 <= plateau.power_kw <= max(powers) + 1e-3
