"""The charger sensor: what it asks for, what it writes, and that it comes to rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from logging import getLogger

import dagster as dg
import pytest

from cph50_pipeline.defs import sensors
from cph50_pipeline.defs.jobs import PUBLISH_JOB, SESSION_JOB
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE
from cph50_pipeline.defs.sensors import PURPOSE_TAG, SESSION_ID_FILE, SESSION_TAG, watch_charger
from cph50_pipeline.defs.store import STATE_FILE
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline_tests.dagster.homes import EMBER, NOW, TIDE, Home, MakeHome, at, materializations

SENSOR = "charger_sensor"
JANUARY = "2026-01"


@contextmanager
def later(home: Home, step: timedelta) -> Iterator[datetime]:
    """Both clocks, later than `NOW` by a step."""
    home.simulator.clock.move_to(NOW + step)
    with at(NOW + step):
        yield NOW + step


def looked_at(moment: datetime) -> str:
    """The cursor of a sensor that has just looked for missed sessions."""
    return json.dumps({"looked_at": moment.timestamp()})


def wishes(home: Home, cursor: str | None = None) -> list[dg.RunRequest]:
    """The runs that a tick asks for, commits left out."""
    found = home.evaluate(SENSOR, cursor).run_requests or []
    return [request for request in found if request.job_name != PUBLISH_JOB]


def purposes(requests: list[dg.RunRequest]) -> list[tuple[str, str | None]]:
    return [(request.tags[PURPOSE_TAG], request.tags.get(SESSION_TAG)) for request in requests]


def plug_in(home: Home, minutes: float = 120) -> str:
    return str(home.simulator.plug_in(EMBER, minutes, NOW - timedelta(minutes=10)).session_id)


def fail_once(home: Home, request: dg.RunRequest) -> None:
    home.simulator.faults.fail(503, operation="charging_status", times=None)
    assert not home.run_request(request).success
    home.simulator.faults.clear()


def test_a_session_that_is_not_stored_starts_a_collection_of_its_month(collected: Home) -> None:
    session_id = plug_in(collected)
    [request] = wishes(collected)
    assert purposes([request]) == [("collection", session_id)]
    assert (request.job_name, request.partition_key) == (SESSION_JOB, JANUARY)
    assert request.run_key is None, "a run key that was seen once would never start again"
    config = request.run_config["ops"]["chargepoint_activity"]["config"]
    assert config == {"session_id": session_id, "sample": True}


def test_sensor_run_sensor_ends_in_a_skip_and_the_end_of_the_session_in_another(collected: Home) -> None:
    session_id = plug_in(collected)
    [collection] = wishes(collected)
    assert collected.run_request(collection).success
    assert wishes(collected) == []

    with later(collected, timedelta(hours=3)) as moment:
        [completion] = wishes(collected, looked_at(moment))
        assert purposes([completion]) == [("completion", session_id)]
        assert collected.run_request(completion).success
        rest = collected.evaluate(SENSOR, looked_at(moment))
    assert [r for r in rest.run_requests or [] if r.job_name != PUBLISH_JOB] == []
    [record] = [r for r in collected.store().need_month(CACHE, JANUARY) if r.session_id == session_id]
    assert record.session.status == "completed"
    assert collected.json(f"sessions/2026/01/20/{session_id}.json")["sample_count"] == 3


def test_what_is_in_flight_is_not_started_twice(collected: Home) -> None:
    plug_in(collected)
    [request] = wishes(collected)
    job = collected.defs.resolve_job_def(SESSION_JOB)
    run = collected.instance.create_run_for_job(
        job, tags=request.tags, status=dg.DagsterRunStatus.NOT_STARTED
    )
    assert wishes(collected) == []
    collected.instance.report_run_failed(run)
    assert len(wishes(collected)) == 1


def test_a_failed_collection_is_tried_three_times_more_and_then_hourly(collected: Home) -> None:
    session_id = plug_in(collected, minutes=600)
    for _ in range(4):
        [request] = wishes(collected)
        fail_once(collected, request)
    assert wishes(collected) == []
    with later(collected, timedelta(minutes=50)):
        assert wishes(collected, looked_at(NOW)) == []
    with later(collected, timedelta(minutes=65)):
        assert purposes(wishes(collected, looked_at(NOW))) == [("collection", session_id)]


def test_with_cursor_and_run_history_lost_the_same_runs_are_asked_for(collected: Home) -> None:
    plug_in(collected)
    wished = wishes(collected, looked_at(NOW))
    with dg.DagsterInstance.ephemeral() as fresh:
        forgetful = Home(collected.settings, collected.simulator, fresh)
        assert purposes(wishes(forgetful)) == purposes(wished)


def test_an_interrupted_window_is_asked_for_again(make_home: MakeHome) -> None:
    home = make_home(sample_count=2)
    session_id = plug_in(home)
    [request] = wishes(home)
    assert home.run_request(request).success
    longer = make_home(sample_count=4)
    assert purposes(wishes(longer)) == [], "a success that left the wish standing is repeated later"
    with later(longer, timedelta(minutes=6)):
        assert purposes(wishes(longer)) == [("collection", session_id)]


def test_a_session_that_came_and_went_unseen_is_found_by_the_hourly_look(collected: Home) -> None:
    collected.simulator.plug_in(TIDE, 30, NOW - timedelta(hours=5))
    assert wishes(collected, looked_at(NOW - timedelta(minutes=59))) == []
    [request] = wishes(collected, looked_at(NOW - timedelta(minutes=60)))
    assert request.tags[PURPOSE_TAG] == "refresh"
    assert request.partition_key == JANUARY
    before = len(collected.store().activity(JANUARY).sessions)
    assert collected.run_request(request).success
    assert len(collected.store().activity(JANUARY).sessions) == before + 1
    assert wishes(collected) == []


def test_the_look_back_costs_a_request_an_hour_and_none_in_between(collected: Home) -> None:
    first = collected.evaluate(SENSOR)
    collected.simulator.requests.clear()
    second = collected.evaluate(SENSOR, first.cursor)
    assert "charging_activity_monthly" not in collected.simulator.requests.counts()
    assert second.cursor == first.cursor


def test_an_open_session_of_the_month_before_is_completed_too(home: Home) -> None:
    # 23:00 on 31 December in the Pacific zone; it ends in the new year, while nobody looks.
    started = NOW.replace(month=1, day=1, hour=7)
    session_id = str(home.simulator.plug_in(TIDE, 240, started).session_id)
    home.simulator.clock.move_to(started + timedelta(hours=1))
    with at(started + timedelta(hours=1)):
        [collection] = wishes(home, looked_at(started))
        assert collection.partition_key == "2025-12"
        assert home.run_request(collection).success
    home.simulator.clock.move_to(started + timedelta(hours=6))
    with at(started + timedelta(hours=6)):
        found = wishes(home, looked_at(started + timedelta(hours=6)))
    assert purposes(found) == [("completion", session_id)]
    assert found[0].partition_key == "2025-12"


def test_no_run_is_asked_for_in_a_month_before_the_history_starts(make_home: MakeHome) -> None:
    home = make_home(history_start="2026-02")
    plug_in(home)
    assert wishes(home) == []


def test_silence_ends_the_tick_in_time_as_a_skip_and_changes_nothing(
    collected: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sensors.TICK_SECONDS < 40, "Dagster ends a tick after 60 s, and other work is in it, too"
    monkeypatch.setattr(sensors, "TICK_SECONDS", 0.3)
    before = collected.files()
    collected.simulator.faults.add(Fault(kind="delay", delay_seconds=40, times=None))
    result = collected.evaluate(SENSOR)
    collected.simulator.faults.clear()
    assert not result.run_requests
    assert "next tick tries again" in result.skip_message
    assert collected.files() == before


def test_a_session_in_progress_without_details_yet_is_not_taken_for_ended(collected: Home) -> None:
    session_id = plug_in(collected)
    assert collected.run_request(collected.evaluate(SENSOR).run_requests[0]).success
    collected.simulator.faults.fail(404, operation="charging_status", times=None)
    result = collected.evaluate(SENSOR)
    assert not result.run_requests
    assert str(session_id) in result.skip_message
    assert "no details yet" in result.skip_message


def test_a_refusal_is_one_clear_error_of_the_tick(collected: Home) -> None:
    collected.simulator.faults.add(Fault(kind="bot_html", times=None))
    with pytest.raises(Exception, match="bot protection"):
        collected.evaluate(SENSOR)


def test_the_state_says_what_the_charger_does(collected: Home) -> None:
    session_id = plug_in(collected)
    result = collected.evaluate(SENSOR)
    state = collected.json(STATE_FILE)
    assert state["connected"] is True
    assert state["charging"] is True
    assert state["power_kw"] > 5
    assert state["energy_kwh"] > 0
    assert state["timestamp"].startswith("2026-01-20T18:00")
    assert state["detected_at"].startswith("2026-01-20 10:00")
    assert state["detected_at"].endswith("PST")
    assert collected.json(SESSION_ID_FILE)["session_id"] == session_id
    assert {event.asset_key.to_user_string() for event in result.asset_events} == {
        "last_session",
        "last_session_id",
    }


def test_the_state_files_are_rewritten_on_a_change_and_every_ten_minutes(collected: Home) -> None:
    cursor = collected.evaluate(SENSOR).cursor
    first = (collected.folder / STATE_FILE).read_bytes()
    with later(collected, timedelta(minutes=5)):
        assert collected.evaluate(SENSOR, cursor).asset_events == []
        assert (collected.folder / STATE_FILE).read_bytes() == first
    with later(collected, timedelta(minutes=11)):
        assert collected.evaluate(SENSOR, cursor).asset_events == []
        refreshed = (collected.folder / STATE_FILE).read_bytes()
        assert refreshed != first
        plug_in(collected)
        assert len(collected.evaluate(SENSOR, cursor).asset_events) == 2
        assert collected.json(STATE_FILE)["connected"] is True


def test_after_a_session_its_figures_stay_and_the_power_goes(collected: Home) -> None:
    plug_in(collected, minutes=30)
    collected.evaluate(SENSOR)
    charging = collected.json(STATE_FILE)
    with later(collected, timedelta(hours=2)):
        collected.evaluate(SENSOR)
    rested = collected.json(STATE_FILE)
    assert rested["charging"] is False
    assert rested["power_kw"] is None
    assert rested["energy_kwh"] == charging["energy_kwh"]


def test_damaged_state_files_are_replaced(collected: Home) -> None:
    plug_in(collected)
    for name in (STATE_FILE, SESSION_ID_FILE):
        (collected.folder / name).write_text('{"connected": ')
    collected.evaluate(SENSOR)
    assert collected.json(STATE_FILE)["connected"] is True
    assert "session_id" in collected.json(SESSION_ID_FILE)


@pytest.mark.parametrize("cursor", ["nonsense", "[]", "{}", '{"looked_at": "today"}'])
def test_a_damaged_cursor_counts_as_none(collected: Home, cursor: str) -> None:
    renewed = json.loads(collected.evaluate(SENSOR, cursor).cursor)
    assert renewed["looked_at"] >= NOW.timestamp()


def test_a_damaged_month_is_named_by_the_tick(collected: Home) -> None:
    (collected.folder / ACTIVITY.path(JANUARY)).write_text("{")
    with pytest.raises(Exception, match=ACTIVITY.path(JANUARY)):
        collected.evaluate(SENSOR)


def test_looking_twice_at_the_same_charger_gives_the_same_wishes(collected: Home) -> None:
    plug_in(collected)
    client = collected.chargepoint.client()
    looks = [
        watch_charger(client, collected.store(), collected.settings, NOW, None, getLogger("test"))
        for _ in range(2)
    ]
    assert looks[0].wishes == looks[1].wishes
    assert looks[0].changed
    assert not looks[1].changed


def test_the_state_is_shown_as_an_asset_when_it_changes(collected: Home) -> None:
    for event in collected.evaluate(SENSOR).asset_events:
        collected.instance.report_runless_asset_event(event)
    [shown] = materializations(collected.instance, "last_session")
    assert shown.metadata["connected"].value is False


def test_a_list_that_cannot_be_read_does_not_keep_the_live_session_waiting(collected: Home) -> None:
    session_id = plug_in(collected)
    collected.simulator.faults.fail(503, operation="charging_activity_monthly", times=None)
    [request] = collected.evaluate(SENSOR).run_requests
    assert request.tags["cph50/session"] == str(session_id)
    assert collected.json("last_session.json")["connected"]
