"""What is shown of the charger, when that is written, and when a run may be tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.answers import ChargerStatus
from cph50_pipeline.charging.watching import (
    Attempt,
    LastSession,
    Observation,
    is_worth_writing,
    last_session,
    may_start,
    state_differs,
)
from cph50_pipeline_tests.unit.charging.builders import PACIFIC, answer, open_answer, status

NOW = datetime(2025, 11, 4, 8, 30, 1, 500_000, tzinfo=UTC)


def charger(is_plugged_in: bool = True, charging_status: str | None = "CHARGING") -> ChargerStatus:
    return ChargerStatus(is_plugged_in=is_plugged_in, is_connected=True, charging_status=charging_status)


def running(**fields: Any) -> Any:
    return status(
        **open_answer(**{"power_kw": 7.2, "energy_kwh": 3.5, "session_time": 29 * 60_000 + 59_999, **fields})
    )


def shown(seen: Observation, before: LastSession | None = None) -> LastSession:
    return last_session(seen, before, PACIFIC)


CHARGING = Observation(NOW, charger(), running(), "ember", 0.9)
EMPTY = Observation(NOW, charger(is_plugged_in=False, charging_status="AVAILABLE"), None)


def test_a_running_session_is_shown_with_its_power_energy_time_and_car() -> None:
    assert shown(CHARGING) == LastSession(
        timestamp="2025-11-04T08:30:01+00:00",
        detected_at="2025-11-04 00:30:01 PST",
        power_kw=7.2,
        energy_kwh=3.5,
        duration_minutes=29,
        vehicle_id="ember",
        vehicle_confidence=0.9,
        connected=True,
        charging=True,
    )


def test_after_a_session_its_figures_stay_and_no_power_is_shown() -> None:
    state = shown(EMPTY, before=shown(CHARGING))
    assert (state.connected, state.charging, state.power_kw) == (False, False, None)
    assert (state.energy_kwh, state.duration_minutes) == (3.5, 29)
    assert (state.vehicle_id, state.vehicle_confidence) == ("ember", 0.9)


def test_before_any_session_nothing_is_made_up() -> None:
    state = shown(EMPTY)
    assert (state.energy_kwh, state.duration_minutes, state.vehicle_id) == (None, None, None)


def test_a_new_session_does_not_inherit_the_car_of_the_one_before() -> None:
    state = shown(Observation(NOW, charger(), running(session_id="502")), before=shown(CHARGING))
    assert (state.vehicle_id, state.vehicle_confidence) == (None, None)


def test_a_car_that_waits_at_the_charger_is_connected_and_not_charging() -> None:
    state = shown(Observation(NOW, charger(charging_status="WAITING"), running(power_kw=0.0)))
    assert (state.connected, state.charging, state.power_kw) == (True, False, None)


def test_a_session_that_has_ended_is_not_charging_whatever_the_charger_still_says() -> None:
    assert not shown(Observation(NOW, charger(), status(**answer(power_kw=7.2)))).charging


@pytest.mark.parametrize(("power_kw", "is_charging"), [(7.2, True), (0.0, False), (None, False)])
def test_without_a_home_charger_power_says_whether_the_session_charges(
    power_kw: float | None, is_charging: bool
) -> None:
    state = shown(Observation(NOW, None, running(power_kw=power_kw)))
    assert (state.connected, state.charging) == (True, is_charging)


def test_a_session_at_a_public_station_is_judged_by_its_own_power() -> None:
    at_home = charger(is_plugged_in=False, charging_status="AVAILABLE")
    assert shown(Observation(NOW, at_home, running(is_home_charger=False))).charging


@pytest.mark.parametrize(
    ("change", "is_a_change"),
    [
        ({"connected": False}, True),
        ({"charging": False}, True),
        ({"vehicle_id": "tide"}, True),
        ({"energy_kwh": 9.9, "power_kw": 1.0, "duration_minutes": 99, "vehicle_confidence": 0.1}, False),
        ({"timestamp": "2025-11-04T09:00:00+00:00"}, False),
    ],
)
def test_a_change_is_of_connection_charging_or_car(change: dict[str, object], is_a_change: bool) -> None:
    before = shown(CHARGING)
    assert state_differs(before, before.model_copy(update=change)) is is_a_change


def test_the_first_state_is_a_change() -> None:
    assert state_differs(None, shown(EMPTY))
    assert is_worth_writing(None, shown(EMPTY))


@pytest.mark.parametrize(("seconds", "is_due"), [(0, False), (599, False), (600, True), (6000, True)])
def test_an_unchanged_state_is_written_again_after_ten_minutes(seconds: int, is_due: bool) -> None:
    later = Observation(NOW + timedelta(seconds=seconds), charger(), running(), "ember", 0.9)
    assert is_worth_writing(shown(CHARGING), shown(later)) is is_due


def test_a_changed_state_is_written_at_once() -> None:
    assert is_worth_writing(shown(CHARGING), shown(EMPTY, before=shown(CHARGING)))


def test_a_state_that_cannot_be_dated_is_replaced() -> None:
    assert is_worth_writing(shown(CHARGING).model_copy(update={"timestamp": "yesterday"}), shown(CHARGING))


def test_fields_that_others_added_to_the_file_do_not_disturb() -> None:
    document = {**shown(CHARGING).model_dump(), "note": "by hand"}
    assert LastSession.model_validate(document) == shown(CHARGING)


def ended(outcome: Literal["success", "failure"], minutes_ago: float) -> Attempt:
    return Attempt(outcome, NOW - timedelta(minutes=minutes_ago))


def failed(times: int, minutes_ago: float) -> list[Attempt]:
    return [ended("failure", minutes_ago)] * times


def test_what_was_never_tried_may_start() -> None:
    assert may_start([], NOW)


def test_nothing_starts_beside_a_run_in_flight() -> None:
    assert not may_start([Attempt("running", None), *failed(1, 90)], NOW)
    assert not may_start([*failed(1, 90), Attempt("running", None)], NOW)


@pytest.mark.parametrize(("failures", "is_prompt"), [(1, True), (2, True), (3, True), (4, False), (9, False)])
def test_a_failed_run_is_tried_again_three_times_at_once(failures: int, is_prompt: bool) -> None:
    assert may_start(failed(failures, minutes_ago=0), NOW) is is_prompt


@pytest.mark.parametrize(("minutes_ago", "may"), [(59, False), (60, True), (600, True)])
def test_after_that_it_is_tried_every_hour(minutes_ago: float, may: bool) -> None:
    assert may_start(failed(5, minutes_ago), NOW) is may


def test_a_success_begins_the_count_of_failures_again() -> None:
    assert may_start([ended("failure", 0), ended("success", 1), *failed(5, 2)], NOW)


@pytest.mark.parametrize(("minutes_ago", "may"), [(0, False), (4.9, False), (5, True)])
def test_a_success_that_left_the_wish_standing_is_repeated_after_five_minutes(
    minutes_ago: float, may: bool
) -> None:
    assert may_start([ended("success", minutes_ago)], NOW) is may


def test_a_failure_without_an_end_holds_nothing_back() -> None:
    assert may_start([Attempt("failure", None)] * 5, NOW)


ATTEMPTS = st.lists(
    st.builds(ended, st.sampled_from(["success", "failure"]), st.floats(0, 300)), max_size=10
).map(lambda attempts: sorted(attempts, key=lambda attempt: attempt.ended_at or NOW, reverse=True))


@given(ATTEMPTS)
def test_whatever_happened_a_wish_is_never_held_back_for_more_than_an_hour(attempts: list[Attempt]) -> None:
    assert may_start(attempts, NOW + timedelta(hours=1))


@given(ATTEMPTS, st.floats(0, 100), st.floats(0, 100))
def test_waiting_longer_never_takes_a_permission_away(
    attempts: list[Attempt], minutes: float, more_minutes: float
) -> None:
    soon = NOW + timedelta(minutes=minutes)
    assert may_start(attempts, soon + timedelta(minutes=more_minutes)) >= may_start(attempts, soon)
