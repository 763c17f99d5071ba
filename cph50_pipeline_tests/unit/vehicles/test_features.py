from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import Reading
from cph50_pipeline.vehicles.features import (
    LEVEL_WIDTH,
    Fingerprint,
    Plateau,
    fingerprint,
    plateau_of,
    telling_readings,
)
from cph50_pipeline_tests.unit.vehicles.curves import START, curve, steady, without_power


def plateau_power_kw(readings: list[Reading]) -> Plateau | None:
    return plateau_of(telling_readings(readings))


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


SECONDS = timedelta(seconds=1)


def at(*pairs: tuple[float, float]) -> list[Reading]:
    """Readings of power by seconds since the start; the counter follows."""
    energy_kwh, before, readings = 0.0, 0.0, []
    for second, power_kw in pairs:
        energy_kwh += power_kw * (second - before) / 3600
        before = second
        readings.append(Reading(START + second * SECONDS, round(energy_kwh, 5), power_kw, "window"))
    return readings


def plateau_from(second: float, count: int = 10, power_kw: float = 9.0) -> list[tuple[float, float]]:
    return [(second + 60 * number, power) for number, power in enumerate(steady(power_kw, count))]


def seen(readings: list[Reading], amperage_limit: float | None = None) -> Fingerprint:
    found = fingerprint(readings, amperage_limit)
    assert found is not None
    return found


def test_the_plateau_is_measured_the_more_exactly_the_more_readings_lie_on_it() -> None:
    few, many = seen(curve(steady(9.0, 4))), seen(curve(steady(9.0, 40)))
    assert many.power_kw.value == pytest.approx(9.0, rel=0.003)
    assert many.power_kw.sigma < few.power_kw.sigma / 2
    assert (few.reading_count, many.reading_count) == (4, 40)


def test_two_readings_that_agree_by_chance_are_not_exact() -> None:
    assert seen(at((0, 9.0), (60, 9.0), (120, 9.0001))).power_kw.sigma > 0.01


def test_power_by_ampere_is_known_where_the_limit_was_seen() -> None:
    limited = seen(curve(steady(9.0)), 40)
    assert limited.power_per_ampere_kw is not None
    assert limited.power_per_ampere_kw.value == pytest.approx(0.225, rel=0.003)
    assert seen(curve(steady(9.0))).power_per_ampere_kw is None


def test_the_ramp_lies_between_the_readings_that_enclose_it() -> None:
    ramp = seen(at((0, 0.0), (10, 0.1), (20, 2.0), (40, 6.0), (50, 8.9), *plateau_from(60))).ramp_seconds
    assert ramp is not None
    assert ramp.value == pytest.approx(30, abs=0.1)  # from 10..20 to 40..50
    assert ramp.sigma == pytest.approx((10**2 / 12 + 10**2 / 12) ** 0.5)


def test_a_curve_that_begins_on_the_plateau_tells_nothing_of_the_ramp() -> None:
    assert seen(at(*plateau_from(0))).ramp_seconds is None


def test_readings_too_far_apart_tell_nothing_of_the_ramp() -> None:
    assert seen(at((0, 0.0), *plateau_from(3000))).ramp_seconds is None


def test_the_taper_lasts_from_the_plateau_to_the_last_current() -> None:
    falling = [(600, 7.0), (660, 5.0), (720, 3.0), (780, 0.0), (840, 0.0)]
    taper = seen(at(*plateau_from(0), *falling)).taper_seconds
    assert taper is not None
    assert taper.value == pytest.approx(180, abs=1)


@pytest.mark.parametrize("ending", [[], [(600, 0.0), (660, 0.0)], [(600, 7.0), (660, 5.0)]])
def test_a_charge_that_runs_or_was_cut_has_no_taper(ending: list[tuple[float, float]]) -> None:
    assert seen(at(*plateau_from(0), *ending)).taper_seconds is None


def test_early_drift_is_the_slope_of_the_first_half_hour_of_the_plateau() -> None:
    rising = [(300 * number, 9.0 * (1 + 0.01 * number / 12)) for number in range(7)]  # 1 % an hour
    drift = seen(at(*rising, *((1800 + 300 * number, 9.05) for number in range(20)))).early_drift
    assert drift is not None
    assert drift.value == pytest.approx(0.01, abs=0.003)
    assert drift.sigma > 0


def test_ripple_is_a_share_of_the_plateau() -> None:
    ripple = seen(curve(steady(9.0, 30))).ripple
    assert ripple is not None
    assert 0.001 < ripple.value < LEVEL_WIDTH
    assert 0 < ripple.sigma < ripple.value


def test_five_minutes_of_live_readings_have_a_fingerprint() -> None:
    live = at((0, 0.0), (12, 0.2), (40, 6.1), (95, 9.01), (185, 9.03), (290, 9.02))
    found = seen(live, 40)
    assert found.power_kw.value == pytest.approx(9.02, abs=0.02)
    assert found.ramp_seconds is not None
    assert found.taper_seconds is None


def test_there_is_no_fingerprint_without_steady_charging() -> None:
    assert fingerprint([]) is None
    assert fingerprint(curve(IDLE)) is None


def test_a_fingerprint_from_the_counter_says_so_and_has_no_traits_of_power() -> None:
    found = seen(without_power(curve(steady(9.0, 40), every=timedelta(minutes=5)), 0.0))
    assert found.origin == "counter"
    assert (found.ramp_seconds, found.ripple, found.early_drift, found.taper_seconds) == (None,) * 4


@given(
    st.lists(st.tuples(st.floats(0, 5e4), st.floats(0, 12)), max_size=40, unique_by=lambda pair: pair[0]),
    st.randoms(),
)
def test_a_fingerprint_is_the_same_in_any_order_and_however_often_readings_come(
    pairs: list[tuple[float, float]], shuffle: random.Random
) -> None:
    readings = at(*sorted(pairs))
    again = [*readings, *shuffle.choices(readings, k=10)] if readings else []
    shuffle.shuffle(again)
    found = fingerprint(readings)
    assert fingerprint(again) == found
    measures = (
        [found.power_kw, found.ramp_seconds, found.ripple, found.early_drift, found.taper_seconds]
        if found
        else []
    )
    assert all(measure.sigma > 0 for measure in measures if measure is not None)
