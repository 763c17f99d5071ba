from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from math import inf
from statistics import mean, pstdev

import pytest

from bench.vehicle_households import (
    FIRST_CAR,
    LOOK_SECONDS,
    LOOKS,
    SECOND_CAR,
    THIRD_CAR,
    Scenario,
    SimulatedSession,
    View,
    cars_of,
    seen_readings,
    simulate,
)
from cph50_pipeline.charging.activity import ActivityMonth, StoredSession
from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord, add_sample, is_complete, new_record
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.household import DEFAULT_ZONE, Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline.vehicles.features import telling_readings

WEEK = [date(2025, 10, 6) + timedelta(days=number) for number in range(7)]
DELAY_SECONDS = 20


def as_the_pipeline_reads(household: Household, planned: PlannedSession, *, live: bool) -> list[Reading]:
    """The distinct readings by way of ChargePoint's answers."""
    answers = HouseholdAnswers(LiveHousehold(household, PlugInBook()))
    key = str(planned.session_id)
    status = ChargingStatus.model_validate(answers.charging_status(planned.session_id, planned.reported_end))
    month = ActivityMonth(month="2025-10", sessions={key: StoredSession(status=status)})
    return distinct_readings(read_sessions(month)[0], collected(answers, planned) if live else None)


def collected(answers: HouseholdAnswers, planned: PlannedSession) -> CollectionRecord:
    first_look = planned.start + timedelta(seconds=DELAY_SECONDS)
    record = new_record(str(planned.session_id), planned.start, first_look, LOOK_SECONDS)
    while not is_complete(record, LOOKS):
        look = first_look + timedelta(seconds=LOOK_SECONDS * record.sample_count)
        status = ChargingStatus.model_validate(answers.charging_status(planned.session_id, look))
        record = add_sample(record, status, look, DEFAULT_ZONE)
    return record


@pytest.mark.parametrize(("view", "live"), [("curve", False), ("curve and window", True)])
def test_the_readings_are_those_that_chargepoint_would_answer(view: View, live: bool) -> None:
    household = Household()
    for planned in [session for day in WEEK for session in household.sessions_on(day)]:
        expected = as_the_pipeline_reads(household, planned, live=live)
        assert sorted(seen_readings(planned, view, DELAY_SECONDS), key=str) == sorted(expected, key=str)


def test_the_first_minutes_hold_few_distinct_readings() -> None:
    sessions = simulate(Scenario(days=60, view="opening"), 1)
    assert all(not session.whole and len(session.readings) <= 12 for session in sessions)
    assert all(session.readings[-1].at - session.start <= timedelta(minutes=6) for session in sessions)


def test_the_same_seed_gives_the_same_sessions_and_another_one_others() -> None:
    scenario = Scenario(days=60, third_gap=0.03, season_voltage=0.05, limits=(24, 32, 40))
    assert simulate(scenario, 4) == simulate(scenario, 4)
    assert simulate(scenario, 4) != simulate(scenario, 5)


@pytest.mark.parametrize(
    "seen_otherwise",
    [{"view": "opening"}, {"duplicates": 10}, {"zeroed_share": 0.3}, {"limit_observed_from_day": inf}],
)
def test_how_much_is_seen_changes_nothing_of_what_happened(seen_otherwise: dict[str, object]) -> None:
    def happened(scenario: Scenario) -> list[SimulatedSession]:
        return [replace(one, readings=[], whole=True, amperage_limit=None) for one in simulate(scenario, 2)]

    scenario = Scenario(days=60)
    assert happened(scenario) == happened(replace(scenario, **seen_otherwise))


@pytest.mark.parametrize("spread", [0.003, 0.006, 0.012])
def test_a_cars_own_sessions_spread_as_asked(spread: float) -> None:
    deviations = [
        deviation
        for seed in range(6)
        for car in (FIRST_CAR, SECOND_CAR)
        for deviation in shares_of_own_mean(simulate(Scenario(days=200, spread=spread), seed), car)
    ]
    assert pstdev(deviations) == pytest.approx(spread, rel=0.08)


