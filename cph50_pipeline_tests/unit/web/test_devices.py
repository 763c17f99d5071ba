"""The routes of latest values: ages, what falls silent, what stands in for the live table, asking the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio
import httpx
import pytest

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Cycle, Device, DeviceKind, Heartbeat, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.web.context import ASKED_AT_ONCE, Context
from cph50_pipeline.web.devices import MOST_WAITING, ask_source
from cph50_pipeline.web.problems import ProblemError
from cph50_pipeline_tests.unit.web.household import CHARGER, served, settings_in, store_stays

AT_HOME = Device(CHARGER, DeviceKind.CHARGER, "CPH50", "charger")
METER = Device("home", DeviceKind.METER, "Home", "home_assistant")


def write(settings: Settings, device: Device, age: timedelta, **values: float | str | bool) -> None:
    """Let a device have said this so long ago."""
    now = datetime.now(UTC)
    readings = [Reading(device.device_id, sensor, value, None, now - age) for sensor, value in values.items()]
    live_store(settings).write([device], readings, device.source, now)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A household whose charger just spoke and whose meter is silent."""
    settings = settings_in(tmp_path_factory.mktemp("devices"))
    write(settings, AT_HOME, timedelta(seconds=5), power_kw=0.0, charging=False, status="waiting")
    write(settings, METER, timedelta(minutes=10), power_kw=1.25)
    with served(settings) as running:
        yield running


def test_a_charger_says_what_it_is_like_and_how_old_that_is(client: httpx.Client) -> None:
    listed = client.get("/api/v1/chargers")
    status = client.get(f"/api/v1/chargers/{CHARGER}/status")
    one = status.json()
    assert [row["charger_id"] for row in listed.json()["chargers"]] == [CHARGER]
    assert (one["power_kw"], one["charging"], one["status"], one["energy_kwh"]) == (
        0.0,
        False,
        "waiting",
        None,
    )
    assert 5 <= one["age_seconds"] < 60
    assert 5 <= one["power_age_seconds"] < 60
    assert one["energy_age_seconds"] is None
    assert (one["stale"], one["freshness"], one["source"]) == (False, "fresh", "live")
    assert status.headers["cache-control"] == "no-store"
    assert client.get("/api/v1/chargers/home/status").status_code == 404


def test_a_device_that_fell_silent_keeps_its_value_and_is_stale(client: httpx.Client) -> None:
    one = client.get("/api/v1/devices/home").json()
    assert one["sensors"]["power_kw"]["value"] == 1.25
    assert (one["stale"], one["freshness"]) == (True, "silent")
    assert one["age_seconds"] >= 600
    assert client.get("/api/v1/devices/nothing").status_code == 404


def test_the_oldest_device_speaks_for_all(client: httpx.Client) -> None:
    everything = client.get("/api/v1/devices").json()
    chargers = client.get("/api/v1/devices", params={"kind": "charger"}).json()
    assert (everything["total"], everything["stale"], everything["age_seconds"] >= 600) == (2, True, True)
    assert (chargers["total"], chargers["stale"]) == (1, False)
    assert (
        client.get("/api/v1/devices.csv")
        .text.splitlines()[0]
        .startswith("device_id,kind,name,feed,age_seconds")
    )


