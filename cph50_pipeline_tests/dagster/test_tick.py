"""`tick`: one evaluation of everything that is on and due, with its runs, in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from cph50_pipeline.defs.caches.registry import REFRESH_SCHEDULES
from cph50_pipeline.defs.power_schedules import NIGHTS
from cph50_pipeline.defs.store import LABELS_FILE
from cph50_pipeline.defs.tick import MEMORY_FILE, Ticked, tick
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.sources.request_budget import BUDGET_FILE
from cph50_pipeline_tests.dagster.homes import EMBER, NOW, Home, at, materializations

SENSORS = ("charger_sensor", "hand_edited_sensor", "training_sensor")
OFF = "power_sensor"
Tick = Callable[..., dict[str, Ticked]]


@pytest.fixture
def ticking(lasting: Home, monkeypatch: pytest.MonkeyPatch) -> Tick:
    """Ticks of a household whose three months are stored; what each sensor and schedule did, by name."""
    monkeypatch.setenv("CPH50_CHARGEPOINT_USERNAME", lasting.simulator.account.username)
    monkeypatch.setenv("CPH50_CHARGEPOINT_PASSWORD", lasting.simulator.account.password)
    # The house's months, what is refreshed at night and what is tidied up are their own tests' matter.
    switch_off(lasting.instance, OFF, *NIGHTS, *REFRESH_SCHEDULES.values(), "maintenance", "power_retention")

    def once(now: datetime = NOW) -> dict[str, Ticked]:
        (lasting.settings.private_dir / BUDGET_FILE).unlink(missing_ok=True)
        lasting.simulator.clock.move_to(now)
        with at(now):
            done = tick(lasting.instance, lasting.settings, now, lambda line: None)
        return {ticked.name: ticked for ticked in done}

    return once


def switch_off(instance: dg.DagsterInstance, *sensors: str) -> None:
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="cph50_pipeline.definitions"))
    repository = RemoteRepositoryOrigin(location, "__repository__")
    for name in sensors:
        origin = repository.get_instigator_origin(name)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, None)
        instance.add_instigator_state(state)


def all_sensors(home: Home) -> set[str]:
    return {sensor.name for sensor in home.defs.sensors or []}


def remember(home: Home, moment: datetime) -> None:
    """The last tick was at a moment."""
    (home.settings.private_dir / MEMORY_FILE).write_text(json.dumps({"at": moment.timestamp()}))


def test_a_tick_runs_what_its_sensors_ask_for_and_the_next_one_rests(lasting: Home, ticking: Tick) -> None:
    session_id = str(lasting.simulator.plug_in(EMBER, 120, NOW - timedelta(minutes=5)).session_id)
    first = ticking()
    assert [outcome.succeeded for outcome in first["charger_sensor"].outcomes] == [True]
    assert session_id in lasting.store().activity("2026-01").sessions
    assert first["hand_edited_sensor"].succeeded
    second = ticking(NOW + timedelta(minutes=1))
    assert second["charger_sensor"].outcomes == []
    assert second["hand_edited_sensor"].outcomes == []


def test_the_cursor_is_kept_between_ticks(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, "hand_edited_sensor")
    ticking()
    lasting.simulator.requests.clear()
    ticking(NOW + timedelta(minutes=30))
    assert "charging_activity_monthly" not in lasting.simulator.requests.counts()
    ticking(NOW + timedelta(minutes=61))
    assert lasting.simulator.requests.counts()["charging_activity_monthly"] > 0


def test_what_is_switched_off_in_dagster_stays_off(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, "charger_sensor")
    (lasting.folder / LABELS_FILE).write_text('{"1": {"vehicle_id": "nobodys"}}')
    done = ticking()
    assert done["charger_sensor"].said == "switched off"
    assert len(lasting.simulator.requests) == 0
    assert "stay in force" in done["hand_edited_sensor"].said


def test_a_due_schedule_runs_once_and_its_run_says_that_it_was_scheduled(
    lasting: Home, ticking: Tick
) -> None:
    switch_off(lasting.instance, *SENSORS)
    sunday = datetime(2026, 1, 25, 8, 0, tzinfo=UTC)
    remember(lasting, NOW)
    done = ticking(sunday + timedelta(minutes=3))
    assert [outcome.succeeded for outcome in done["weekly_refresh"].outcomes] == [True]
    [record] = lasting.instance.get_run_records()
    assert record.dagster_run.tags["dagster/schedule_name"] == "weekly_refresh"
    assert record.dagster_run.tags["dagster/partition"] == "2026-01"
    assert "weekly_refresh" not in ticking(sunday + timedelta(minutes=8))


def test_a_schedule_of_the_households_zone_comes_due_by_its_clock(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, *SENSORS, "weekly_refresh")
    sunday_at_eight_in_the_evening = datetime(2026, 1, 26, 4, 0, tzinfo=UTC)
    remember(lasting, NOW)
    assert "weekly_vehicle_report" not in ticking(sunday_at_eight_in_the_evening - timedelta(minutes=1))
    done = ticking(sunday_at_eight_in_the_evening)
    assert [outcome.succeeded for outcome in done["weekly_vehicle_report"].outcomes] == [True]
    assert done["weekly_vehicle_report"].said == "due at 2026-01-26 04:00 UTC"


def test_a_closure_that_was_missed_for_weeks_is_made_up_for_with_every_month(
    lasting: Home, ticking: Tick
) -> None:
    switch_off(lasting.instance, *SENSORS, "weekly_refresh")
    remember(lasting, datetime(2025, 12, 30, tzinfo=UTC))
    done = ticking(NOW)
    assert [outcome.succeeded for outcome in done["monthly_closure"].outcomes] == [True, True]
    assert [lasting.store().activity(m).closed for m in ("2025-11", "2025-12", "2026-01")] == [
        True,
        True,
        False,
    ]


def test_the_very_first_tick_does_not_run_every_schedule_of_the_past(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, *SENSORS)
    assert set(ticking()) == all_sensors(lasting)


def test_a_charger_that_refuses_does_not_keep_the_rest_from_its_turn(lasting: Home, ticking: Tick) -> None:
    remember(lasting, datetime(2025, 12, 30, tzinfo=UTC))
    switch_off(lasting.instance, "monthly_closure", "weekly_refresh")
    lasting.simulator.faults.add(Fault(kind="bot_html", times=None))
    done = ticking()
    assert not done["charger_sensor"].succeeded
    assert "bot protection" in done["charger_sensor"].said
    assert [outcome.succeeded for outcome in done["hand_edited_sensor"].outcomes] == [True]


def test_a_failed_run_makes_the_tick_a_failed_one(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, "hand_edited_sensor")
    lasting.simulator.plug_in(EMBER, 120, NOW - timedelta(minutes=5))
    lasting.simulator.faults.fail(404, operation="charging_status", after=1, times=None)
    assert not ticking()["charger_sensor"].succeeded


def test_where_a_daemon_is_alive_a_tick_leaves_everything_to_it(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, "hand_edited_sensor")
    with at(NOW):
        beat = DaemonHeartbeat(time.time(), "QUEUED_RUN_COORDINATOR", "a daemon", [])
    lasting.instance.add_daemon_heartbeat(beat)
    assert set(ticking()) == {"daemon"}
    assert len(lasting.simulator.requests) == 0
    assert set(ticking(NOW + timedelta(minutes=5))) == all_sensors(lasting), "a daemon that is silent is dead"


def test_the_state_of_the_charger_is_shown_as_an_asset(lasting: Home, ticking: Tick) -> None:
    switch_off(lasting.instance, "hand_edited_sensor")
    ticking()
    [shown] = materializations(lasting.instance, "last_session")
    assert shown.metadata["connected"].value is False


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_memory_is_as_good_as_none(lasting: Home, ticking: Tick, damage: str) -> None:
    switch_off(lasting.instance, *SENSORS)
    (lasting.settings.private_dir / MEMORY_FILE).write_text(damage)
    ticking()
    assert json.loads((lasting.settings.private_dir / MEMORY_FILE).read_text())["at"] == NOW.timestamp()


def test_a_second_tick_leaves_the_work_to_the_first(home: Home) -> None:
    with home.store().locks.collector():
        [said] = tick(home.instance, home.settings, NOW, lambda line: None)
    assert "Another tick is at work" in said.said
    assert said.succeeded
    assert len(home.simulator.requests) == 0
