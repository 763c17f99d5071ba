from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.civil_time import month_of
from cph50_pipeline.simulator import answers as shapes
from cph50_pipeline.simulator.answers import LAST_PAGE, HouseholdAnswers
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.identity import IDENTIFYING_VALUES
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.simulator.sessions import PlannedSession

NOW = datetime(2025, 9, 15, 18, tzinfo=UTC)
SPAN = (datetime(2025, 1, 1, 8, tzinfo=UTC), NOW)


@pytest.fixture(scope="module")
def answers() -> HouseholdAnswers:
    return HouseholdAnswers(LiveHousehold(Household(), PlugInBook()))


@pytest.fixture(scope="module")
def planned(answers: HouseholdAnswers) -> list[PlannedSession]:
    return answers.household.plan.sessions_between(*SPAN)


def pages(answers: HouseholdAnswers, page_size: int, now: datetime = NOW) -> list[dict[str, Any]]:
    """All pages of the activity."""
    turned = [answers.activity(page_size, None, now)]
    while turned[-1]["page_offset"] != LAST_PAGE:
        turned.append(answers.activity(page_size, int(turned[-1]["page_offset"]), now))
    return turned


def rows(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for info in page["month_info"] for row in info["sessions"]]


@pytest.mark.parametrize("page_size", [1, 7, 30, 100])
def test_the_pages_hold_every_session_once_newest_first(
    answers: HouseholdAnswers, planned: list[PlannedSession], page_size: int
) -> None:
    turned = pages(answers, page_size)
    listed = [row["session_id"] for page in turned for row in rows(page)]
    assert listed == [session.session_id for session in reversed(planned)]
    assert all(len(rows(page)) == page_size for page in turned[:-1])


def test_the_largest_page_is_bounded(answers: HouseholdAnswers) -> None:
    assert len(rows(answers.activity(10_000, None, NOW))) == shapes.LARGEST_PAGE


def test_a_row_stands_in_the_month_of_its_local_start(answers: HouseholdAnswers) -> None:
    for page in pages(answers, 50):
        for info in page["month_info"]:
            for row in info["sessions"]:
                start = datetime.fromtimestamp(row["start_time"] / 1000, tz=UTC)
                month = month_of(start, answers.household.plan.zone)
                assert month == f"{info['year']}-{info['month']:02d}"


def test_a_month_may_span_pages(answers: HouseholdAnswers) -> None:
    months = [(info["year"], info["month"]) for page in pages(answers, 7) for info in page["month_info"]]
    assert len(months) > len(set(months))


def test_a_session_that_starts_between_two_pages_shifts_nothing(answers: HouseholdAnswers) -> None:
    first = answers.activity(10, None, NOW)
    offset = int(first["page_offset"])
    assert answers.activity(10, offset, NOW) == answers.activity(10, offset, NOW + timedelta(days=3))


def test_every_answer_fits_the_pipelines_own_types(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    for page in pages(answers, 100):
        for row in rows(page):
            ActivityRow.model_validate(row)
    for session in planned:
        status = answers.charging_status(session.session_id, NOW)
        assert status is not None
        assert ChargingStatus.model_validate(status).update_data[-1].energy_kwh == status["energy_kwh"]


def test_row_and_status_agree(answers: HouseholdAnswers) -> None:
    for row in rows(answers.activity(100, None, NOW)):
        status = answers.charging_status(row["session_id"], NOW)
        assert status is not None
        shared = row.keys() & status.keys()
        assert {"energy_kwh", "start_time", "session_time", "total_amount"} <= shared
        assert {key: row[key] for key in shared} == {key: status[key] for key in shared}


def test_a_running_session_has_no_end_and_grows(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    session = next(one for one in planned if one.kind == "scheduled" and one.energy_kwh > 30)
    early, late = session.start + timedelta(hours=1), session.start + timedelta(hours=2)
    first = answers.charging_status(session.session_id, early)
    second = answers.charging_status(session.session_id, late)
    newest = rows(answers.activity(1, None, late))[0]
    assert first is not None
    assert second is not None
    assert "end_time" not in first
    assert first["current_charging"] == newest["current_charging"] == "in_use"
    assert 0 < first["energy_kwh"] < second["energy_kwh"]
    assert newest["session_id"] == session.session_id
    assert answers.user_status(late)["charging"]["sessionId"] == session.session_id
    assert answers.charger_status(late)["chargingStatus"] == "CHARGING"


def test_between_sessions_nothing_is_charging(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    last_end = max(session.reported_end for session in planned if session.start < NOW)
    following = answers.household.plan.sessions_between(NOW, NOW + timedelta(days=4))
    assert last_end < NOW < following[0].start, "choose another NOW"
    assert answers.user_status(NOW) == {}
    assert answers.charger_status(NOW)["isPluggedIn"] is False


def test_a_finished_session_is_done_and_frozen(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    for session in planned:
        status = answers.charging_status(session.session_id, session.reported_end)
        assert status == answers.charging_status(session.session_id, NOW + timedelta(days=900))
        assert status is not None
        assert status["current_charging"] == "done"
        assert status["session_time"] == (session.end - session.start) / timedelta(milliseconds=1)


def test_a_session_that_has_not_begun_is_unknown(answers: HouseholdAnswers) -> None:
    tomorrow = answers.household.plan.sessions_between(NOW, NOW + timedelta(days=4))[0]
    assert answers.charging_status(tomorrow.session_id, NOW) is None
    assert answers.charging_status(12, NOW) is None


def test_the_offset_is_the_zones_at_the_start(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    statuses = [answers.charging_status(session.session_id, NOW) for session in planned]
    offsets = {(status or {})["start_offset"] for status in statuses}
    assert offsets == {-25200, -28800}


def test_every_identifying_value_is_answered_somewhere(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    statuses = [answers.charging_status(session.session_id, NOW) for session in planned]
    told = json.dumps(
        [
            statuses,
            answers.charger_status(NOW),
            shapes.technical_info(NOW),
            shapes.configuration(),
            shapes.profile(""),
        ]
    )
    assert [value for value in IDENTIFYING_VALUES if value not in told] == []


def test_every_session_names_the_accounts_primary_car(
    answers: HouseholdAnswers, planned: list[PlannedSession]
) -> None:
    statuses = [answers.charging_status(session.session_id, NOW) for session in planned]
    assert len({session.car for session in planned}) == 2
    assert len({json.dumps((status or {})["vehicle_info"]) for status in statuses}) == 1