def test_what_a_sensor_said_before_comes_in_all_forms(client: httpx.Client) -> None:
    route = "/api/v1/devices/home/history"
    answer = client.get(route, params={"sensor": "power_kw"}).json()
    assert [row["value"] for row in answer["values"]] == [1.25]
    assert client.get(f"{route}.csv", params={"sensor": "power_kw"}).text.endswith(",1.25,\n")
    assert client.get(route, params={"sensor": "nothing"}).json()["values"] == []
    assert client.get(route).status_code == 422
    backwards = {"sensor": "power_kw", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    assert client.get(route, params=backwards).status_code == 422


def test_before_anything_was_polled_the_state_file_tells_of_the_charger(settings: Settings) -> None:
    looked_at = datetime.now(UTC) - timedelta(minutes=5)
    state = {
        "timestamp": looked_at.isoformat(),
        "detected_at": "then",
        "power_kw": 7.2,
        "connected": True,
        "charging": True,
        "vehicle_id": "ember_hatch_2023",
    }
    DataRoot(settings.data_root).write("last_session.json", dump_json(state))
    with served(settings) as client:
        chargers = client.get("/api/v1/chargers").json()
        one = client.get("/api/v1/chargers/charger/status").json()
    assert (chargers["source"], chargers["total"]) == ("last_session.json", 1)
    assert (one["power_kw"], one["charging"], one["vehicle_id"], one["stale"]) == (
        7.2,
        True,
        "ember_hatch_2023",
        False,
    )
    assert one["age_seconds"] >= 300


def test_asking_a_source_that_is_down_says_so_and_what_is_kept(settings: Settings) -> None:
    changes = {
        "source": "chargepoint",
        "chargepoint_discovery_url": "http://127.0.0.1:9/",
        "chargepoint_username": "anna",
        "chargepoint_token": "saved",
    }
    without_source = Settings(**{**settings.model_dump(exclude_none=True), **changes})
    write(without_source, AT_HOME, timedelta(seconds=5), power_kw=3.0)
    with served(without_source) as client:
        refused = client.get(f"/api/v1/devices/{CHARGER}", params={"source": "direct"})
        stored = client.get(f"/api/v1/devices/{CHARGER}")
    assert refused.status_code in (502, 503, 504)
    assert refused.headers["content-type"] == "application/problem+json"
    assert f"/api/v1/devices/{CHARGER}" in refused.json()["kept"]
    assert stored.json()["sensors"]["power_kw"]["value"] == 3.0


def test_fresh_is_what_is_heard_and_collected(settings: Settings) -> None:
    store_stays(settings)
    write(settings, AT_HOME, timedelta(seconds=5), power_kw=0.0)
    now = datetime.now(UTC)
    cycle = Cycle("charger", now, 0.1, 1, 1, 0, 5.0, 5.0, 1)
    before = now - timedelta(hours=1)
    with served(settings) as client:
        live_store(settings).end_cycle(cycle, Heartbeat("charger", before, before, 0, None, 30))
        dead = client.get("/readyz")
        live_store(settings).end_cycle(cycle, Heartbeat("charger", now, now, 0, None, 30))
        fresh = client.get("/readyz")
        write(settings, METER, timedelta(minutes=10), power_kw=1.0)
        silent = client.get("/readyz")
    assert (fresh.status_code, fresh.json()["status"]) == (200, "fresh"), fresh.text
    assert dead.status_code == 503
    assert [check["name"] for check in dead.json()["checks"] if not check["ok"]] == ["feed charger"]
    assert "silent: home" in silent.text


def test_prometheus_reads_requests_answers_ages_and_feeds(client: httpx.Client) -> None:
    asked = [client.get("/api/v1/sessions?limit=7").status_code for _ in range(2)]
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert asked == [200, 200]
    assert 'cph50_api_requests_total{method="GET",route="/api/v1/sessions",status="200"} 2.0' in text
    assert 'route="none",status="404"' in text
    assert 'cph50_api_cache_answers_total{result="hit"} 1.0' in text
    assert "cph50_api_cache_hit_ratio 0.5" in text
    assert 'cph50_devices{freshness="silent"} 1.0' in text
    assert f'cph50_device_age_seconds{{device="{CHARGER}",kind="charger"}}' in text


def test_prometheus_reads_how_the_newest_round_of_each_feed_went(settings: Settings) -> None:
    now = datetime.now(UTC)
    table = live_store(settings)
    beat = Heartbeat("charger", now, now, 0, None, 30)
    table.end_cycle(Cycle("charger", now - timedelta(seconds=30), 9.0, 1, 9, 0, 1.0, 1.0, 1), beat)
    table.end_cycle(Cycle("charger", now - timedelta(seconds=2), 1.5, 4, 7, 2, None, 31.0, 0), beat)
    with served(settings) as client:
        text = client.get("/metrics").text
    told = dict(re.findall(r'^cph50_round_(\w+){feed="charger"} (\S+)$', text, re.MULTILINE))
    assert {name: float(number) for name, number in told.items()} == {
        "duration_seconds": 1.5,
        "devices": 4,
        "updated": 7,
        "errors": 2,
        "fresh": 0,
        "age_maximum_seconds": 31,
    }


def test_where_too_many_ask_the_sources_themselves_no_more_threads_are_taken(settings: Settings) -> None:
    async def ask_when_many_do() -> None:
        context = Context.of(settings)
        for _ in range(ASKED_AT_ONCE):
            context.asking.acquire_on_behalf_of_nowait(object())
        async with anyio.create_task_group() as waiting:
            for _ in range(MOST_WAITING):
                waiting.start_soon(context.asking.acquire_on_behalf_of, object())
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(ProblemError, match="Too many ask") as refused:
                await ask_source(context, CHARGER)
            assert refused.value.status == 503
            waiting.cancel_scope.cancel()
        context.close()

    anyio.run(ask_when_many_do)
