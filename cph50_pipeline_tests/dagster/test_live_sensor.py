"""Latest values as Dagster's sensors write them: of the charger, of the house, and which devices have fallen silent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.instigation_logger import get_instigation_log_records

from cph50_pipeline.charging.answers import ChargerStatus
from cph50_pipeline.charging.watching import Observation, last_session
from cph50_pipeline.defs.charger_values import readings_of_look
from cph50_pipeline.defs.collecting import Spool
from cph50_pipeline.defs.live import device_snapshots, live_store
from cph50_pipeline.defs.live_direct import read_direct
from cph50_pipeline.defs.live_feeds import build_feeds
from cph50_pipeline.defs.live_sensor import CHECK
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.errors import NotFoundError, PermanentError
from cph50_pipeline.live.model import Cycle, Device, DeviceKind, Freshness, Heartbeat, Reading
from cph50_pipeline.live.snapshot import DeviceSnapshot
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.dagster.homes import NOW, Home, MakeHome, at, with_house
from cph50_pipeline_tests.dagster.test_power_sensor import METERS

SECONDS, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
CAR = "ember_hatch_2023"


@pytest.fixture
def house(make_home: MakeHome) -> Home:
    """A house with a charger and one meter of Home Assistant."""
    home = with_house(make_home(), is_there=True)
    home.folder.mkdir()
    (home.folder / METERS_FILE).write_text(json.dumps(METERS))
    return home


def snapshots(home: Home, now: datetime) -> dict[DeviceKind, DeviceSnapshot]:
    return {one.device.kind: one for one in device_snapshots(home.settings, now)}


def values(snapshot: DeviceSnapshot) -> dict[str, object]:
    return {sensor.sensor: sensor.value for sensor in snapshot.sensors}


def tick(home: Home, now: datetime, *sensors: str) -> Any:
    """Let sensors look at an instant; gives what the last one said."""
    home.simulator.clock.move_to(now)
    with at(now):
        return [home.evaluate(sensor) for sensor in sensors][-1]


def test_a_look_at_an_idle_charger_says_that_it_draws_nothing(house: Home) -> None:
    tick(house, NOW, "charger_sensor")
    charger = snapshots(house, NOW + 7 * SECONDS)[DeviceKind.CHARGER]
    assert charger.age_seconds == pytest.approx(7, abs=1)
    assert charger.freshness is Freshness.FRESH
    said = values(charger)
    assert (said["charging"], said["connected"], said["power_kw"]) == (False, False, 0.0)
    assert said["amperage_limit"] == 40.0


def test_a_session_in_progress_shows_its_power_energy_and_id(house: Home) -> None:
    session = house.simulator.plug_in(CAR, 60, NOW)
    tick(house, NOW + 10 * MINUTE, "charger_sensor")
    said = values(snapshots(house, NOW + 10 * MINUTE)[DeviceKind.CHARGER])
    assert (said["charging"], said["connected"], said["session_id"]) == (True, True, str(session.session_id))
    assert isinstance(said["power_kw"], float)
    assert said["power_kw"] > 1
    assert said["duration_minutes"] == pytest.approx(10, abs=1)


def test_the_power_of_a_session_that_has_ended_is_zero_and_its_energy_fades(house: Home) -> None:
    house.simulator.plug_in(CAR, 30, NOW)
    tick(house, NOW + 10 * MINUTE, "charger_sensor")
    tick(house, NOW + 61 * MINUTE, "charger_sensor")
    charger = snapshots(house, NOW + 61 * MINUTE)[DeviceKind.CHARGER]
    said = values(charger)
    assert (said["power_kw"], said["session_id"]) == (0.0, None)
    assert {one.sensor: one.last_value for one in charger.sensors}["energy_kwh"] > 0  # type: ignore[operator]


def test_what_the_house_says_is_of_when_it_was_asked(house: Home) -> None:
    tick(house, NOW, "live_sensor")
    home = snapshots(house, NOW + 5 * SECONDS)[DeviceKind.METER]
    assert (home.device.device_id, home.age_seconds) == ("home", pytest.approx(5, abs=2))
    assert 0 < float(values(home)["power"]) < 20  # type: ignore[arg-type]
    assert [sensor.unit for sensor in home.sensors] == ["kW"]


def test_a_charger_that_does_not_answer_grows_old_and_fails_the_check_after_five_minutes(house: Home) -> None:
    tick(house, NOW, "charger_sensor", "live_sensor")
    house.simulator.faults.fail(503, times=None)
    late = NOW + 6 * MINUTE
    heard = tick(house, late, "charger_sensor", "live_sensor")
    charger = snapshots(house, late)[DeviceKind.CHARGER]
    assert (charger.freshness, charger.age_seconds) == (Freshness.SILENT, pytest.approx(360, abs=2))
    [verdict] = heard.asset_events
    assert (verdict.check_name, verdict.passed) == (CHECK, False)
    assert charger.device.device_id in verdict.description
    beat = next(one for one in live_store(house.settings).heartbeats() if one.feed == "charger")
    assert beat.is_alive(late)
    assert beat.failures == 1
    assert beat.trouble


def test_a_charger_that_answers_again_heals_the_check(house: Home) -> None:
    tick(house, NOW, "charger_sensor", "live_sensor")
    assert not tick(house, NOW + 6 * MINUTE, "live_sensor").asset_events[0].passed
    assert tick(house, NOW + 7 * MINUTE, "charger_sensor", "live_sensor").asset_events[0].passed


def test_a_tick_shows_what_it_says_itself_however_many_there_were_before(house: Home, tmp_path: Path) -> None:
    dagster = dg.DagsterInstance.local_temp(str(tmp_path))
    said = [logged_by(house, dagster, "live_sensor", NOW)]
    house.simulator.faults.fail(503, times=None)
    said += [logged_by(house, dagster, "live_sensor", NOW + minutes * MINUTE) for minutes in (1, 2, 7)]
    assert [len(lines) for lines in said] == [0, 1, 0, 1]
    assert "home (home) is silent" in said[-1][0]


def logged_by(home: Home, dagster: dg.DagsterInstance, sensor: str, now: datetime) -> list[str]:
    """What a tick logs, as Dagster keeps it for its page."""
    home.simulator.clock.move_to(now)
    key = ["ticks", sensor, now.isoformat()]
    resources = {
        "home_assistant": dg.ResourceDefinition.hardcoded_resource(
            (home.defs.resources or {})["home_assistant"]
        )
    }
    with (
        at(now),
        dg.SensorEvaluationContext(
            dagster.get_ref(), log_key=key, sensor_name=sensor, resources=resources
        ) as context,
    ):
        home.defs.get_sensor_def(sensor).evaluate_tick(context)
    return [str(record["msg"]) for record in get_instigation_log_records(dagster, key)]


def test_a_meter_that_is_unavailable_replaces_nothing(house: Home) -> None:
    tick(house, NOW, "live_sensor")
    before = values(snapshots(house, NOW)[DeviceKind.METER])
    house.simulator.faults.fail(503, times=None)
    tick(house, NOW + 2 * MINUTE, "live_sensor")
    home = snapshots(house, NOW + 2 * MINUTE)[DeviceKind.METER]
    assert values(home) == before
    assert home.freshness is Freshness.STALE


def test_a_live_table_that_is_damaged_costs_no_look_at_the_charger(house: Home) -> None:
    house.settings.private_dir.mkdir(parents=True, exist_ok=True)
    (house.settings.private_dir / "live.sqlite").write_bytes(b"no database" * 100)
    tick(house, NOW, "charger_sensor")
    assert house.json("last_session.json")["connected"] is False


def test_devices_of_a_feed_that_is_set_up_no_longer_are_retired_and_alarm_nobody(house: Home) -> None:
    table, before = live_store(house.settings), NOW - 60 * MINUTE
    truck = Device("truck-7", DeviceKind.TELEMETRY, "Truck 7", "telemetry")
    table.write([truck], [Reading("truck-7", "rpm", 1.0, None, before)], "telemetry", before)
    table.end_cycle(
        Cycle("telemetry", before, 1.0, 1, 1, 0, 0.0, 0.0, 1),
        Heartbeat("telemetry", before, before, 0, None, 30),
    )
    heard = tick(house, NOW, "charger_sensor", "live_sensor")
    assert heard.asset_events[0].passed
    assert {one.source for one in table.devices()} == {"charger", "home_assistant"}
    assert {beat.feed for beat in table.heartbeats()} == {"charger", "home_assistant"}
    assert table.latest("truck-7")[0].value == 1.0


def test_of_a_charger_that_is_offline_nothing_is_said_but_that() -> None:
    offline = ChargerStatus(
        is_plugged_in=True, is_connected=False, charging_status="CHARGING", charger_label="charger-1"
    )
    seen = Observation(NOW, offline, None)
    said = readings_of_look(seen, last_session(seen, None, ZoneInfo("UTC")))
    assert {reading.sensor: reading.value for reading in said} == {"online": False}


@pytest.fixture
def reachable(house: Home, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The house's settings, by which its charger and its Home Assistant are asked without Dagster's resources."""
    monkeypatch.setenv("CPH50_CHARGEPOINT_USERNAME", house.simulator.account.username)
    monkeypatch.setenv("CPH50_CHARGEPOINT_PASSWORD", house.simulator.account.password)
    monkeypatch.setenv("CPH50_HOME_ASSISTANT_URL", house.simulator.home_assistant_url)
    monkeypatch.setenv("CPH50_HOME_ASSISTANT_TOKEN", house.simulator.home_assistant_token)
    changes = {
        "chargepoint_discovery_url": house.simulator.discovery_url,
        "chargepoint_username": house.simulator.account.username,
        "home_assistant_url": house.simulator.home_assistant_url,
        "power_interval_seconds": 60,
    }
    return house.settings.model_copy(update=changes)


