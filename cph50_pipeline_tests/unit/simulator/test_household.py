from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_bounds, local_date
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.cars import EMBER, GUEST, TIDE
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.sessions import PlannedSession

ZONES = ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]
YEAR = (datetime(2025, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 1, 8, tzinfo=UTC))


@pytest.fixture(scope="module")
def year() -> list[PlannedSession]:
    return Household(third_car=True).sessions_between(*YEAR)


def plateau_kw(session: PlannedSession) -> float | None:
    """Mean power of what the curve keeps of the plateau, None when there is too little."""
    powers = [point.power_kw for point in session.points_by(session.end) if point.power_kw]
    steady = [power for power in powers if power > 0.97 * max(powers)] if powers else []
    return sum(steady) / len(steady) if len(steady) >= 5 else None


@given(st.integers(0, 1000), st.integers(0, 360), st.integers(1, 30), st.integers(1, 30))
def test_any_window_shows_the_same_sessions(seed: int, first_day: int, days: int, more: int) -> None:
    begin = datetime(2025, 1, 1, 17, 30, tzinfo=UTC) + timedelta(days=first_day)
    middle, end = begin + timedelta(days=days), begin + timedelta(days=days + more)
    parts = Household(seed).sessions_between(begin, middle) + Household(seed).sessions_between(middle, end)
    assert parts == Household(seed).sessions_between(begin, end)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(4))
def test_the_charger_serves_one_car_at_a_time_in_every_zone(seed: int, zone: str) -> None:
    sessions = Household(seed, ZoneInfo(zone), third_car=True).sessions_between(*YEAR)
    at_home = [session for session in sessions if session.is_home]
    assert all(earlier.start < earlier.end <= later.start for earlier, later in pairwise(at_home))


@pytest.mark.parametrize("zone", ZONES)
def test_sessions_start_on_the_day_that_lists_them(zone: str) -> None:
    household = Household(3, ZoneInfo(zone))
    for number in range(365):
        day = date(2025, 1, 1) + timedelta(days=number)
        start, end = day_bounds(day, household.zone)
        assert all(start <= session.start < end for session in household.sessions_on(day))


def test_about_one_session_a_day(year: list[PlannedSession]) -> None:
    assert 300 < len(year) < 500


def test_a_year_shows_every_kind_of_session(year: list[PlannedSession]) -> None:
    kinds = Counter(session.kind for session in year)
    assert set(kinds) == {"scheduled", "swap", "top_up", "evening", "idle", "trickle", "public"}
    assert {session.car for session in year} == {EMBER, TIDE, GUEST}


def test_without_a_guest_only_two_cars_charge() -> None:
    assert {session.car for session in Household().sessions_between(*YEAR)} == {EMBER, TIDE}


def test_a_guest_changes_nobody_elses_sessions(year: list[PlannedSession]) -> None:
    without = {session.session_id: session for session in Household().sessions_between(*YEAR)}
    assert [one for one in year if one.car != GUEST and one != without[one.session_id]] == []


def test_scheduled_sessions_start_at_midnight_and_end_with_the_cheap_night(
    year: list[PlannedSession],
) -> None:
    for session in year:
        if session.kind in ("scheduled", "idle", "trickle"):
            start, end = session.start.astimezone(session.zone), session.end.astimezone(session.zone)
            assert (start.hour, start.minute) == (0, 0)
            assert end.hour < 14 or (end.hour, end.minute, end.second) == (14, 0, 0)
            assert start.weekday() >= 5 or end.hour <= 6


def test_cars_swap_within_an_hour(year: list[PlannedSession]) -> None:
    swaps = [session for session in year if session.kind == "swap"]
    for first, second in zip(swaps[::2], swaps[1::2], strict=True):
        assert first.car != second.car
        assert timedelta(0) < second.start - first.end < timedelta(hours=1)


def test_top_ups_take_less_than_a_kilowatt_hour(year: list[PlannedSession]) -> None:
    assert all(0 < session.energy_kwh < 1 for session in year if session.kind == "top_up")


def test_idle_sessions_are_long_and_take_little(year: list[PlannedSession]) -> None:
    for session in year:
        if session.kind == "idle":
            assert session.duration_seconds >= 5 * 3600
            assert session.energy_kwh < 3