def shares_of_own_mean(sessions: list[SimulatedSession], car: str) -> list[float]:
    levels = [
        session.plateau_kw
        for session in sessions
        if session.vehicle_id == car and session.plateau_kw and session.kind not in ("public", "trickle")
    ]
    return [level / mean(levels) - 1 for level in levels]


@pytest.mark.parametrize("seed", range(8))
def test_the_third_car_lies_outside_the_other_two(seed: int) -> None:
    first, second, third = cars_of(Scenario(car_gap=0.04, third_gap=0.03), seed)
    lower, upper = first.reference_plateau_kw, second.reference_plateau_kw
    assert upper / lower == pytest.approx(1.04)
    assert third.reference_plateau_kw in (pytest.approx(lower * 0.97), pytest.approx(upper * 1.03))


def test_the_third_car_comes_to_visit() -> None:
    sessions = simulate(Scenario(third_gap=0.03), 3)
    visits = sum(session.vehicle_id == THIRD_CAR for session in sessions)
    assert 0.05 < visits / len(sessions) < 0.25


def test_the_voltage_moves_all_cars_alike_over_a_season() -> None:
    steady = simulate(Scenario(days=180), 1)
    swinging = simulate(Scenario(days=180, season_voltage=0.05), 1)
    shares = [
        after.plateau_kw / before.plateau_kw
        for before, after in zip(steady, swinging, strict=True)
        if before.plateau_kw and after.plateau_kw and before.kind not in ("public", "trickle")
    ]
    assert min(shares) == pytest.approx(0.95, abs=0.005)
    assert max(shares) == pytest.approx(1.05, abs=0.005)
    assert max(abs(after - before) for before, after in pairwise(shares)) < 0.03


def test_the_limit_scales_the_power_of_every_car() -> None:
    cars = {car.vehicle_id: car for car in cars_of(Scenario(), 1)}
    sessions = simulate(Scenario(limits=(24, 32, 40)), 1)
    charged = [one for one in sessions if one.plateau_kw and one.kind not in ("public", "trickle")]
    assert {session.limit for session in charged} == {24, 32, 40}
    for session in charged:
        expected_kw = cars[session.vehicle_id].plateau_kw(session.limit)
        assert session.plateau_kw == pytest.approx(expected_kw, rel=0.04)


def test_a_limit_can_become_known_later_and_is_never_known_elsewhere() -> None:
    sessions = simulate(Scenario(days=60, limit_observed_from_day=30, public_share=0.2), 1)
    known = [session.amperage_limit is not None for session in sessions if session.is_home]
    assert known == sorted(known)
    assert 0 < sum(known) < len(known)
    assert all(session.amperage_limit is None for session in sessions if not session.is_home)


def test_duplicates_add_no_reading_that_tells_more() -> None:
    once, often = simulate(Scenario(days=30), 1), simulate(Scenario(days=30, duplicates=10), 1)
    for single, repeated in zip(once, often, strict=True):
        assert len(repeated.readings) == 10 * len(single.readings)
        assert telling_readings(repeated.readings) == telling_readings(single.readings)


def test_zeroed_power_leaves_the_counter_alone() -> None:
    sound, broken = simulate(Scenario(days=30), 1), simulate(Scenario(days=30, zeroed_share=0.5), 1)
    for before, after in zip(sound, broken, strict=True):
        assert [one.energy_kwh for one in before.readings] == [one.energy_kwh for one in after.readings]
    zeroed = [one.power_kw == 0 for session in broken for one in session.readings]
    assert sum(zeroed) / len(zeroed) > 0.5


def test_a_swap_of_cars_within_minutes_is_one_chain() -> None:
    sessions = simulate(Scenario(days=120), 1)
    chains = [one.plug_in_id for one in sessions]
    assert len(set(chains)) < len(sessions)
    assert all(one.plug_in_id in {other.session_id for other in sessions} for one in sessions)