def test_the_meters_are_heard_also_while_a_daemon_collects_their_readings(
    house: Home, reachable: Settings
) -> None:
    store = Store.of(reachable)
    [feed] = build_feeds(reachable, store)
    with at(NOW), store.locks.home_collector():
        heard = feed.poll(feed.devices(), NOW)
    assert [(one.device_id, one.sensor) for one in heard.readings] == [("home", "power")]
    assert not [*Spool(store.locks).waiting()]


def test_a_source_that_is_asked_itself_says_so_without_a_table_and_nothing_is_kept_of_it(
    house: Home, reachable: Settings
) -> None:
    tick(house, NOW, "charger_sensor")
    charger = snapshots(house, NOW)[DeviceKind.CHARGER].device.device_id
    live_store(house.settings).close()
    for file in house.settings.private_dir.glob("live.sqlite*"):
        file.unlink()
    (house.settings.private_dir / "live.sqlite").write_bytes(b"no database" * 1000)
    with at(NOW + MINUTE), pytest.raises(PermanentError):
        live_store(house.settings).check()
    with at(NOW + MINUTE):
        for device_id, sensor in ((charger, "connected"), ("home", "power")):
            assert sensor in {reading.sensor for reading in read_direct(reachable, device_id)}
    assert not [*Spool(Store.of(reachable).locks).waiting()]


def test_chargepoint_is_not_asked_for_an_id_that_nobody_knows(house: Home, reachable: Settings) -> None:
    tick(house, NOW, "charger_sensor")
    house.simulator.faults.fail(503, times=None)
    with at(NOW + MINUTE), pytest.raises(NotFoundError, match="no device"):
        read_direct(reachable, "charger-none")


def test_a_source_is_asked_itself_past_the_table(house: Home, reachable: Settings) -> None:
    tick(house, NOW, "charger_sensor")
    device_id = snapshots(house, NOW)[DeviceKind.CHARGER].device.device_id
    settings = reachable
    with at(NOW + MINUTE):
        said = {reading.sensor: reading.value for reading in read_direct(settings, device_id)}
        assert (said["connected"], said["power_kw"]) == (False, 0.0)
        with pytest.raises(NotFoundError, match="no device"):
            read_direct(settings, "charger-none")
