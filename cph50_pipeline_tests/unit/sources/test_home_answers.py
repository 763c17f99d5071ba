"""Home Assistant's answers as rows: every shape they come in, and rows that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.sources.home_answers import read_history, read_state, read_statistics
from cph50_pipeline.sources.home_source import StateRow

POWER, SOLAR = "sensor.home_power", "sensor.solar_power"
START = datetime(2026, 1, 20, 12, tzinfo=UTC)
END = START + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def full(minute: int, state: object, unit: str | None = "W", **changes: Any) -> dict[str, Any]:
    at = (START + minute * MINUTE).isoformat()
    attributes = {} if unit is None else {"unit_of_measurement": unit}
    return {
        "entity_id": POWER,
        "state": state,
        "attributes": attributes,
        "last_changed": at,
        "last_updated": at,
        **changes,
    }


def short(minute: int, state: str) -> dict[str, Any]:
    return {"state": state, "last_changed": (START + minute * MINUTE).isoformat()}


def row(minute: int, state: str, unit: str | None = "W") -> StateRow:
    return StateRow(POWER, START + minute * MINUTE, state, unit)


def rows(*answer: dict[str, Any]) -> list[StateRow]:
    return read_history([list(answer)], [POWER], START, END).rows


def test_whole_rows_carry_their_own_unit() -> None:
    assert rows(full(0, "1"), full(5, "2"), full(9, "3", "kW")) == [
        row(0, "1"),
        row(5, "2"),
        row(9, "3", "kW"),
    ]


def test_short_rows_have_the_unit_of_the_row_before() -> None:
    assert rows(full(0, "1"), short(5, "2"), full(9, "3", "kW"), short(10, "4")) == [
        row(0, "1"),
        row(5, "2"),
        row(9, "3", "kW"),
        row(10, "4", "kW"),
    ]


def test_a_row_without_attributes_is_of_an_unknown_unit() -> None:
    assert rows(full(0, "1", None), short(5, "2")) == [row(0, "1", None), row(5, "2", None)]


def test_the_last_update_goes_before_the_last_change() -> None:
    assert rows(full(7, "1", last_changed=START.isoformat())) == [row(7, "1")]


@pytest.mark.parametrize("name", ["last_changed", "last_updated"])
@pytest.mark.parametrize("value", [None, "", "soon", 17, "2026-01-20T12:07:00"])
def test_one_usable_time_is_enough(name: str, value: object) -> None:
    assert rows(full(7, "1", **{name: value})) == [row(7, "1")]
    missing = full(7, "1")
    del missing[name]
    assert rows(missing) == [row(7, "1")]


def test_rows_without_a_usable_time_are_left_out_and_counted() -> None:
    answer = [[full(0, "1"), {"state": "2"}, {"state": "3", "last_changed": "soon"}, "text", full(9, "4")]]
    heard = read_history(answer, [POWER], START, END)
    assert heard.rows == [row(0, "1"), row(9, "4")]
    [notice] = heard.notices
    assert notice.entity == POWER
    assert "3 of 5" in notice.message


def test_what_stood_before_the_start_stands_at_the_start() -> None:
    assert rows(full(-9, "1"), full(-1, "2"), full(3, "3")) == [row(0, "2"), row(3, "3")]


def test_what_came_exactly_at_the_ends_belongs_to_the_span_and_what_came_later_does_not() -> None:
    assert rows(full(-1, "1"), full(0, "2"), full(60, "3"), full(61, "4")) == [row(0, "2"), row(60, "3")]


def test_of_two_states_at_one_instant_the_later_listed_stands() -> None:
    assert rows(full(5, "1"), full(5, "2")) == [row(5, "2")]


def test_a_clock_that_went_back_disturbs_the_order_of_the_answer_and_not_of_the_rows() -> None:
    assert rows(full(30, "1"), full(10, "2"), full(40, "3")) == [row(10, "2"), row(30, "1"), row(40, "3")]


@pytest.mark.parametrize(
    ("state", "text"), [(1, "1"), (2.5, "2.5"), ("", ""), ("unavailable", "unavailable")]
)
def test_a_state_is_a_text_whatever_it_came_as(state: object, text: str) -> None:
    assert rows(full(1, state)) == [row(1, text)]


def test_a_state_carries_since_when_it_stands() -> None:
    assert read_state(full(7, "412.5"), POWER) == row(7, "412.5")
    with pytest.raises(BadInputError, match="no usable time"):
        read_state({"state": "412.5"}, POWER)


@pytest.mark.parametrize("state", [None, True, {}, []])
def test_what_is_no_state_is_left_out(state: object) -> None:
    assert rows(full(1, state)) == []


def test_lists_are_matched_by_their_first_row_and_not_by_their_place() -> None:
    solar = {**full(0, "0"), "entity_id": SOLAR}
    heard = read_history([[solar], [full(0, "1")]], [POWER, "sensor.none", SOLAR], START, END)
    assert [one.entity for one in heard.rows] == [POWER, SOLAR]


@pytest.mark.parametrize(
    "listed", [[], "text", [{}], [short(1, "2")], [{**full(0, "1"), "entity_id": "sensor.x"}]]
)
def test_a_list_of_nobody_is_left_out_and_named(listed: object) -> None:
    heard = read_history([listed, [full(0, "1")]], [POWER, SOLAR], START, END)
    assert heard.rows == [row(0, "1")]
    assert [notice.kind for notice in heard.notices] == ["unusable"]


def test_a_list_without_a_name_is_of_the_one_that_was_asked_for() -> None:
    assert rows(short(1, "2"), short(2, "3")) == [row(1, "2", None), row(2, "3", None)]


@pytest.mark.parametrize("answer", [None, {}, "text", 3])
def test_what_is_no_history_is_bad_input(answer: object) -> None:
    with pytest.raises(BadInputError, match="2026-01-20T12"):
        read_history(answer, [POWER], START, END)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["entity_id", "state", "attributes", "last_changed", "last_updated", "start", "end", "mean"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values, json_values)
@example({POWER: [{"start": 1e300, "end": 0}]}, [])
@example({POWER: [{"start": 0, "end": 1}]}, [{"statistic_id": POWER, "unit_class": ["power"]}])
@example([[{"state": "1", "last_updated": "0001-01-01T00:00:00+14:00"}]], [])
def test_no_answer_fails_in_another_way_than_as_bad_input(answer: object, described: object) -> None:
    for read in (
        lambda: read_history(answer, [POWER], START, END),
        lambda: read_state(answer, POWER),
        lambda: read_statistics(answer, described, [POWER, "mean"]),
    ):
        try:
            read()
        except BadInputError:
            continue


def described(**changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "statistic_id": POWER,
            "unit_class": "power",
            "display_unit_of_measurement": "MW",
            "statistics_unit_of_measurement": "W",
            **changes,
        }
    ]


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, "kW"),
        ({"unit_class": "energy"}, "kWh"),
        ({"unit_class": "unitless"}, "MW"),
        ({"unit_class": None}, "W"),
        ({"unit_class": None, "statistics_unit_of_measurement": None}, None),
    ],
)
def test_statistics_are_in_the_unit_asked_for_where_it_can_be_converted(
    changes: dict[str, Any], unit: str | None
) -> None:
    answer = {POWER: [{"start": 0, "end": 3_600_000, "mean": 1.0}]}
    [one] = read_statistics(answer, described(**changes), [POWER])
    assert one.unit == unit


@pytest.mark.parametrize(
    "answer",
    [None, [], {POWER: 3}, {POWER: [3]}, {POWER: [{"start": "x", "end": 1}]}, {POWER: [{"start": 1}]}],
)
def test_what_are_no_statistics_is_bad_input(answer: object) -> None:
    with pytest.raises(BadInputError, match="statistics"):
        read_statistics(answer, [], [POWER])


def test_a_row_of_statistics_has_what_the_entity_has() -> None:
    answer = {
        POWER: [
            {"start": 0, "end": 3_600_000, "mean": None, "state": 5, "change": 0.5},
            {"start": 1, "end": 2},
        ]
    }
    first, second = read_statistics(answer, [], [POWER, SOLAR])
    assert (first.mean, first.state, first.change) == (None, 5.0, 0.5)
    assert first.end - first.start == timedelta(hours=1)
    assert (second.mean, second.state, second.change, second.unit) == (None, None, None, None)