def test_public_sessions_are_not_at_home(year: list[PlannedSession]) -> None:
    assert {session.is_home for session in year if session.kind == "public"} == {False}
    assert {session.is_home for session in year if session.kind != "public"} == {True}


def test_ids_are_unique_and_mostly_in_order(year: list[PlannedSession]) -> None:
    ids = [session.session_id for session in year]
    inversions = sum(later < earlier for earlier, later in pairwise(ids))
    assert len(set(ids)) == len(ids)
    assert 1 <= inversions < len(ids) / 20


def test_a_few_ends_are_wrong_and_overlap_the_next_session() -> None:
    sessions = [one for seed in range(5) for one in Household(seed).sessions_between(*YEAR) if one.is_home]
    wrong = [
        (session, following)
        for session, following in pairwise(sessions)
        if session.reported_end != session.end and following.start > session.start
    ]
    assert 0.01 < len(wrong) / len(sessions) < 0.04
    assert all(session.end <= following.start < session.reported_end for session, following in wrong)


def test_the_two_cars_hold_different_steady_power(year: list[PlannedSession]) -> None:
    plateaus = {EMBER: [], TIDE: []}  # type: ignore[var-annotated]
    for session in year:
        steady = plateau_kw(session)
        if session.kind in ("scheduled", "swap", "evening") and session.car in plateaus and steady:
            plateaus[session.car].append(steady)
    assert len(plateaus[EMBER]) > 50
    assert len(plateaus[TIDE]) > 50
    assert 8.4 < min(plateaus[EMBER]) < max(plateaus[EMBER]) < 8.7
    assert 8.85 < min(plateaus[TIDE]) < max(plateaus[TIDE]) < 9.25


def test_a_lower_amperage_limit_lowers_every_home_plateau() -> None:
    limited = Household(amperage_limit=24).sessions_between(*YEAR)
    full = Household(amperage_limit=40).sessions_between(*YEAR)
    at_full = {session.session_id: session for session in full}
    steady = [
        (plateau_kw(session), plateau_kw(at_full[session.session_id]))
        for session in limited
        if session.kind == "scheduled"
    ]
    ratios = [low / high for low, high in steady if low and high]
    assert ratios
    assert all(ratio == pytest.approx(24 / 40, rel=0.02) for ratio in ratios)


def test_a_limit_the_charger_does_not_offer_is_refused() -> None:
    with pytest.raises(BadInputError, match="17 A"):
        Household(amperage_limit=17)


def test_curves_have_the_quirks_of_real_ones(year: list[PlannedSession]) -> None:
    curves = [session.points_by(session.end) for session in year]
    assert Counter(len(curve) for curve in curves).most_common(1)[0][0] == 52
    assert any(curve[0].energy_kwh > 1 for curve in curves)
    assert any(all(point.power_kw is None for point in curve) for curve in curves)
    assert any(
        session.energy_kwh > 1 and all(point.power_kw == 0 for point in curve)
        for session, curve in zip(year, curves, strict=True)
    )


def test_every_curve_ends_with_the_sessions_energy(year: list[PlannedSession]) -> None:
    assert all(session.points_by(session.end)[-1].energy_kwh == session.energy_kwh for session in year)


def test_a_session_is_found_again_by_its_id(year: list[PlannedSession]) -> None:
    household = Household(third_car=True)
    assert [household.session(session.session_id) for session in year] == year
    assert all(household.true_vehicle(one.session_id) == one.car.vehicle_id for one in year)


@pytest.mark.parametrize("session_id", [-1, 0, 123, 10**40])
def test_an_unknown_session_has_no_true_vehicle(session_id: int) -> None:
    with pytest.raises(BadInputError, match=str(session_id)):
        Household().true_vehicle(session_id)


def test_there_is_nothing_before_the_history_starts() -> None:
    household = Household(history_start=date(2025, 6, 1))
    sessions = household.sessions_between(*YEAR)
    assert min(local_date(session.start, household.zone) for session in sessions) >= date(2025, 6, 1)
    assert sessions == Household().sessions_between(sessions[0].start, YEAR[1])
