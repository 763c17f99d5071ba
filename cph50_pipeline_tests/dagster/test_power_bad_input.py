"""What a house's meters can do wrong, all through a run: a clear line or an event each, and the rest goes on."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow.compute as pc
import pytest

from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.reading_files import read_readings
from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.defs.store import METERS_FILE
from cph50_pipeline.defs.taking_in import NOT_READ
from cph50_pipeline.power.data_points import PATHS
from cph50_pipeline.power.meters import CHARGER
from cph50_pipeline.power.readings import State
from cph50_pipeline.simulator.house.orders import ClockShift, Reading, Removed, UnitChange
from cph50_pipeline_tests.dagster.homes import (
    Home,
    MakeHome,
    build_defs,
    failure_texts,
    log_lines,
    with_house,
)

JANUARY = "2026-01"
AT = datetime(2026, 1, 20, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POWER, VOLTAGE, SOLAR = "sensor.home_power", "sensor.home_voltage", "sensor.solar_power"


def ran(home: Home) -> list[str]:
    """Run power for January; what the run said."""
    result = home.run([JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    return log_lines(home, result.run_id)


def with_resource(home: Home, token: str | None, url: str) -> None:
    """Another Home Assistant than there is."""
    resource = HomeAssistant(url=url, token=token, state_dir=str(home.settings.private_dir))
    home.__dict__["defs"] = build_defs(
        home.settings, {"chargepoint": home.chargepoint, "home_assistant": resource}
    )


def was_read(result: dg.ExecuteInProcessResult) -> bool:
    """What the check of the meters says."""
    [found] = [
        one.passed for one in result.get_asset_check_evaluations() if one.check_name == "meters_were_read"
    ]
    return found


def hours(home: Home, meter: str) -> list[dict[str, Any]]:
    chosen = (pc.field("meter") == meter) & (pc.field("resolution") == "hour")
    return home.store().need_month(ROLLUPS, JANUARY).filter(chosen).to_pylist()  # type: ignore[no-any-return]


def test_a_unit_that_changes_under_way_is_said_and_converted(home: Home) -> None:
    with_house(home, is_there=True)
    home.simulator.recorder.order(UnitChange(entity=POWER, at=AT, unit="kW"))
    [line] = [line for line in ran(home) if "kW" in line]
    assert POWER in line
    assert all(0 <= hour["max"] < 25 for hour in hours(home, "home.power"))


def test_an_impossible_reading_is_an_event_and_counts_for_nothing(home: Home) -> None:
    with_house(home, is_there=True)
    home.simulator.recorder.order(Reading(entity=VOLTAGE, at=AT - MINUTE, state="1e9"))
    ran(home)
    events = home.store().need_month(EVENTS, JANUARY)
    assert [event.meter for event in events if event.kind == "out_of_range"] == ["home.voltage"]
    series = read_readings(home.store(), JANUARY)["home.voltage"]
    assert series.state[series.value == 1e9].tolist() == [State.MISSING]
    assert max(hour["max"] for hour in hours(home, "home.voltage")) < 260


def test_a_clock_that_is_wrong_is_said_and_no_reading_is_of_the_future(home: Home) -> None:
    with_house(home, is_there=True)
    now = home.simulator.clock.now()
    home.simulator.recorder.order(ClockShift(start=now - HOUR, end=now + HOUR, seconds=7200))
    assert any("clock" in line for line in ran(home))
    newest = max(int(one.at[-1]) for one in read_readings(home.store(), JANUARY).series.values())
    assert newest <= now.timestamp() * 1000


def test_an_entity_that_does_not_exist_is_said_once_a_run_and_the_others_go_on(home: Home) -> None:
    with_house(home, is_there=True)
    home.simulator.recorder.order(Removed(entity=SOLAR, at=AT - 30 * timedelta(days=1)))
    assert sum(SOLAR in line for line in ran(home)) >= 1
    assert hours(home, "home.power")


@pytest.mark.parametrize("token", ["not-the-token", None])
def test_a_wrong_token_is_one_clear_line_and_the_charger_goes_on(home: Home, token: str | None) -> None:
    ran(with_house(home, is_there=True))
    before = read_readings(home.store(), JANUARY)
    with_resource(home, token, home.simulator.home_assistant_url)
    result = home.run([JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    [line] = [line for line in log_lines(home, result.run_id) if line.startswith(NOT_READ)]
    assert "CPH50_HOME_ASSISTANT_TOKEN" in line
    assert (token or "nothing") not in line
    assert was_read(result) is False
    assert len(read_readings(home.store(), JANUARY)) == len(before)


def test_a_home_assistant_that_is_down_keeps_the_charger_from_nothing(collected: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:  # nobody answers here once it is closed
        port = taken.getsockname()[1]
    with_resource(collected, "a-token", f"http://127.0.0.1:{port}")
    result = collected.run([JANUARY], job=POWER_JOB)
    assert result.success, failure_texts(result)
    assert was_read(result) is False
    assert hours(collected, CHARGER)
    assert collected.json(PATHS["monthly"])["data_points"]


def test_a_wrong_meters_file_names_the_meter_and_the_field(make_home: MakeHome) -> None:
    home = with_house(make_home(), is_there=True)
    home.folder.mkdir(parents=True, exist_ok=True)
    meter = {
        "source": "home_assistant",
        "entity": POWER,
        "quantity": "power",
        "kind": "gauge",
        "unit": "horses",
    }
    home.store().write_document(METERS_FILE, {"meters": {"home.power": meter}})
    result = home.run([JANUARY], job=POWER_JOB)
    text = failure_texts(result)[0]
    assert "home.power" in text
    assert "horses" in text
