"""The shapes of Home Assistant's answers, field by field as its source has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.home_states import HistoryQuery, HomeStates, StatisticsQuery, parse_time
from cph50_pipeline.simulator.house.orders import Order, Purge, Removed, UnitChange
from cph50_pipeline_tests.unit.simulator.house.houses import NOW, recorder

HOUR = timedelta(hours=1)
POWER = "sensor.home_power"
SOLAR = "sensor.solar_power"
NIGHT = datetime(2026, 1, 20, 9, tzinfo=UTC)


def home(*orders: Order) -> HomeStates:
    return HomeStates(recorder(*orders))


def history(*orders: Order, of: tuple[str, ...] = (POWER,), **changes: Any) -> list[list[dict[str, Any]]]:
    query = HistoryQuery(**{"entity_ids": of, "start": NOW - HOUR, "end": NOW, **changes})
    return home(*orders).history(query, NOW)


def test_a_state_has_the_fields_of_a_state() -> None:
    state = home().state(POWER, NOW)
    assert state is not None
    assert set(state) == {
        "entity_id",
        "state",
        "attributes",
        "last_changed",
        "last_updated",
        "last_reported",
        "context",
    }
    assert state["attributes"] == {
        "state_class": "measurement",
        "unit_of_measurement": "W",
        "device_class": "power",
        "friendly_name": "Mains power",
    }
    assert set(state["context"]) == {"id", "parent_id", "user_id"}
    assert isinstance(state["state"], str)
    assert float(state["state"]) > 0
    assert state["last_changed"].endswith("+00:00")


def test_a_sensor_that_says_the_same_reports_without_updating() -> None:
    state = home().state(SOLAR, NIGHT)
    assert state is not None
    assert state["last_changed"] == state["last_updated"] < state["last_reported"]


def test_all_states_are_those_of_the_sensors() -> None:
    known = home()
    states = known.states(NOW)
    assert {state["entity_id"] for state in states} == {
        "sensor.home_power",
        "sensor.home_voltage",
        "sensor.home_power_factor",
        "sensor.home_energy_today",
        "sensor.home_energy_total",
        "sensor.solar_power",
        "sensor.solar_energy_today",
    }
    assert all(state == known.state(state["entity_id"], NOW) for state in states)


def test_what_does_not_exist_or_exists_no_more_has_no_state() -> None:
    assert home().state("sensor.garage", NOW) is None
    assert home(Removed(entity=POWER, at=NOW - HOUR)).state(POWER, NOW) is None


def test_a_history_begins_with_what_stood_at_its_start() -> None:
    [rows] = history()
    assert rows[0]["last_changed"] == rows[0]["last_updated"] == (NOW - HOUR).isoformat()
    assert set(rows[0]) == {"entity_id", "state", "attributes", "last_changed", "last_updated"}
    assert [row["last_updated"] for row in rows] == sorted(row["last_updated"] for row in rows)
    [without] = history(with_start_state=False)
    assert without == rows[1:]


def test_a_history_leaves_out_what_came_about_exactly_at_its_ends() -> None:
    [rows] = history(with_start_state=False)
    ends = [datetime.fromisoformat(row["last_updated"]) for row in (rows[3], rows[8])]
    [between] = history(with_start_state=False, start=ends[0], end=ends[1])
    assert between == rows[4:8]


def test_a_minimal_history_is_whole_in_its_first_row_only() -> None:
    [whole], [minimal] = history(), history(minimal=True)
    assert minimal[0] == whole[0]
    assert minimal[1:] == [{"state": row["state"], "last_changed": row["last_updated"]} for row in whole[1:]]


def test_a_history_without_attributes_has_empty_ones() -> None:
    [rows] = history(with_attributes=False)
    assert all(row["attributes"] == {} for row in rows)


def test_entities_come_in_the_order_asked_for_and_those_without_history_not_at_all() -> None:
    answer = history(of=(SOLAR, "sensor.garage", POWER))
    assert [rows[0]["entity_id"] for rows in answer] == [SOLAR, POWER]


def test_a_change_of_nothing_but_the_unit_is_not_significant() -> None:
    order = UnitChange(entity=SOLAR, at=NIGHT, unit="kW")
    asked = {"of": (SOLAR,), "start": NIGHT - HOUR, "end": NIGHT + HOUR}
    [significant] = history(order, **asked)
    [all_rows] = history(order, **asked, significant_only=False)
    assert len(significant) == 1
    assert [row["attributes"]["unit_of_measurement"] for row in all_rows] == ["W", "kW"]
    assert all_rows[1]["last_changed"] < all_rows[1]["last_updated"]
    [minimal] = history(order, **asked, significant_only=False, minimal=True)
    assert len(minimal) == 1, "a row that repeats the state is left out"


def test_a_history_that_begins_in_the_future_or_ended_before_the_beginning_is_empty() -> None:
    assert history(start=NOW + HOUR, end=NOW + 2 * HOUR) == []
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert history(start=long_ago, end=long_ago + HOUR) == []


def test_a_purged_history_begins_without_a_state_at_its_start() -> None:
    [rows] = history(Purge(keep_days=0.5), start=NOW - 20 * HOUR)
    assert datetime.fromisoformat(rows[0]["last_updated"]) > NOW - 12 * HOUR


def asked(*ids: str, **changes: Any) -> StatisticsQuery:
    return StatisticsQuery(
        **{
            "statistic_ids": ids,
            "start": NOW - 5 * HOUR,
            "end": NOW,
            "period": "hour",
            "units": {},
            **changes,
        }
    )


def test_statistics_have_a_key_for_every_type_and_times_in_milliseconds() -> None:
    answer = home().statistics(asked(POWER, "sensor.home_energy_today"), NOW)
    for rows in answer.values():
        assert all(
            set(row) == {"start", "end", "change", "last_reset", "max", "mean", "min", "state", "sum"}
            for row in rows
        )
        assert all(row["end"] - row["start"] == 3_600_000 for row in rows)
    assert answer[POWER][0]["start"] == (NOW - 5 * HOUR).timestamp() * 1000
    assert answer[POWER][0]["state"] is None
    assert answer["sensor.home_energy_today"][0]["mean"] is None


def test_only_the_types_asked_for_come() -> None:
    [rows] = home().statistics(asked(POWER, types=["mean"]), NOW).values()
    assert all(set(row) == {"start", "end", "mean"} for row in rows)


def test_statistics_are_converted_to_the_unit_asked_for() -> None:
    [watts], [kilowatts] = (
        home().statistics(asked(POWER, units=units), NOW).values() for units in ({}, {"power": "kW"})
    )
    assert [row["mean"] for row in kilowatts] == pytest.approx([row["mean"] / 1000 for row in watts])


def test_statistics_are_converted_to_the_unit_of_the_present_state_by_themselves() -> None:
    [plain] = home().statistics(asked(POWER), NOW).values()
    [changed] = (
        home(UnitChange(entity=POWER, at=NOW - HOUR, unit="kW")).statistics(asked(POWER), NOW).values()
    )
    assert [row["mean"] for row in changed[:3]] == pytest.approx([row["mean"] / 1000 for row in plain[:3]])


def test_a_unit_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInputError, match="kW"):
        home().statistics(asked(POWER, units={"power": "hp"}), NOW)


def test_statistics_of_nobody_are_nothing() -> None:
    assert home().statistics(asked("sensor.garage"), NOW) == {}


def test_what_statistics_there_are_is_told_with_their_units() -> None:
    described = {one["statistic_id"]: one for one in home().statistic_ids(NOW, None)}
    assert described[POWER] == {
        "statistic_id": POWER,
        "display_unit_of_measurement": "W",
        "has_mean": True,
        "mean_type": 1,
        "has_sum": False,
        "name": None,
        "source": "recorder",
        "statistics_unit_of_measurement": "W",
        "unit_class": "power",
    }
    assert described["sensor.home_power_factor"]["unit_class"] == "unitless"
    sums = {one["statistic_id"] for one in home().statistic_ids(NOW, "sum")}
    means = {one["statistic_id"] for one in home().statistic_ids(NOW, "mean")}
    assert sums | means == described.keys()
    assert not sums & means
    assert POWER in means


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-20T10:00:00-08:00", NOW),
        ("2026-01-20T18:00:00Z", NOW),
        ("2026-01-20T10:00:00", NOW),
        ("yesterday", None),
    ],
)
def test_times_are_read_as_home_assistant_reads_them(text: str, instant: datetime | None) -> None:
    assert parse_time(text, recorder()) == instant
