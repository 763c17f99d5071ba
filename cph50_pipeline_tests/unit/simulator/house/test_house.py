"""What the simulated house draws: the same for the same arguments, plausible, with its cars on top."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cph50_pipeline.civil_time import day_bounds
from cph50_pipeline.simulator.house.house import House, HouseDay
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline_tests.unit.simulator.house.houses import DAY, LOS_ANGELES, day_with, house

YEAR = [date(2025, 1, 1) + number * DAY for number in range(365)]


@pytest.fixture(scope="module")
def year() -> dict[date, HouseDay]:
    known = house()
    return {day: known.day(day) for day in YEAR}


def kwh(day: HouseDay) -> float:
    return float(day.power_w.sum()) / 60_000


def same(one: HouseDay, other: HouseDay) -> bool:
    names = (
        "power_w",
        "solar_w",
        "voltage_v",
        "power_factor_percent",
        "energy_today_kwh",
        "energy_total_kwh",
    )
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_day_is_the_same_whichever_days_were_asked_for_before(year: dict[date, HouseDay]) -> None:
    for day in (date(2025, 12, 30), date(2025, 3, 9), date(2025, 7, 4)):
        assert same(house().day(day), year[day])
        assert house().day(day).mishaps == year[day].mishaps


def test_another_seed_is_another_house() -> None:
    day = date(2025, 5, 5)
    assert not np.array_equal(house(seed=1).day(day).power_w, house(seed=2).day(day).power_w)


def test_a_year_is_that_of_a_house_with_two_cars(year: dict[date, HouseDay]) -> None:
    assert 12_000 < sum(map(kwh, year.values())) < 22_000
    for day in year.values():
        assert day.power_w.min() >= 0
        assert day.power_w.max() < 25_000
        assert day.power_factor_percent.max() <= 100
        with_power = day.voltage_v[day.voltage_v > 0]
        assert 220 < with_power.min() <= with_power.max() < 250


def test_heat_and_cold_and_sun_come_with_the_seasons() -> None:
    alone = house(charges=False)

    def mean_kwh(month: int) -> float:
        return sum(kwh(alone.day(date(2025, month, 1) + number * DAY)) for number in range(28)) / 28

    def mean_sun_kwh(month: int) -> float:
        days = [alone.day(date(2025, month, 1) + number * DAY) for number in range(28)]
        return sum(float(day.solar_w.sum()) / 60_000 for day in days) / 28

    assert mean_kwh(1) > 1.3 * mean_kwh(5) < mean_kwh(7)
    assert mean_sun_kwh(6) > 1.8 * mean_sun_kwh(12) > 0


def test_the_cars_are_laid_on_top_to_the_last_watt_hour() -> None:
    days = [date(2025, 3, 1) + number * DAY for number in range(21)]
    with_cars, alone = house(), house(charges=False)
    sessions = [one for day in days[:-1] for one in Household().sessions_on(day) if one.is_home]
    on_top = sum(kwh(with_cars.day(day)) - kwh(alone.day(day)) for day in days)
    assert on_top == pytest.approx(sum(one.energy_kwh for one in sessions), rel=0.02)
    assert len(sessions) > 10


def test_a_car_plugged_in_by_hand_is_drawn_for_at_once() -> None:
    live = LiveHousehold(Household(), PlugInBook())
    known = House(live)
    day = date(2025, 6, 3)
    before = kwh(known.day(day))
    session = live.plug_in(datetime(2025, 6, 3, 22, tzinfo=UTC), "ember_hatch_2023", 60)
    assert kwh(known.day(day)) == pytest.approx(before + session.energy_kwh, rel=0.01)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", date(2025, 3, 9), 23),
        ("America/Los_Angeles", date(2025, 11, 2), 25),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Asia/Kolkata", date(2025, 4, 6), 24),
    ],
)
def test_a_day_has_as_many_minutes_as_the_zone_gives_it(zone: str, day: date, hours: float) -> None:
    drawn = house(ZoneInfo(zone)).day(day)
    assert len(drawn.power_w) == len(drawn.energy_total_kwh) == hours * 60
    assert drawn.start == day_bounds(day, ZoneInfo(zone))[0]


def test_the_counter_of_the_day_begins_at_local_midnight_and_counts_what_is_drawn(
    year: dict[date, HouseDay],
) -> None:
    for day in year.values():
        counted = day.energy_today_kwh
        assert counted[0] == 0
        assert (np.diff(counted) >= 0).all()
        assert counted[-1] + day.power_w[-1] / 60_000 == pytest.approx(kwh(day))


def test_the_lifetime_counter_goes_on_overnight_and_begins_anew_on_first_tuesdays(
    year: dict[date, HouseDay],
) -> None:
    resets = Counter[date]()
    before: HouseDay | None = None
    for day, drawn in year.items():
        resets[day] = int((np.diff(drawn.energy_total_kwh) < 0).sum())
        if before is not None:
            last = before.energy_total_kwh[-1] + before.power_w[-1] / 60_000
            assert drawn.energy_total_kwh[0] == pytest.approx(last)
        before = drawn
    assert {day for day, count in resets.items() if count} == {
        day for day in YEAR if day.weekday() == 1 and day.day <= 7
    }


def test_the_panels_counter_begins_anew_before_midnight(year: dict[date, HouseDay]) -> None:
    made = year[date(2025, 6, 1)].solar_today_kwh
    assert made[22 * 60] == made.max() > 0
    assert (made[23 * 60 + 3 :] == 0).all()


def test_without_power_nothing_is_drawn_or_made() -> None:
    known = house()
    day = day_with("power_cut", known)
    drawn = known.day(day)
    [cut] = [one for one in drawn.mishaps if one.kind == "power_cut"]
    begin, end = (int((at - drawn.start) / timedelta(minutes=1)) for at in (cut.start, cut.end))
    for values in (drawn.power_w, drawn.voltage_v, drawn.solar_w, drawn.power_factor_percent):
        assert (values[begin:end] == 0).all()
    assert drawn.voltage_v[begin - 1] > 200 < drawn.voltage_v[end]


def test_no_power_is_cut_while_a_car_charges(year: dict[date, HouseDay]) -> None:
    household = Household()
    for day, drawn in year.items():
        for cut in (one for one in drawn.mishaps if one.kind == "power_cut"):
            around = household.sessions_on(day - DAY) + household.sessions_on(day)
            assert not [one for one in around if one.is_home and one.start < cut.end and cut.start < one.end]


def test_a_year_shows_every_mishap(year: dict[date, HouseDay]) -> None:
    counts = Counter(one.kind for day in year.values() for one in day.mishaps)
    assert set(counts) == {"restart", "unavailable", "freeze", "blip", "power_cut"}
    assert all(5 <= count <= 150 for count in counts.values()), counts


def test_before_the_history_nothing_was_counted() -> None:
    first = house(since=date(2025, 6, 12)).day(date(2025, 6, 12))
    assert first.energy_total_kwh[0] == 0
    assert first.start.astimezone(LOS_ANGELES).date() == date(2025, 6, 12)
