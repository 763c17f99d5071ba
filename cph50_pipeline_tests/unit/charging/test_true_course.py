"""The counter against what truly happened, which only a simulated household can tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import fmean

import pytest

from cph50_pipeline.charging.activity import ActivityMonth, merge
from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.charging.model import Session
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.civil_time import SLOT, month_bounds
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline_tests.unit.charging.builders import PACIFIC

MONTH = "2025-11"  # holds a day of 25 hours
NOW = datetime(2026, 6, 1, tzinfo=UTC)

Course = tuple[PlannedSession, Session]


@pytest.fixture(scope="module")
def courses() -> list[Course]:
    """Each session as it truly went, and as it is read from ChargePoint's answers."""
    household = Household(zone=PACIFIC)
    answers = HouseholdAnswers(LiveHousehold(household, PlugInBook()))
    planned = {str(one.session_id): one for one in household.sessions_between(*month_bounds(MONTH, PACIFIC))}
    statuses = [
        ChargingStatus.model_validate(answers.charging_status(one.session_id, NOW))
        for one in planned.values()
    ]
    month = merge(ActivityMonth(month=MONTH), [], statuses, PACIFIC)
    return [(planned[session.session_id], session) for session in read_sessions(month)]


def errors_kwh(planned: PlannedSession, counter: EnergyCounter) -> Iterator[float]:
    """How far the counter is off at each quarter hour of a session."""
    instant = counter.start
    while instant < counter.end:
        instant += SLOT
        yield abs(counter.energy_at(instant) - planned.energy_kwh_by(min(instant, planned.end)))


def by_time_alone(session: Session) -> EnergyCounter:
    bare = EnergyCounter.of(session, [])
    return EnergyCounter(start=bare.start, end=bare.end, knots=(bare.knots[0], bare.knots[-1]))


def test_every_end_is_the_true_one(courses: list[Course]) -> None:
    assert len(courses) >= 20
    for planned, session in courses:
        assert session.end is not None
        assert abs((session.end - planned.end).total_seconds()) <= 5


def test_with_a_curve_the_counter_follows_the_true_course(courses: list[Course]) -> None:
    errors = [
        error
        for planned, session in courses
        for error in errors_kwh(planned, EnergyCounter.of(session, session.curve))
    ]

    assert fmean(errors) < 0.05


def test_without_a_curve_the_counter_is_far_truer_than_time_alone(courses: list[Course]) -> None:
    assumed = [error for planned, one in courses for error in errors_kwh(planned, EnergyCounter.of(one, []))]
    by_time = [error for planned, one in courses for error in errors_kwh(planned, by_time_alone(one))]

    assert fmean(assumed) < fmean(by_time) / 10
