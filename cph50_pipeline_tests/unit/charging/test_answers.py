"""Answers are typed, keep what they do not declare, and say precisely what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.charging.answers import (
    ActiveSession,
    ActivityPage,
    ActivityRow,
    ChargerStatus,
    ChargingStatus,
    Discovery,
    read_answer,
    read_session,
)
from cph50_pipeline.errors import BadInputError

ROW = {"session_id": 1234567890, "start_time": 1_700_000_000_000, "energy_kwh": 7.25}


def test_undeclared_fields_are_answered_again() -> None:
    answer = {**ROW, "purpose": "PERSONAL", "utility": {"plans": [{"code": "TOU"}]}}
    again = read_session(ActivityRow, answer).as_answered()
    assert again == {**answer, "session_id": "1234567890"}


def test_fields_in_camel_case_keep_their_names() -> None:
    answer = {
        "isPluggedIn": True,
        "isConnected": False,
        "chargeAmperageSettings": {"chargeLimit": 40, "possibleChargeLimit": [16, 40], "inProgress": False},
        "plugInReminderTime": "0:00",
    }
    status = read_answer(ChargerStatus, answer, "a charger")
    assert status.amperage_limit == 40
    assert status.as_answered() == answer


def test_a_charger_without_amperage_settings_has_no_limit() -> None:
    status = read_answer(ChargerStatus, {"isPluggedIn": True, "isConnected": True}, "a charger")
    assert status.amperage_limit is None


@pytest.mark.parametrize("start", [1_700_000_000, 1_700_000_000_000])
def test_the_start_of_a_session_in_progress_may_come_in_seconds_or_milliseconds(start: int) -> None:
    session = read_answer(ActiveSession, {"sessionId": 5, "startTimeUTC": start}, "the session in progress")
    assert session.start == datetime.fromtimestamp(1_700_000_000, tz=UTC)


def test_a_session_in_progress_may_lack_its_state_and_start() -> None:
    session = read_answer(ActiveSession, {"sessionId": 5}, "the session in progress")
    assert (session.session_id, session.state, session.start, session.charger_label) == (
        "5",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"energy_kwh": "seven"}, "energy_kwh"),
        ({"energy_kwh": None}, "energy_kwh"),
        ({"energy_kwh": True}, "energy_kwh"),
        ({"energy_kwh": float("nan")}, "energy_kwh"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": -1}, "start_time"),
        ({"start_time": 10**18}, "start_time"),
        ({"update_data": [{"energy_kwh": 1.0}]}, "update_data.0.timestamp"),
        ({"update_data": "none"}, "update_data"),
    ],
)
def test_a_wrong_field_is_named_with_its_session(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read_session(ChargingStatus, {**ROW, **change})
    assert "session 1234567890" in caught.value.message
    assert f"{field}: " in caught.value.message


def test_every_missing_field_is_named_at_once() -> None:
    with pytest.raises(
        BadInputError, match=r"session 9 .*start_time: field required; energy_kwh: field required"
    ):
        read_session(ActivityRow, {"session_id": 9})


def test_values_are_never_quoted_in_the_error() -> None:
    with pytest.raises(BadInputError) as caught:
        read_session(
            ActivityRow, {**ROW, "session_id": ["canary"], "energy_kwh": "canary", "address1": "canary"}
        )
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_page_without_an_offset_is_no_page() -> None:
    with pytest.raises(BadInputError, match=r"the charging activity .*page_offset"):
        read_answer(ActivityPage, {"month_info": []}, "the charging activity")


def test_an_account_without_sessions_has_an_empty_last_page() -> None:
    page = read_answer(ActivityPage, {"page_offset": "last_page"}, "the charging activity")
    assert page.is_last
    assert page.month_info == []


@pytest.mark.parametrize("value", ["https://a.example/x", "https://a.example/x/"])
@pytest.mark.parametrize("wrap", [lambda value: {"value": value}, lambda value: value])
def test_addresses_end_in_one_slash_however_they_are_answered(value: str, wrap: Any) -> None:
    discovery = read_answer(
        Discovery, {"region": "NA-US", "endPoints": {"sso_endpoint": wrap(value)}}, "discovery"
    )
    assert discovery.address("sso_endpoint") == "https://a.example/x/"
    assert discovery.address("other_endpoint") is None


def test_a_region_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(BadInputError, match="region"):
        read_answer(Discovery, {"region": "NA\r\nx: y", "endPoints": {}}, "discovery")


def test_real_answers_are_read_and_answered_again_unchanged(real_answers: Path) -> None:
    for path in sorted((real_answers / "status").glob("*.json")):
        answer = json.loads(path.read_text())["charging_status"]
        status = read_session(ChargingStatus, answer)
        assert status.as_answered() == {**answer, "session_id": path.stem}
