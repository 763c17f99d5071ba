from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.cars import TIDE
from cph50_pipeline.simulator.household import DEFAULT_ZONE, Charger, plan_session
from cph50_pipeline.simulator.points import Quirks
from cph50_pipeline.simulator.sessions import PlannedSession, session_id_at, start_of_id

START = datetime(2025, 10, 10, 7, tzinfo=UTC)


@pytest.fixture
def session() -> PlannedSession:
    charger = Charger(DEFAULT_ZONE, 40)
    planned = plan_session(charger, "scheduled", TIDE, START, START + timedelta(hours=6), 45.0, Random(1))
    return PlannedSession(**{**vars(planned), "quirks": Quirks(), "reading_period_seconds": 150})


def test_the_charger_reads_less_often_than_it_is_asked(session: PlannedSession) -> None:
    asked = [START + timedelta(hours=1, seconds=10 * number) for number in range(30)]
    readings = {session.reading_at(instant) for instant in asked}
    assert 2 <= len(readings) <= 3


def test_the_charger_reads_often_at_first_and_then_regularly(session: PlannedSession) -> None:
    readings = [session.reading_at(START + timedelta(seconds=second)) - START for second in range(310)]
    assert sorted({int(one.total_seconds()) for one in readings}) == [0, 7, 10, 22, 46, 94, 150, 300]
    assert readings == sorted(readings)


def test_a_running_session_shows_its_curve_so_far(session: PlannedSession) -> None:
    now = START + timedelta(hours=2)
    curve = session.points_by(now)
    assert curve[-1].at == session.reading_at(now)
    assert curve[-1].energy_kwh == session.energy_kwh_by(session.reading_at(now))
    assert 0 < curve[-1].energy_kwh < session.energy_kwh


def test_what_was_shown_of_a_running_session_stays_true(session: PlannedSession) -> None:
    final = {point.at: point for point in session.points_by(session.end)}
    early = session.points_by(START + timedelta(hours=2))[:-1]
    assert [final[point.at] for point in early] == early


def test_a_curve_may_step_back_once_but_ends_right(session: PlannedSession) -> None:
    stepping = PlannedSession(**{**vars(session), "quirks": Quirks(steps_back=True)})
    truth, shown = session.points_by(session.end), stepping.points_by(session.end)
    lower = [later.energy_kwh - earlier.energy_kwh for earlier, later in zip(truth, shown, strict=True)]
    assert sum(difference != 0 for difference in lower) == 1
    assert min(lower) == pytest.approx(-0.005)
    assert shown[-1] == truth[-1]


def test_a_wrong_end_leaves_the_session_open_and_its_energy_right(session: PlannedSession) -> None:
    wrong = PlannedSession(**{**vars(session), "reported_end": session.end + timedelta(hours=20)})
    later = session.end + timedelta(hours=10)
    assert wrong.is_open(later)
    assert not session.is_open(later)
    assert wrong.energy_kwh_by(wrong.reading_at(later)) == session.energy_kwh
    assert wrong.power_kw_at(wrong.reading_at(later)) == 0


def test_cost_grows_with_the_counter_and_stops_with_it(session: PlannedSession) -> None:
    costs = [session.cost_by(START + timedelta(hours=hours)) for hours in range(9)]
    assert costs == sorted(costs)
    assert costs[0] == 0
    assert costs[-1] == pytest.approx(session.energy_kwh * 0.09, abs=0.01)


def test_a_cut_session_ends_with_what_it_had(session: PlannedSession) -> None:
    instant = START + timedelta(hours=1)
    cut = session.cut_at(instant)
    assert cut.energy_kwh == session.energy_kwh_by(instant)
    assert cut.points_by(session.end)[-1].at == instant
    assert not cut.is_open(instant)


@given(st.integers(0, 10**9), st.sampled_from(["scheduled", "public", "plug_in"]))
def test_an_id_tells_when_it_was_given(seconds: int, kind: str) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert start_of_id(session_id_at(start, kind)) == start  # type: ignore[arg-type]


def test_charges_without_spread_have_one_level() -> None:
    charger, end = Charger(DEFAULT_ZONE, 40), START + timedelta(hours=6)
    plans = [
        plan_session(charger, "scheduled", TIDE, START, end, 45.0, Random(seed), spread=0.0)
        for seed in range(8)
    ]
    assert {plan.curve.bursts[0].plateau_kw for plan in plans} == {TIDE.plateau_kw(40)}
