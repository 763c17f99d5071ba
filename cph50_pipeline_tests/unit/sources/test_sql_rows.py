"""What rows of a fleet's database come to: values with their own times, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.live.model import Value
from cph50_pipeline.sources.devices_file import DevicesConfig
from cph50_pipeline.sources.sql_rows import RowJudge

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
WIDE = ["unit", "at", "rpm", "gear", "brake"]
LONG = ["unit", "at", "name", "value"]
SENSORS: dict[str, Any] = {
    "rpm": {"column": "rpm", "unit": "rpm", "range": [0, 4000]},
    "gear": {"column": "gear", "kind": "text"},
    "brake": {"column": "brake", "kind": "boolean"},
}


def config(**changes: Any) -> DevicesConfig:
    document = {
        "query": "SELECT * FROM t WHERE unit IN :unit_ids",
        "unit_column": "unit",
        "time_column": "at",
        "time_kind": "utc",
        "sensors": SENSORS,
        "devices": {"truck_1": {"unit_id": 1, "name": "One"}, "truck_2": {"unit_id": 2, "name": "Two"}},
    }
    return DevicesConfig.model_validate({**document, **changes})


def long_config(**sensor: Any) -> DevicesConfig:
    sensors = {"rpm": {"name": "engine rpm", "unit": "rpm", **sensor}, "gear": {"name": "g", "kind": "text"}}
    return config(name_column="name", value_column="value", sensors=sensors)


def judged(rows: Sequence[Sequence[object]], said: DevicesConfig, columns: Sequence[str] = WIDE) -> RowJudge:
    judge = RowJudge(said, "devices.yaml", said.devices, columns, NOW)
    for row in rows:
        judge.take(row)
    return judge


def values(judge: RowJudge) -> dict[tuple[str, str], Value]:
    return {(reading.device_id, reading.sensor): reading.value for reading in judge.readings()}


def minutes_ago(minutes: float) -> datetime:
    return (NOW - timedelta(minutes=minutes)).replace(tzinfo=None)


def test_a_row_gives_a_reading_a_sensor_with_its_own_time_and_unit() -> None:
    judge = judged([(1, minutes_ago(1), 704, "D", 1)], config())

    assert values(judge) == {("truck_1", "rpm"): 704.0, ("truck_1", "gear"): "D", ("truck_1", "brake"): True}
    assert {reading.at for reading in judge.readings()} == {NOW - timedelta(minutes=1)}
    assert {reading.sensor: reading.unit for reading in judge.readings()} == {
        "rpm": "rpm",
        "gear": None,
        "brake": None,
    }
    assert judge.troubles() == {}


def test_zero_and_false_are_values_and_null_is_none() -> None:
    judge = judged([(1, minutes_ago(1), 0, None, 0), (2, minutes_ago(1), None, " ", None)], config())

    assert values(judge) == {("truck_1", "rpm"): 0.0, ("truck_1", "brake"): False}
    assert judge.heard == {"truck_1", "truck_2"}
    assert judge.troubles() == {}


def test_a_null_in_the_newest_row_replaces_no_value_of_one_before() -> None:
    rows = [(1, minutes_ago(1), None, None, None), (1, minutes_ago(2), 704, None, None)]

    [reading] = judged(rows, config()).readings()
    assert (reading.value, reading.at) == (704.0, NOW - timedelta(minutes=2))


@given(st.permutations(range(6)))
def test_the_newest_row_wins_in_whatever_order_rows_come(order: list[int]) -> None:
    judge = judged([(1, minutes_ago(age), 100 + age, None, None) for age in order], config())

    assert values(judge) == {("truck_1", "rpm"): 100.0}


def test_units_are_matched_whatever_type_the_database_gives_them() -> None:
    rows = [(Decimal("1"), minutes_ago(1), 10, None, None), ("2", minutes_ago(1), 20, None, None)]

    assert values(judged(rows, config())) == {("truck_1", "rpm"): 10.0, ("truck_2", "rpm"): 20.0}


def test_rows_of_units_that_nobody_asked_for_are_passed_over() -> None:
    judge = judged([(3, minutes_ago(1), 10, None, None), (None, minutes_ago(1), 10, None, None)], config())

    assert (judge.readings(), judge.troubles(), judge.heard) == ([], {}, set())


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("abc", "'abc' is no number"),
        (True, "True is no number"),
        (b"\x01", "is no number"),
        (float("nan"), "nan is no number"),
        ("inf", "'inf' is no number"),
        ("1_000", "'1_000' is no number"),
        (10**400, "is no number"),
        (NOW, "is no number"),
        (4001, "4001 is outside 0 to 4000"),
        (-0.5, "-0.5 is outside 0 to 4000"),
        ("x\n" * 400, "…"),
    ],
)
def test_a_value_that_is_none_is_left_out_in_one_line_and_the_others_are_read(raw: object, said: str) -> None:
    rows = [(1, minutes_ago(1), raw, "D", None), (2, minutes_ago(1), 20, None, None)]
    judge = judged(rows, config())

    assert values(judge) == {("truck_1", "gear"): "D", ("truck_2", "rpm"): 20.0}
    assert [*judge.troubles()] == ["truck_1"]
    line = judge.troubles()["truck_1"]
    assert line.startswith("rpm: ")
    assert said in line
    assert "\n" not in line
    assert len(line) < 200


@pytest.mark.parametrize("raw", [7, b"D", "D" * 501, NOW])
def test_what_is_no_text_is_no_value_of_a_text_sensor(raw: object) -> None:
    assert "gear: " in judged([(1, minutes_ago(1), None, raw, None)], config()).troubles()["truck_1"]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (True, True),
        (1, True),
        (0.0, False),
        (Decimal("0"), False),
        (b"\x01", True),
        (b"\x00", False),
        ("On", True),
        ("false", False),
        (2, None),
        ("maybe", None),
        (b"1", None),
    ],
)
def test_a_switch_is_on_off_or_neither(raw: object, value: bool | None) -> None:
    judge = judged([(1, minutes_ago(1), None, None, raw)], config())

    assert values(judge).get(("truck_1", "brake")) is value
    assert bool(judge.troubles()) == (value is None)


def test_scale_comes_before_offset_and_range_is_of_what_follows() -> None:
    celsius = {"column": "rpm", "unit": "°C", "scale": 5 / 9, "offset": -160 / 9, "range": [-40, 120]}
    rows = [(1, minutes_ago(1), 212, None, None), (2, minutes_ago(1), Decimal("32.0"), None, None)]
    judge = judged(rows, config(sensors={"coolant": celsius}))

    assert values(judge) == {("truck_1", "coolant"): 100.0, ("truck_2", "coolant"): 0.0}


def test_of_long_rows_each_is_one_value_and_text_may_hold_a_number() -> None:
    rows = [
        (1, minutes_ago(1), "engine rpm", "704.5"),
        (1, minutes_ago(2), "engine rpm", 12.0),
        (1, minutes_ago(3), "g", "D"),
        (1, minutes_ago(3), "something else", "x"),
        (2, minutes_ago(1), "engine rpm", "0"),
        (2, minutes_ago(1), None, "0"),
    ]
    judge = judged(rows, long_config(), LONG)

    assert values(judge) == {
        ("truck_1", "rpm"): 704.5,
        ("truck_1", "gear"): "D",
        ("truck_2", "rpm"): 0.0,
    }
    assert judge.troubles() == {}


def test_what_was_wrong_before_a_good_value_is_not_spoken_of() -> None:
    wrong_then_good = [(1, minutes_ago(2), "engine rpm", "x"), (1, minutes_ago(1), "engine rpm", "7")]
    good_then_wrong = [(1, minutes_ago(2), "engine rpm", "7"), (1, minutes_ago(1), "engine rpm", "x")]

    for rows, is_said in [(wrong_then_good, False), (good_then_wrong, True)]:
        for order in (rows, rows[::-1]):
            judge = judged(order, long_config(), LONG)
            assert values(judge) == {("truck_1", "rpm"): 7.0}
            assert bool(judge.troubles()) == is_said


@pytest.mark.parametrize(
    ("kind", "raw", "at"),
    [
        ("epoch_seconds", 1_768_910_340, NOW - timedelta(minutes=1)),
        ("epoch_seconds", Decimal("1768910340.5"), NOW - timedelta(seconds=59.5)),
        ("epoch_seconds", "1768910340", NOW - timedelta(minutes=1)),
        ("epoch_ms", 1_768_910_340_000, NOW - timedelta(minutes=1)),
        ("utc", "2026-01-20 11:59:00", NOW - timedelta(minutes=1)),
        (
            "utc",
            datetime(2026, 1, 20, 13, 59, tzinfo=timezone(timedelta(hours=2))),
            NOW - timedelta(minutes=1),
        ),
        ("America/Chicago", datetime(2026, 1, 20, 5, 59), NOW - timedelta(minutes=1)),
        # A clock that is set back goes through an hour twice: it is the first, so nothing looks fresher than it is.
        ("America/Chicago", datetime(2025, 11, 2, 1, 30), datetime(2025, 11, 2, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_the_file_says(kind: str, raw: object, at: datetime) -> None:
    [reading] = judged([(1, raw, 7, None, None)], config(time_kind=kind)).readings()
    assert reading.at == at


@pytest.mark.parametrize(
    ("kind", "raw", "said"),
    [
        ("utc", NOW + timedelta(minutes=6), "a row of 2026-01-20T12:06:00+00:00, which is still to come"),
        ("utc", "0000-00-00 00:00:00", "a row whose time is '0000-00-00 00:00:00', no time in utc"),
        ("utc", 20_260_120, "no time in utc"),
        ("epoch_seconds", 1_768_910_340_000, "no time in epoch_seconds"),
        ("epoch_seconds", NOW, "no time in epoch_seconds"),
        ("epoch_seconds", float("nan"), "no time in epoch_seconds"),
        ("epoch_ms", date(2026, 1, 20), "no time in epoch_ms"),
        ("America/Chicago", datetime.max, "no time in America/Chicago"),
    ],
)
def test_a_row_without_a_possible_time_is_refused_in_one_line_and_the_others_are_read(
    kind: str, raw: object, said: str
) -> None:
    good = {"utc": minutes_ago(1), "epoch_ms": 1_768_910_340_000, "America/Chicago": minutes_ago(400)}
    rows = [(1, raw, 7, "D", None), (2, good.get(kind, 1_768_910_340), 8, None, None)]
    judge = judged(rows, config(time_kind=kind))

    assert values(judge) == {("truck_2", "rpm"): 8.0}
    assert [*judge.troubles()] == ["truck_1"]
    assert said in judge.troubles()["truck_1"]


def test_clocks_may_differ_by_five_minutes() -> None:
    assert judged([(1, NOW + timedelta(minutes=5), 7, None, None)], config()).readings()


def test_a_row_without_a_time_says_that_the_unit_is_known_and_no_more() -> None:
    judge = judged([(1, None, 7, None, None)], config())

    assert (judge.readings(), judge.troubles(), judge.heard) == ([], {}, {"truck_1"})


def test_a_sensor_whose_column_is_missing_is_left_out_and_the_others_are_read() -> None:
    judge = judged([(1, minutes_ago(1), "D")], config(), ["unit", "at", "gear"])

    assert values(judge) == {("truck_1", "gear"): "D"}
    assert judge.missing == [
        "devices.yaml: sensors.rpm.column: the query brings no column rpm; it brings unit, at, gear; the other "
        "sensors are read",
        "devices.yaml: sensors.brake.column: the query brings no column brake; it brings unit, at, gear; the other "
        "sensors are read",
    ]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("unit_column", config()),
        ("time_column", config()),
        ("name_column", long_config()),
        ("value_column", long_config()),
    ],
)
def test_without_a_column_that_every_row_needs_nothing_can_be_read(field: str, said: DevicesConfig) -> None:
    needed = getattr(said, field)
    columns = [column for column in (LONG if said.is_long else WIDE) if column != needed]

    with pytest.raises(
        BadInputError, match=rf"^devices\.yaml: {field}: the query brings no column {needed}; it"
    ):
        judged([], said, columns)


@given(
    st.lists(
        st.tuples(
            *[st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.booleans())] * 5
        )
    )
)
def test_no_row_whatever_is_in_it_ends_the_reading(rows: list[tuple[object, ...]]) -> None:
    judge = judged([*rows, (2, minutes_ago(1), 8, None, None)], config())

    assert values(judge)["truck_2", "rpm"] == 8.0
