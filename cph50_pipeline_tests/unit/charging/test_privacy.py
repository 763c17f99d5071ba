"""What is scrubbed from an answer, and what stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging import privacy
from cph50_pipeline.charging.privacy import (
    IDENTIFYING_ENDINGS,
    IDENTIFYING_WORDS,
    KEPT_FIELDS,
    charger_label,
    is_identifying,
    scrub,
)

CANARY = "canary-7f3a"
ROW = {
    "session_id": 1234567890,
    "session_id_string": "1234567890",
    "start_time": 1_700_000_000_000,
    "energy_kwh": 7.25,
    "power_kw": 0.0,
    "total_amount": 0.64,
    "total_amount_to_user": 0.0,
    "organization_currency": "USD",
    "is_home_charger": True,
    "outlet_number": 1,
    "device_id": 555,
    "device_name": CANARY,
    "address1": CANARY,
    "lat": 36.5,
    "lon": -109.5,
    "zipcode": CANARY,
    "company_id": 9,
    "vehicle_id": 3,
    "utility": {"id": 1, "name": "A Utility", "plans": [{"id": 2, "code": "TOU", "name": "Night plan"}]},
    "vehicle_info": {"vehicle_id": 3, "make": "M", "model": "X", "year": 2023, "vin": CANARY},
}
IDENTIFYING_FIELDS = sorted(
    {
        *IDENTIFYING_WORDS,
        *(f"home_{ending}" for ending in IDENTIFYING_ENDINGS),
        "macAddress",
        "wifiMac",
        "deviceIp",
        "serialNumber",
        "VIN",
        "vehicleVIN",
        "streetAddress",
        "address1",
        "stationNickname",
        "macaddress",
        "serialnumber",
        "home_charger_id",
        "account_number",
    }
)

identifying_values = st.one_of(
    st.just(CANARY),
    st.lists(st.just(CANARY), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["line", "energy_kwh", "session_id"]), st.just(CANARY), min_size=1),
)
harmless_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.just("text")
)
harmless_fields = st.sampled_from(["energy_kwh", "utility", "vehicle_info", "update_data", "stations", "foo"])


def parts(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    planted = st.dictionaries(st.sampled_from(IDENTIFYING_FIELDS), identifying_values, max_size=3)
    nested = st.dictionaries(harmless_fields, st.one_of(children, st.lists(children, max_size=2)), max_size=3)
    return st.builds(lambda one, other: {**one, **other}, planted, nested)


answers = st.recursive(parts(harmless_values), parts, max_leaves=12)


def keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys_of(item) for key, item in value.items() if key != "charger_label"}
    if isinstance(value, list):
        return [keys_of(item) for item in value]
    return None


@given(answers)
def test_no_planted_canary_survives_at_any_depth(answer: dict[str, Any]) -> None:
    assert CANARY not in json.dumps(scrub(answer, "public"))


@given(answers)
def test_every_key_stays_where_it_was(answer: dict[str, Any]) -> None:
    assert keys_of(scrub(answer, "public")) == keys_of(answer)


@given(answers, st.sampled_from(["public", "private"]))
def test_scrubbing_twice_changes_nothing_more(answer: dict[str, Any], setting: str) -> None:
    once = scrub(answer, setting)
    assert scrub(once, setting) == once


@given(answers)
def test_private_answers_keep_every_value(answer: dict[str, Any]) -> None:
    kept = scrub(answer, "private")
    for key, value in answer.items():
        if not isinstance(value, (dict, list)):
            assert kept[key] == value
    assert json.dumps(kept).count(CANARY) == json.dumps(answer).count(CANARY)


@given(answers)
def test_the_answer_itself_is_left_alone(answer: dict[str, Any]) -> None:
    before = json.dumps(answer)
    scrub(answer, "public")
    assert json.dumps(answer) == before


def test_what_is_worth_keeping_is_kept() -> None:
    scrubbed = scrub(ROW, "public")
    identifying = {
        *("device_id", "device_name", "address1", "lat", "lon", "zipcode", "company_id", "vehicle_id"),
        "vehicle_info",
    }
    assert {key: scrubbed[key] for key in ROW if key not in identifying} == {
        key: value for key, value in ROW.items() if key not in identifying
    }
    assert scrubbed["vehicle_info"] == {
        "vehicle_id": None,
        "make": "M",
        "model": "X",
        "year": 2023,
        "vin": None,
    }


def test_chargers_are_told_apart_by_a_label_that_does_not_hold_their_id() -> None:
    one, other = scrub({"device_id": 555}, "public"), scrub({"deviceId": 556}, "public")
    assert one["charger_label"] != other["charger_label"]
    assert one["charger_label"] == scrub({"charger_id": "555"}, "private")["charger_label"]
    assert "555" not in json.dumps(one)


def test_a_part_that_names_a_device_gets_its_own_label() -> None:
    scrubbed = scrub({"stations": [{"deviceId": 555, "name": CANARY}]}, "public")
    assert scrubbed["stations"] == [{"deviceId": None, "name": None, "charger_label": charger_label(555)}]


@pytest.mark.parametrize("answer", [{}, {"device_id": None}, {"device_id": ""}, {"charger_label": CANARY}])
def test_without_a_device_the_label_is_null(answer: dict[str, Any]) -> None:
    assert scrub(answer, "public")["charger_label"] is None


@pytest.mark.parametrize("value", ["who@example.org", "02:00:5e:00:53:af", "1XXXX0EM8ER550042"])
def test_a_value_of_identifying_shape_is_nulled_under_any_name(value: str) -> None:
    assert scrub({"remark": f"seen {value} here"}, "public")["remark"] is None


@pytest.mark.parametrize("field", sorted(KEPT_FIELDS))
def test_each_exception_is_needed_and_holds_in_camel_case_too(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, *tail = field.split("_")
    assert not is_identifying(field)
    assert not is_identifying(head + "".join(word.title() for word in tail))
    monkeypatch.setattr(privacy, "KEPT_FIELDS", {})
    assert is_identifying(field)


def test_a_utility_keeps_its_name_but_not_the_contract() -> None:
    utility = {
        "name": "A Utility",
        "account": {"number": CANARY},
        "service_address": CANARY,
        "meter_id": CANARY,
    }
    scrubbed = scrub({"utility": utility}, "public")["utility"]
    assert scrubbed == {
        "name": "A Utility",
        "account": {"number": None},
        "service_address": None,
        "meter_id": None,
    }


def test_real_rows_lose_what_identifies_and_keep_their_numbers(real_answers: Path) -> None:
    for path in sorted((real_answers / "status").glob("*.json")):
        status = json.loads(path.read_text())["charging_status"]
        scrubbed = scrub(status, "public")
        nulled = {key for key, value in status.items() if value is not None and scrubbed[key] is None}
        assert nulled <= {
            *("address1", "city", "country", "lat", "lon", "state_name", "zipcode"),
            *("company_id", "company_name", "device_id", "device_name", "pricing_spec_id"),
        }
        assert {"address1", "device_id", "lat", "lon", "zipcode"} <= nulled
        assert scrubbed["update_data"] == status["update_data"]
